"""One HTML page that needs no network, with plotly.js in it."""

from __future__ import annotations

import html
from importlib import resources
from pathlib import Path

from gcpmlops import _extras
from gcpmlops.exceptions import InvalidArgument


def write(path: Path, *, title: str, subtitle: str, body: str) -> Path:
    """The page. Raises MissingExtra, InvalidArgument where the file can't be written."""
    offline = _extras.need("plotly.offline", extra="plots", purpose="a page with pictures")
    style = resources.files(__package__).joinpath("dashboard.css").read_text("utf-8")
    title = html.escape(title)
    text = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style>'
        f"<script>{offline.get_plotlyjs()}</script></head>\n<body><header><h1>{title}</h1>"
        f"<p>{html.escape(subtitle)}</p></header>\n{body}\n</body></html>\n"
    )
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise InvalidArgument(f"{path}: {exc.strerror}", field="path", value=str(path)) from exc
    return path


def note(text: str, *, good: bool = False) -> str:
    """A sentence in the middle of a tile."""
    return f'<p class="note{" good" if good else ""}">{html.escape(text)}</p>'
