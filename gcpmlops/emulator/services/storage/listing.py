"""Listing by prefix and delimiter in pages. What a delimiter folds is skipped in the index, never read row by row."""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from gcpmlops.emulator.services.storage import errors
from gcpmlops.emulator.services.storage.records import OBJECT_COLUMNS, ObjectRecord

MAX_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Query:
    """What to list. Offsets compare by UTF-8 bytes; ``limit`` counts objects and prefixes together."""

    bucket: str
    prefix: str = ""
    delimiter: str = ""
    start_offset: str = ""
    end_offset: str = ""
    trailing: bool = False
    glob: str = ""
    versions: bool = False
    limit: int = MAX_PAGE


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order: behind one generation of a name, or behind a folded prefix (generation 0)."""

    name: str
    generation: int
    folded: str = ""

    def to_token(self) -> str:
        packed = json.dumps([self.name, self.generation, self.folded]).encode()
        return base64.urlsafe_b64encode(packed).decode().rstrip("=")

    @classmethod
    def from_token(cls, token: str) -> Position:
        """Raises BadRequest for a token that no listing gave out."""
        try:
            name, generation, folded = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
            return cls(str(name), int(generation), str(folded))
        except ValueError:
            raise errors.invalid("Invalid argument: pageToken.") from None


@dataclass(frozen=True, slots=True)
class Page:
    """One page; ``token`` is None on the last."""

    items: list[ObjectRecord]
    prefixes: list[str]
    token: str | None


Entry = tuple[Position, ObjectRecord | None]  # no record: the position's folded prefix


def page(conn: sqlite3.Connection, query: Query, token: str | None = None) -> Page:
    """The page after ``token``."""
    items: list[ObjectRecord] = []
    prefixes: list[str] = []
    last: Position | None = None
    for position, record in entries(conn, query, Position.from_token(token) if token else None):
        if len(items) + len(prefixes) == query.limit:
            return Page(items, prefixes, last.to_token() if last else None)
        last = position
        if record is None:
            prefixes.append(position.folded)
        else:
            items.append(record)
    return Page(items, prefixes, None)


def entries(conn: sqlite3.Connection, query: Query, after: Position | None = None) -> Iterator[Entry]:
    """Every entry behind a position, objects and folded prefixes in one order."""
    matches = glob_pattern(query.glob).fullmatch if query.glob else None
    start, folded = after or Position(max(query.prefix, query.start_offset), 0), after.folded if after else ""
    position: Position | None = start
    while position is not None:
        position = None
        for record in _rows(conn, query, start):
            if matches and not matches(record.name):
                continue
            prefix = fold(record.name, query)
            if not prefix:
                yield Position(record.name, record.generation), record
                continue
            if prefix != folded:
                folded = prefix
                yield Position(prefix, 0, prefix), None
            if query.trailing and record.name == prefix:
                yield Position(record.name, record.generation, prefix), record
                continue
            upper = successor(prefix)
            if upper is not None:
                position = start = Position(upper, 0)
            break


def fold(name: str, query: Query) -> str:
    """The prefix that stands for a name under the query's delimiter, or ''."""
    if not query.delimiter:
        return ""
    at = name.find(query.delimiter, len(query.prefix))
    return name[: at + len(query.delimiter)] if at >= 0 else ""


def successor(prefix: str) -> str | None:
    """The least string after every string that begins with ``prefix``; None when there is none."""
    for end in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[end]) + 1
        if code == 0xD800:  # surrogates are no characters
            code = 0xE000
        if code <= 0x10FFFF:
            return prefix[:end] + chr(code)
    return None


def glob_pattern(glob: str) -> re.Pattern[str]:
    """``*`` and ``?`` stop at '/', ``**`` doesn't; ``[..]`` and ``{a,b}``. Raises BadRequest."""
    out, at, depth = "", 0, 0
    while at < len(glob):
        char = glob[at]
        if glob.startswith("**", at):
            out, at = out + ".*", at + 2
            continue
        if char == "[" and (end := glob.find("]", at + 2)) > 0:
            inner = glob[at + 1 : end].replace("\\", "\\\\")
            out, at = out + "[" + ("^" + inner[1:] if inner[0] in "!^" else inner) + "]", end + 1
            continue
        depth += {"{": 1, "}": -1}.get(char, 0)
        special = {"*": "[^/]*", "?": "[^/]", "{": "(?:", "}": ")"}.get(char)
        out += special or ("|" if char == "," and depth else re.escape(char))
        at += 1
    try:
        return re.compile(out, re.DOTALL)
    except re.error:
        raise errors.invalid(f"Invalid argument: matchGlob '{glob}'.") from None


def _rows(conn: sqlite3.Connection, query: Query, start: Position) -> Iterator[ObjectRecord]:
    """Rows behind ``start`` within the query's bounds, in order, read as they are asked for."""
    bounds = [bound for bound in (successor(query.prefix) if query.prefix else None, query.end_offset) if bound]
    where = "bucket = ? AND name >= ? AND (name > ? OR generation > ?)"
    values: list[str | int] = [query.bucket, start.name, start.name, start.generation]
    if bounds:
        where, values = where + " AND name < ?", [*values, min(bounds)]
    if not query.versions:
        where += " AND live = 1"
    cursor = conn.execute(
        f"SELECT {OBJECT_COLUMNS} FROM storage_object WHERE {where} ORDER BY name, generation", values
    )
    try:
        while rows := cursor.fetchmany(32):
            yield from (ObjectRecord.from_row(row) for row in rows)
    finally:
        cursor.close()
