"""`array[OFFSET(expression)]` as `array[ORDINAL((expression) + 1)]`: only literals are translated right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import sqlglot

_USED = re.compile(r"\[\s*(SAFE_)?OFFSET\s*\(", re.IGNORECASE)
_ORDINALS = {"OFFSET": "ORDINAL", "SAFE_OFFSET": "SAFE_ORDINAL"}
Edit = tuple[int, int, str]  # from, to, by what


def as_ordinals(sql: str) -> str:
    """The same text where no such expression is in it, or where it is no SQL."""
    if not _USED.search(sql):
        return sql
    try:
        tokens = sqlglot.tokenize(sql, read="bigquery")
    except sqlglot.errors.TokenError:
        return sql
    for start, end, text in sorted(_edits(tokens), reverse=True):
        sql = sql[:start] + text + sql[end:]
    return sql


def _edits(tokens: Sequence[Any]) -> Iterator[Edit]:
    for at in range(len(tokens) - 3):
        bracket, word, paren = tokens[at : at + 3]
        name = _ORDINALS.get(word.text.upper())
        if bracket.text != "[" or name is None or paren.text != "(":
            continue
        close = _closing(tokens, at + 2)
        if close is None or (close == at + 4 and tokens[at + 3].text.isdigit()):
            continue
        yield word.start, word.end + 1, name
        yield paren.end + 1, paren.end + 1, "("
        yield tokens[close].start, tokens[close].start, ") + 1"


def _closing(tokens: Sequence[Any], opening: int) -> int | None:
    depth = 0
    for at in range(opening, len(tokens)):
        depth += {"(": 1, ")": -1}.get(tokens[at].text, 0)
        if depth == 0:
            return at
    return None
