"""Tables for people, JSON and YAML for programs. rich is imported on a terminal only."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click


def show_one(view: Mapping[str, Any], whole: Any, output_format: str) -> None:
    """One result: a line per field, or the whole resource as JSON or YAML."""
    if output_format == "table":
        width = max(map(len, view), default=0)
        for key, value in view.items():
            click.echo(f"{key.ljust(width)}  {_cell(value)}")
    else:
        show_data(whole, output_format)


def show_table(rows: Sequence[Mapping[str, Any]], *, empty: str = "") -> None:
    """Rows with the same keys, the keys as header."""
    if not rows:
        click.echo(empty, err=True)
    elif sys.stdout.isatty():
        _rich_table(rows)
    else:
        _plain_table(rows)


def show_data(data: Any, output_format: str) -> None:
    """JSON or YAML on stdout."""
    if output_format == "json":
        click.echo(json.dumps(data, indent=2, default=str, ensure_ascii=False))
    else:
        import yaml

        plain = json.loads(json.dumps(data, default=str))
        click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True), nl=False)


def resource(handle: Any, view: Callable[[Any], dict[str, Any]]) -> Any:
    """Google's JSON resource of a handle; its view where it has none."""
    proto = getattr(handle, "proto", None)
    to_json = getattr(type(proto), "to_json", None)
    if to_json is not None:
        return json.loads(to_json(proto, always_print_fields_with_no_presence=False, use_integers_for_enums=False))
    found = getattr(handle, "resource", None)
    return dict(found) if isinstance(found, Mapping) else view(handle)


@contextmanager
def progress(text: str) -> Iterator[None]:
    """A spinner on stderr where that is a terminal, one line elsewhere."""
    if not sys.stderr.isatty():
        click.echo(text, err=True)
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def _rich_table(rows: Sequence[Mapping[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    for column in rows[0]:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    Console().print(table)


def _plain_table(rows: Sequence[Mapping[str, Any]]) -> None:
    header = list(rows[0])
    cells = [header, *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(header))]
    for line in cells:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, (list, tuple, set)):
        return ", ".join(map(str, value))
    if hasattr(value, "strftime"):
        return str(value)[:19]
    return str(value)
