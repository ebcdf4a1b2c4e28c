"""Rows of a dataset's CSV files: one header, whether the further files repeat it or not."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from google.api_core import exceptions

csv.field_size_limit(min(sys.maxsize, 2**31 - 1))

NamedFiles = Sequence[tuple[str, Path]]  # URI and local file


def header(files: NamedFiles) -> list[str]:
    """The first line of the first file. Raises InvalidArgument where it names no columns, or one twice."""
    uri, path = files[0]
    with path.open(newline="", encoding="utf-8-sig") as file:
        try:
            names = next(csv.reader(file), [])
        except (UnicodeDecodeError, csv.Error) as error:
            raise exceptions.InvalidArgument(f"{uri} is not a CSV file in UTF-8: {error}") from error
    if not any(names):
        raise exceptions.InvalidArgument(f"{uri} is empty: the first line of a CSV file names the columns.")
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise exceptions.InvalidArgument(f"{uri}: the header names the column {twice!r} twice.")
    return names


def rows(files: NamedFiles) -> Iterator[list[str]]:
    """All rows below the header. Raises InvalidArgument naming a line that has another number of values."""
    names = header(files)
    for at, (uri, path) in enumerate(files):
        with path.open(newline="", encoding="utf-8-sig") as file:
            yield from _of_file(uri, csv.reader(file), names, first=at == 0)


def _of_file(uri: str, reader: Iterator[list[str]], names: list[str], *, first: bool) -> Iterator[list[str]]:
    try:
        for number, row in enumerate(reader, 1):
            if number == 1 and (first or row == names):
                continue
            if len(row) == len(names):
                yield row
            elif row:
                what = f"{len(row)} values where the header names {len(names)} columns"
                raise exceptions.InvalidArgument(f"{uri}, row {number}: {what}.")
    except (UnicodeDecodeError, csv.Error) as error:
        raise exceptions.InvalidArgument(f"{uri} is not a CSV file in UTF-8: {error}") from error
