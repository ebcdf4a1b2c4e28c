"""Plotly figures on one HTML page that needs no network."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gcpmlops import _extras
from gcpmlops.exceptions import InvalidArgument

TEMPLATE = "plotly_white"
_STYLE = """body { font-family: system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem }
table { border-collapse: collapse; font-size: .85rem; margin: 1rem 0; display: block; overflow-x: auto }
caption { text-align: left; padding: .5rem 0 }
th, td { border-bottom: 1px solid #ddd; padding: .3rem .6rem; text-align: right; white-space: nowrap }"""


def page(path: Path, title: str, parts: Sequence[Any]) -> Path:
    """Write the page: figures, and pieces of HTML as they are; plotly.js stands in it once. Raises InvalidArgument."""
    offline = _extras.need("plotly.offline", extra="plots", purpose="a page of plots")
    body = "\n".join(part if isinstance(part, str) else _figure(part, n) for n, part in enumerate(parts))
    text = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style>'
        f"<script>{offline.get_plotlyjs()}</script></head>\n"
        f"<body><h1>{html.escape(title)}</h1>\n{body}\n</body></html>\n"
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InvalidArgument(f"{path}: {exc.strerror}", field="path", value=str(path)) from exc
    return path


def _figure(figure: Any, number: int) -> str:
    return str(figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"figure-{number}"))


def slug(text: str) -> str:
    """The text as a file's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.") or "plot"
