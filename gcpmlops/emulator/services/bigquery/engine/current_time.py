"""CURRENT_TIMESTAMP() and its siblings by the emulator's clock, where DuckDB would ask this machine's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import sqlglot

from gcpmlops.emulator.services.bigquery.engine.offsets import Edit

_USED = re.compile(r"\bcurrent_(timestamp|datetime|date|time)\b", re.IGNORECASE)
# What is stored and run later must not keep the time at which it was made.
_STORED = re.compile(r"\bcreate\b.*\b(view|function|procedure|default)\b", re.IGNORECASE | re.DOTALL)
_FORMS = {
    "CURRENT_TIMESTAMP": ("TIMESTAMP", "%Y-%m-%d %H:%M:%S.%f+00:00"),
    "CURRENT_DATETIME": ("DATETIME", "%Y-%m-%d %H:%M:%S.%f"),
    "CURRENT_DATE": ("DATE", "%Y-%m-%d"),
    "CURRENT_TIME": ("TIME", "%H:%M:%S.%f"),
}


def as_of(sql: str, now: datetime) -> str:
    """The same text with literals of ``now`` in their place; a zone that is no literal leaves the call as it is."""
    if not _USED.search(sql) or _STORED.search(sql):
        return sql
    try:
        tokens = sqlglot.tokenize(sql, read="bigquery")
    except sqlglot.errors.TokenError:
        return sql
    for start, end, text in sorted(_edits(tokens, now), reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def _edits(tokens: Sequence[Any], now: datetime) -> Iterator[Edit]:
    for at, token in enumerate(tokens):
        form = _FORMS.get(token.token_type.name)
        if form is None or (at and tokens[at - 1].text in (".", "AS", "as")):
            continue
        zone, end = _call(tokens, at)
        if zone is not None:
            kind, pattern = form
            moment = now.astimezone(UTC if kind == "TIMESTAMP" else zone)
            yield token.start, end + 1, f"{kind} '{moment.strftime(pattern)}'"


def _call(tokens: Sequence[Any], at: int) -> tuple[tzinfo | None, int]:
    """The zone of a call, None where it is not known, and where the call ends."""
    following = [token.text for token in tokens[at + 1 : at + 4]]
    if following[:1] != ["("]:
        return UTC, int(tokens[at].end)
    if following[1:2] == [")"]:
        return UTC, int(tokens[at + 2].end)
    if following[2:3] == [")"] and tokens[at + 2].token_type.name == "STRING":
        try:
            return ZoneInfo(following[1]), int(tokens[at + 3].end)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass  # DuckDB says so
    return None, 0
