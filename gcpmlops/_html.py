"""What a notebook shows for a result: a small table."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any


def card(title: str, values: Mapping[str, Any]) -> str:
    """A titled two-column table of what has a value."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{escape(key)}</th><td style='text-align:left'>{escape(str(value))}</td></tr>"
        for key, value in values.items()
        if value not in (None, "", {}, [], ())
    )
    return f"<table><caption><b>{escape(title)}</b></caption>{rows}</table>"


def grid(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A titled table with a header."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><caption><b>{escape(title)}</b></caption><tr>{head}</tr>{body}</table>"
