"""The simple index (PEP 503, 691, 700): HTML for those who don't ask for JSON."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from starlette.responses import JSONResponse, Response

_JSON = "application/vnd.pypi.simple.v1+json"
_HTML = ("application/vnd.pypi.simple.v1+html", "text/html")
_META = {"api-version": "1.1"}
_FRESH = {"cache-control": "no-cache"}  # uv would keep a page for ten minutes


@dataclass(frozen=True)
class Entry:
    """A file of a package, as the index shows it."""

    filename: str
    version: str
    sha256: str
    size: int
    uploaded: str
    requires_python: str = ""


def projects(accept: str, found: Iterable[str]) -> Response:
    """All packages."""
    listed = sorted(found)
    if _type(accept) == _JSON:
        return _json({"projects": [{"name": name} for name in listed]})
    return _html("Simple index", (f'<a href="{name}/">{name}</a>' for name in listed), accept)


def project(accept: str, name: str, entries: Iterable[Entry]) -> Response:
    """All files of one package; links are relative, so that they hold whatever the host is called."""
    listed = sorted(entries, key=lambda entry: entry.filename)
    if _type(accept) != _JSON:
        return _html(f"Links for {name}", map(_link(name), listed), accept)
    versions = sorted({entry.version for entry in listed})
    return _json({"name": name, "versions": versions, "files": [_file(name, entry) for entry in listed]})


def _link(name: str) -> Callable[[Entry], str]:
    def made(entry: Entry) -> str:
        needs = f' data-requires-python="{html.escape(entry.requires_python)}"' if entry.requires_python else ""
        return f'<a href="{_url(name, entry)}#sha256={entry.sha256}"{needs}>{html.escape(entry.filename)}</a>'

    return made


def _file(name: str, entry: Entry) -> dict[str, Any]:
    needs = {"requires-python": entry.requires_python} if entry.requires_python else {}
    return {
        "filename": entry.filename,
        "url": _url(name, entry),
        "hashes": {"sha256": entry.sha256},
        "size": entry.size,
        "upload-time": entry.uploaded,
        **needs,
    }


def _url(name: str, entry: Entry) -> str:
    return f"../../{name}/{quote(entry.filename)}"


def _type(accept: str) -> str:
    """The best of the forms that the client takes; HTML where it says nothing."""
    weights: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = [piece.strip() for piece in part.split(";")]
        given = [piece[2:] for piece in parameters if piece.startswith("q=")]
        weights[kind.lower()] = float(given[0]) if given and given[0].replace(".", "", 1).isdigit() else 1.0
    known = [kind for kind in (_JSON, *_HTML) if weights.get(kind)]
    return max(known, key=lambda kind: weights[kind], default=_HTML[1])


def _json(content: dict[str, Any]) -> Response:
    return JSONResponse({"meta": _META, **content}, media_type=_JSON, headers=_FRESH)


def _html(title: str, links: Iterable[str], accept: str) -> Response:
    lines = (f"    {link}<br>" for link in links)
    head = f'<meta name="pypi:repository-version" content="1.1"><title>{html.escape(title)}</title>'
    page = "\n".join(("<!DOCTYPE html>", f"<html><head>{head}</head>", "  <body>", *lines, "  </body>", "</html>", ""))
    return Response(page, media_type=_type(accept), headers=_FRESH)
