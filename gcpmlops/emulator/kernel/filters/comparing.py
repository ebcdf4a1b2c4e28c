"""What a comparison tests, and how a service's language may differ from plain AIP-160."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from google.protobuf import duration_pb2, timestamp_pb2
from google.protobuf.message import Message

from gcpmlops.emulator.kernel.filters import fields

Predicate = Callable[[Any], bool]
Function = Callable[[Sequence[str]], Predicate]
Getter = Callable[[Any], Iterable[Any]]  # the values of one message that are compared
Computed = Callable[[Sequence[Any]], Getter]

_DURATION = re.compile(r"(-?\d+(?:\.\d+)?)(h|m|s|ms|us|ns)")
_NANOS = {"h": 3_600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}


@dataclass(frozen=True)
class Dialect:
    """What a service's language does beyond AIP-160.

    Attributes:
        folds_case: strings are equal, and in order, whatever their case.
        wildcards: ``*`` stands for any text in what ``=`` compares with.
        check: what is wrong with a field's path; empty: nothing.
        fails_without: whether ``!=`` and ``!~``, too, are false where the path has no value.
        message_type: the one type (protobuf's descriptor) of all messages, for shorter ways to their fields.
        computed: functions whose value is compared: ``cast(field, INT64) > 5``. They get strings, or getters where a
            call stands as an argument.
    """

    folds_case: bool = False
    wildcards: bool = True
    check: Callable[[Sequence[str]], str] = lambda _: ""
    fails_without: Callable[[Sequence[str]], bool] = lambda _: False
    message_type: Any = None
    computed: Mapping[str, Computed] = field(default_factory=dict)


def comparison(
    get: Getter, comparator: str, wanted: str, dialect: Dialect, *, fails_without: bool = False
) -> Predicate:
    """The test of a message's values.

    Args:
        get: gives them.
        comparator: ``= != < <= > >= : =~ !~``.
        wanted: the right side.
        dialect: the language.
        fails_without: see `Dialect`.

    Raises: ValueError for a pattern that is none.
    """
    if comparator in ("!=", "!~"):
        positive = comparison(get, "=" if comparator == "!=" else "=~", wanted, dialect)
        if fails_without:
            return lambda m: any(True for _ in get(m)) and not positive(m)
        return lambda m: not positive(m)
    test = _test(comparator, wanted, dialect)

    def holds(message: Any) -> bool:
        for value in get(message):  # noqa: SIM110 - a generator costs more than all the rest
            if test(value):
                return True
        return False

    return holds


def _test(comparator: str, wanted: str, dialect: Dialect) -> Predicate:
    if comparator == "=":
        return lambda v: _equal(v, wanted, dialect)
    if comparator == ":":
        return (lambda v: v is not None) if wanted == "*" else lambda v: _has(v, wanted)
    if comparator == "=~":
        search = _pattern(wanted).search
        return lambda v: v is not None and search(text(v)) is not None
    orders = {"<": (-1,), ">": (1,), "<=": (-1, 0), ">=": (0, 1)}[comparator]
    return lambda v: _compare(v, wanted, dialect) in orders


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from None


def _equal(value: Any, wanted: str, dialect: Dialect) -> bool:
    if value is None:
        return wanted == "NULL_VALUE"
    if dialect.wildcards and isinstance(value, str) and "*" in wanted and not isinstance(value, fields.EnumValue):
        return value == wanted or _wildcard(wanted).fullmatch(value) is not None
    return _compare(value, wanted, dialect) == 0


@lru_cache(maxsize=256)
def _wildcard(wanted: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in wanted.split("*")), re.S)


def _has(value: Any, wanted: str) -> bool:
    if isinstance(value, fields.Key):
        return value == wanted
    if isinstance(value, str) and not isinstance(value, fields.EnumValue):
        return wanted.strip("*").lower() in value.lower()
    if isinstance(value, Message) and not isinstance(value, timestamp_pb2.Timestamp | duration_pb2.Duration):
        return any(wanted.lower() in text.lower() for text in fields.strings(value))
    return _compare(value, wanted, Dialect()) == 0


def text(value: Any) -> str:
    """A value as a pattern sees it."""
    if isinstance(value, timestamp_pb2.Timestamp | duration_pb2.Duration):
        return str(value.ToJsonString())
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else str(value)


def _compare(value: Any, wanted: str, dialect: Dialect) -> int | None:
    """-1, 0 or 1; None where the two can't be compared."""
    try:
        mine, other = _sides(value, wanted, dialect)
    except ValueError:
        return None
    return int(mine > other) - int(mine < other)


def _sides(value: Any, wanted: str, dialect: Dialect) -> tuple[Any, Any]:
    if type(value) is str:
        return (value.casefold(), wanted.casefold()) if dialect.folds_case else (value, wanted)
    if isinstance(value, fields.EnumValue):
        return value.number, value.number_of(wanted)
    if isinstance(value, timestamp_pb2.Timestamp):
        return value.ToNanoseconds(), nanoseconds(wanted)
    if isinstance(value, duration_pb2.Duration):
        return value.ToNanoseconds(), duration_nanoseconds(wanted)
    if isinstance(value, bool):
        return str(value).lower(), wanted.lower()
    if isinstance(value, int | float):
        return value, float(wanted)
    if isinstance(value, bytes):
        return value, wanted.encode()
    if not isinstance(value, str):
        raise ValueError("not comparable")
    return (value.casefold(), wanted.casefold()) if dialect.folds_case else (value, wanted)


@lru_cache(maxsize=1024)
def nanoseconds(text: str) -> int:
    """An RFC 3339 time, or a date, in nanoseconds since 1970. Raises ValueError."""
    moment = timestamp_pb2.Timestamp()
    try:
        moment.FromJsonString(text)
    except ValueError:
        parsed = datetime.fromisoformat(text)
        moment.FromDatetime((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC))
    return int(moment.ToNanoseconds())


def duration_nanoseconds(text: str) -> int:
    """``1.5h``, ``20ms``, ...: in nanoseconds. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no duration")
    return round(float(found[1]) * _NANOS[found[2]])
