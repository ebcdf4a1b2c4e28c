"""The Logging query language: filters over ``LogEntry``, with its comments, functions and rules for missing fields."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote, unquote

from google.cloud.logging_v2 import types
from google.logging.type import log_severity_pb2
from google.protobuf import timestamp_pb2

from gcpmlops.emulator.kernel import filters, validate
from gcpmlops.emulator.kernel.filters import fields
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.services.logging import casts

LONGEST = 20_000  # characters of a filter

_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|(^|\s)--[^\n]*')
_LOOSE = re.compile(r"\b(?:OR|NOT)\b|(?:^|[\s(])-")  # where a comparison alone decides nothing
_DELIMITER = re.compile(r"""[\s\[\]<>(){}|!;,'"*&?+/:=@.\-$%\\_`]+""")
_PHRASE = re.compile(r"`([^`]*)`")
_OLD = {
    "metadata",
    "errorGroups",
    "apphub",
    "apphubSource",
    "apphubDestination",
}  # of LogEntry, but not of the client's
_SEVERITIES = tuple(log_severity_pb2.LogSeverity.keys())
_DESCRIPTOR = types.LogEntry.pb().DESCRIPTOR


@dataclass(frozen=True)
class Query:
    """A parsed filter, and what it plainly says of the entries that pass.

    Attributes:
        test: what they satisfy.
        since: no earlier than this, as the table spells times; empty: no matter when.
        until: no later.
        job_id: their resource's label; empty: any.
        log_ids: those of the logs that they are in, one of which has to be theirs; none: any.
    """

    test: filters.Predicate
    since: str = ""
    until: str = ""
    job_id: str = ""
    log_ids: tuple[str, ...] = ()

    def __call__(self, entry: Any) -> bool:
        return self.test(raw(entry))


@lru_cache(maxsize=512)
def compiled(text: str) -> Query:
    """Parses once, evaluates often.

    Raises: InvalidArgument for a filter that doesn't parse, is too long, or names a field that entries don't have.
    """
    if len(text) > LONGEST:
        raise validate.invalid("filter", f"{len(text)} characters, {LONGEST} are allowed.")
    plain = _COMMENT.sub(lambda match: match[1] or match[2], text)
    asked: list[str] = []
    functions = _AnyCase({**_FUNCTIONS, "log_id": partial(_log_id, asked=asked)})
    parsed = filters.parse(plain, functions, dialect=_DIALECT)
    for path, comparator, value in parsed.comparisons:
        _check_value(list(path), comparator, value)
    if _LOOSE.search(plain):
        return Query(parsed)
    since, until, job = "", "", ""
    for path, comparator, value in parsed.comparisons:
        if list(path) == ["timestamp"] and comparator in (">", ">=", "="):
            since = max(since, _time(value))
        if list(path) == ["timestamp"] and comparator in ("<", "<=", "="):
            until = min(until or "9", _time(value) or "9")
        if list(path) == ["resource", "labels", "job_id"] and comparator == "=":
            job = value
        if path[0] in ("logName", "log_name") and comparator == "=":
            asked.append(unquote(value.partition("/logs/")[2]))
    return Query(parsed, since, "" if until == "9" else until, job, tuple(dict.fromkeys(asked)))


def _check_value(path: list[str], comparator: str, value: str) -> None:
    """Times and severities that there can't be are refused: nothing would ever be found."""
    if comparator in (":", "=~", "!~") or len(path) != 1:
        return
    if path[0] in ("timestamp", "receiveTimestamp", "receive_timestamp") and not _time(value):
        raise validate.invalid(
            "filter", f"{path[0]} {comparator} {value!r}: expected a time such as 2026-05-01T12:00:00Z."
        )
    if path[0] == "severity" and value.upper() not in _SEVERITIES and not value.isdigit():
        raise validate.invalid("filter", f"{value!r} is no severity (there are: {', '.join(_SEVERITIES)}).")


def _time(text: str) -> str:
    try:
        nanos = casts.nanoseconds(text)
    except ValueError:
        return ""
    moment = timestamp_pb2.Timestamp(seconds=nanos // 10**9)
    return f"{moment.ToDatetime():%Y-%m-%dT%H:%M:%S}.{nanos % 10**9:09d}"


def _wrong(path: Sequence[str]) -> str:
    """What is wrong with a field's path: names of Google's types are known, the user's own are not."""
    descriptor = _DESCRIPTOR
    for name in path:
        field = fields.find(descriptor, name)
        if field is None:
            return "" if name in _OLD else f"there is no field {'.'.join(path)!r}"
        if field.message_type is None or fields.is_map(field) or _is_open(field.message_type):
            return ""
        descriptor = field.message_type
    return ""


def _is_open(descriptor: Any) -> bool:
    return str(descriptor.full_name).startswith("google.protobuf.")


def _may_be_missing(path: Sequence[str]) -> bool:
    """Payloads and labels: a comparison with what isn't there is false, whichever it is."""
    head = path[0]
    return head in ("jsonPayload", "json_payload", "protoPayload", "proto_payload", "labels") or head.endswith("()")


def _log_id(arguments: Sequence[str], *, asked: list[str]) -> filters.Predicate:
    (name,) = _exactly("log_id", arguments, 1)
    asked.append(unquote(name))
    wanted = {f"/logs/{name}".casefold(), f"/logs/{quote(name, safe='')}".casefold()}
    return lambda entry: ("/logs/" + entry.log_name.partition("/logs/")[2]).casefold() in wanted


def _source(arguments: Sequence[str]) -> filters.Predicate:
    (name,) = _exactly("source", arguments, 1)
    return lambda entry: entry.log_name.startswith(f"{name}/logs/")


def _sample(arguments: Sequence[str]) -> filters.Predicate:
    """A share of the entries by a field's value: equal values stay together, and every evaluation agrees."""
    name, text = _exactly("sample", arguments, 2)
    path, share = filters.path_of(name), _number("sample", text)
    if not 0 <= share <= 1:
        raise validate.invalid("filter", f"sample: {text} is no fraction between 0 and 1.")
    limit = share * 2.0**64

    def is_in(entry: Any) -> bool:
        value = next(iter(fields.values(entry, path)), None)
        digest = hashlib.blake2b(str(value).encode(), digest_size=8).digest()
        return value is not None and int.from_bytes(digest) < limit

    return is_in


def _ip_in_net(arguments: Sequence[str]) -> filters.Predicate:
    name, text = _exactly("ip_in_net", arguments, 2)
    path = filters.path_of(name)
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as error:
        raise validate.invalid("filter", f"ip_in_net: {error}.") from None
    return lambda entry: any(_is_in(value, network) for value in fields.values(entry, path))


def _is_in(address: Any, network: Any) -> bool:
    try:
        return ipaddress.ip_address(address) in network
    except ValueError:
        return False


def _search(arguments: Sequence[str]) -> filters.Predicate:
    """Whole words, whatever their case; all of them, those between backticks in a row."""
    if len(arguments) not in (1, 2):
        raise validate.invalid(
            "filter", f"SEARCH takes a text, or a field and a text, and got {len(arguments)} values."
        )
    path, text = (filters.path_of(arguments[0]) if len(arguments) == 2 else []), arguments[-1]
    wanted = [tuple(_words(phrase)) for phrase in _PHRASE.findall(text)]
    wanted += [(word,) for word in _words(_PHRASE.sub(" ", text))]

    def finds(entry: Any) -> bool:
        found = [_words(part) for part in _texts(entry, path)]
        return all(any(_runs(words, phrase) for words in found) for phrase in wanted)

    return finds


def _texts(entry: Any, path: Sequence[str]) -> Iterator[str]:
    for value in fields.values(entry, path):
        if hasattr(value, "DESCRIPTOR"):
            yield from fields.strings(value)
        elif value is not None:
            yield casts.text(value)


def _words(text: str) -> list[str]:
    return [word for word in _DELIMITER.split(text.casefold()) if word]


def _runs(words: Sequence[str], phrase: tuple[str, ...]) -> bool:
    size = len(phrase)
    return any(tuple(words[start : start + size]) == phrase for start in range(len(words) - size + 1))


def _exactly(name: str, arguments: Sequence[str], count: int) -> Sequence[str]:
    if len(arguments) != count:
        raise validate.invalid("filter", f"{name} takes {count} value(s), and got {len(arguments)}.")
    return arguments


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise validate.invalid("filter", f"{name}: {text!r} is no number.") from None


class _AnyCase(dict[str, filters.Function]):
    """Functions by name, however it is written."""

    def __contains__(self, name: object) -> bool:
        return super().__contains__(str(name).lower())

    def __getitem__(self, name: str) -> filters.Function:
        return super().__getitem__(name.lower())


_FUNCTIONS = _AnyCase({"source": _source, "sample": _sample, "ip_in_net": _ip_in_net, "search": _search})
_DIALECT = filters.Dialect(
    folds_case=True,
    wildcards=False,
    check=_wrong,
    fails_without=_may_be_missing,
    message_type=_DESCRIPTOR,
    computed={"cast": casts.cast, "regexp_extract": casts.regexp_extract},
)
