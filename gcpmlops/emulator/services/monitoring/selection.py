"""Monitoring filters: `metric.type = "..." AND resource.labels.zone = starts_with("europe-")`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel import filters, validate

# `label` is an old name of `labels`, a project that of the resource; text in quotes stays as it is.
_ALIAS = re.compile(r'("(?:[^"\\]|\\.)*")|(?<![\w.])(?:(metric|resource)\.label\.|project(?=\s*!?=))')


_ROOTS = ("metric", "resource", "metadata")


def _starts_with(arguments: Sequence[str]) -> Callable[[Any], bool]:
    (prefix,) = _exactly(1, "starts_with", arguments)
    return lambda value: str(value).startswith(prefix)


def _ends_with(arguments: Sequence[str]) -> Callable[[Any], bool]:
    (suffix,) = _exactly(1, "ends_with", arguments)
    return lambda value: str(value).endswith(suffix)


def _has_substring(arguments: Sequence[str]) -> Callable[[Any], bool]:
    (part,) = _exactly(1, "has_substring", arguments)
    return lambda value: part in str(value)


def _one_of(arguments: Sequence[str]) -> Callable[[Any], bool]:
    return lambda value: str(value) in arguments


def _full_match(arguments: Sequence[str]) -> Callable[[Any], bool]:
    (text,) = _exactly(1, "monitoring.regex.full_match", arguments)
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise validate.invalid("filter", f"{text!r} is no regular expression: {error}.") from None
    return lambda value: pattern.fullmatch(str(value)) is not None


def _exactly(count: int, name: str, arguments: Sequence[str]) -> Sequence[str]:
    if len(arguments) != count:
        raise validate.invalid("filter", f"{name} takes {count} value, and got {len(arguments)}.")
    return arguments


_TESTS = {
    "starts_with": _starts_with,
    "ends_with": _ends_with,
    "has_substring": _has_substring,
    "one_of": _one_of,
    "monitoring.regex.full_match": _full_match,
}


@lru_cache(maxsize=256)
def parse(text: str) -> filters.Filter:
    """A filter over `TimeSeries`, and over whatever else has `metric` and `resource`. Raises InvalidArgument."""
    return filters.parse(_ALIAS.sub(_spelled, text), tests=_TESTS)


def _spelled(match: re.Match[str]) -> str:
    return match[1] or (f"{match[2]}.labels." if match[2] else "resource.labels.project_id")


def metric_type(filter_: filters.Filter) -> str:
    """The one metric type that it selects; empty where that is not so plain.

    Raises: InvalidArgument where it doesn't speak of metric types; MethodNotImplemented where it speaks of groups.
    """
    if any(path[0] == "group" for path, _, _ in filter_.comparisons):
        raise exceptions.MethodNotImplemented(
            "Filters by group.id are not built in this emulator: ask for its members."
        )
    for path, _, _ in filter_.comparisons:
        if path[0] not in _ROOTS:
            fields = "metric.type, metric.labels.KEY, resource.type, resource.labels.KEY, metadata... or project"
            raise validate.invalid("filter", f"there is no field {'.'.join(path)!r}: expected {fields}.")
    wanted = [(op, value) for path, op, value in filter_.comparisons if list(path) == ["metric", "type"]]
    if not wanted:
        raise exceptions.InvalidArgument('Field filter must specify a metric type: metric.type = "...".')
    (operator, value), *others = wanted
    plain = not others and operator == "=" and "(" not in value and "*" not in value
    return value if plain else ""
