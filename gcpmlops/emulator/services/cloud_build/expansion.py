"""Bash's parameter expansions, as dynamic substitutions have them: `${_X:0:7}`, `${_X//a/b}`, `${_X^^}`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_SLICE = re.compile(r":\s*(-?\d+)(?::\s*(-?\d+))?")


def expand(value: str, operation: str, rest: Callable[[str], str]) -> str:
    """What `${NAME OPERATION}` is where NAME's value is `value`.

    Args:
        value: the parameter's.
        operation: what follows the name in the braces; empty: nothing.
        rest: makes the substitutions in a part of it.

    Raises: ValueError for an operation that is none.
    """
    if not operation:
        return value
    if found := _SLICE.fullmatch(operation):
        return _slice(value, int(found[1]), None if found[2] is None else int(found[2]))
    for sign, apply in _OPERATIONS:
        if operation.startswith(sign):
            return apply(value, operation[len(sign) :], rest)
    raise ValueError(operation)


def _slice(value: str, offset: int, length: int | None) -> str:
    start = max(len(value) + offset, 0) if offset < 0 else offset
    if length is None:
        return value[start:]
    return value[start : start + length] if length >= 0 else value[start:length]


def _default(value: str, word: str, rest: Callable[[str], str]) -> str:
    return value or rest(word)


def _alternative(value: str, word: str, rest: Callable[[str], str]) -> str:
    return rest(word) if value else ""


def _without_head(longest: bool) -> Callable[[str, str, Callable[[str], str]], str]:
    def apply(value: str, word: str, rest: Callable[[str], str]) -> str:
        pattern = _glob(rest(word))
        ends = range(len(value), -1, -1) if longest else range(len(value) + 1)
        return next((value[end:] for end in ends if pattern.fullmatch(value[:end])), value)

    return apply


def _without_tail(longest: bool) -> Callable[[str, str, Callable[[str], str]], str]:
    def apply(value: str, word: str, rest: Callable[[str], str]) -> str:
        pattern = _glob(rest(word))
        starts = range(len(value) + 1) if longest else range(len(value), -1, -1)
        return next((value[:start] for start in starts if pattern.fullmatch(value[start:])), value)

    return apply


def _replaced(count: int, anchor: str = "") -> Callable[[str, str, Callable[[str], str]], str]:
    def apply(value: str, word: str, rest: Callable[[str], str]) -> str:
        pattern, replacement = _divided(word)
        text = _glob_text(rest(pattern))
        if not text:
            return value
        found = {"": text, "#": rf"\A(?:{text})", "%": rf"(?:{text})\Z"}[anchor]
        plain = rest(replacement)
        return re.sub(found, lambda _: plain, value, count=count, flags=re.DOTALL)

    return apply


def _cased(change: Callable[[str], str], all_of_it: bool) -> Callable[[str, str, Callable[[str], str]], str]:
    def apply(value: str, word: str, rest: Callable[[str], str]) -> str:
        pattern = _glob(rest(word)) if word else None
        letters = len(value) if all_of_it else 1
        return "".join(
            change(letter) if place < letters and (pattern is None or pattern.fullmatch(letter)) else letter
            for place, letter in enumerate(value)
        )

    return apply


# The longer sign first.
_OPERATIONS: tuple[tuple[str, Callable[[str, str, Callable[[str], str]], str]], ...] = (
    (":-", _default),
    (":+", _alternative),
    ("##", _without_head(longest=True)),
    ("#", _without_head(longest=False)),
    ("%%", _without_tail(longest=True)),
    ("%", _without_tail(longest=False)),
    ("//", _replaced(0)),
    ("/#", _replaced(1, "#")),
    ("/%", _replaced(1, "%")),
    ("/", _replaced(1)),
    ("^^", _cased(str.upper, all_of_it=True)),
    ("^", _cased(str.upper, all_of_it=False)),
    (",,", _cased(str.lower, all_of_it=True)),
    (",", _cased(str.lower, all_of_it=False)),
)


def _divided(word: str) -> tuple[str, str]:
    r"""Pattern and replacement, divided by the first `/` that is not `\/`."""
    found = re.match(r"((?:\\.|[^/\\])*)(?:/(.*))?\Z", word, re.DOTALL)
    return (found[1], found[2] or "") if found else (word, "")


@lru_cache(maxsize=64)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile(_glob_text(pattern), re.DOTALL)


def _glob_text(pattern: str) -> str:
    r"""A shell pattern as a regular expression: `*`, `?`, `[...]` and `\` before a literal character."""
    parts = re.findall(r"\\.|\[[!^]?\]?[^\]]*\]|.", pattern, re.DOTALL)
    return "".join(map(_glob_part, parts))


def _glob_part(part: str) -> str:
    if part == "*":
        return ".*"
    if part == "?":
        return "."
    if part.startswith("[") and len(part) > 1:
        body = part[1:-1]
        return f"[^{body[1:]}]" if body[0] in "!^" else f"[{body}]"
    return re.escape(part[1:] if part.startswith("\\") and len(part) > 1 else part)
