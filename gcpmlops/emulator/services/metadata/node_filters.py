"""The filters of artifacts, executions and contexts, with the functions that ask the graph.

https://cloud.google.com/vertex-ai/docs/ml-metadata/analyzing
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.services.metadata.graph import Graph
from gcpmlops.emulator.services.metadata.kinds import ARTIFACT, CONTEXT, EXECUTION, Kind, Names

MAX_DEPTH = 5
_TIMES = {"create_time", "update_time", "createTime", "updateTime", "event_time"}
_EVENT_TERM = re.compile(r"""\b(input|event_time)\s*(!=|<=|>=|[=<>])\s*("[^"]*"|'[^']*'|[^\s()"']+)""")
_OTHERS = {"in_context": CONTEXT, "with_execution": EXECUTION, "with_artifact": ARTIFACT}


@dataclass(frozen=True)
class Among:
    """The test that a node is one of these; a list of candidates at the same time."""

    names: frozenset[str]

    def __call__(self, node: Any) -> bool:
        return raw(node).name in self.names


@dataclass(frozen=True)
class Link:
    """A node together with the event that leads to it; for filters it has the node's fields."""

    node: Any
    event: types.Event | None

    @staticmethod
    def pb(link: Link) -> Any:
        return raw(link.node)


class NodeFilters:
    """Parses the filters of one kind of node.

    Args:
        find: a node of a kind by its name, or None.
    """

    def __init__(self, graph: Graph, names: Names, find: Callable[[Kind, str], Any]) -> None:
        self._graph = graph
        self._names = names
        self._find = find

    def parse(self, kind: Kind, store: str, text: str) -> filters.Filter:
        """The filter of a list of nodes of a kind in a metadata store. Raises InvalidArgument."""
        parsed = filters.parse("" if text.strip() == "*" else text, self._functions(kind, store), max_depth=MAX_DEPTH)
        _check(kind, parsed, text)
        return parsed

    def _functions(self, kind: Kind, store: str) -> dict[str, filters.Function]:
        functions: dict[str, filters.Function] = {
            name: lambda given, name=name, other=other: self._linked(kind, other, store, name, given)  # type: ignore[misc]  # mypy can't infer defaults
            for name, other in _OTHERS.items()
            if other is not kind
        }
        if kind is CONTEXT:
            functions["parent_contexts"] = lambda given: self._related(given, self._graph.children)
            functions["child_contexts"] = lambda given: self._related(given, self._graph.parents)
        return functions

    def _related(self, given: Sequence[str], ask: Callable[[str], Iterable[str]]) -> Among:
        """What every one of the given contexts has on its other side."""
        sets = [frozenset(ask(self._names.by_id(name))) for name in given]
        return Among(frozenset.intersection(*sets))

    def _linked(self, kind: Kind, other: Kind, store: str, function: str, given: Sequence[str]) -> Among:
        """The nodes that are linked with a node (`*`: with any) of another kind which satisfies a further filter."""
        if len(given) > 2:
            raise exceptions.InvalidArgument(f"{function}() takes a resource name and, at most, a filter.")
        wanted = self._parse_link(other, store, given[1]) if len(given) == 2 else None
        links = self._links(kind, other, store, self._names.by_id(given[0]))
        return Among(frozenset(mine for mine, theirs, event in links if self._holds(wanted, other, theirs, event)))

    def _holds(self, wanted: filters.Filter | None, other: Kind, name: str, event: types.Event | None) -> bool:
        if wanted is None:
            return True
        node = self._find(other, name)
        return node is not None and wanted(Link(node, event))

    def _parse_link(self, other: Kind, store: str, text: str) -> filters.Filter:
        rewritten = _EVENT_TERM.sub(lambda m: f'{m[1]}("{m[2]}", "{m[3].strip(chr(34) + chr(39))}")', text)
        own = {"input": _is_input, "event_time": _event_time}
        parsed = filters.parse(rewritten, {**self._functions(other, store), **own}, max_depth=MAX_DEPTH)
        _check(other, parsed, text)
        return parsed

    def _links(self, kind: Kind, other: Kind, store: str, name: str) -> Iterable[tuple[str, str, types.Event | None]]:
        """(name of this kind, name of the other, event) of every link with `name`, or of all for `*`."""
        if CONTEXT in (kind, other):
            return self._memberships(kind, other, store, name)
        events = (
            self._graph.events_in(store) if name == "*" else self._graph.events(executions=[name], artifacts=[name])
        )
        if kind is ARTIFACT:
            return [(event.artifact, event.execution, event) for event in events]
        return [(event.execution, event.artifact, event) for event in events]

    def _memberships(
        self, kind: Kind, other: Kind, store: str, name: str
    ) -> Iterable[tuple[str, str, types.Event | None]]:
        if name == "*":
            member = other if kind is CONTEXT else kind
            pairs = self._graph.memberships(store, member.collection)
            return [(a, b, None) if kind is CONTEXT else (b, a, None) for a, b in pairs]
        found = self._graph.contexts_of(name) if kind is CONTEXT else self._graph.members(name)
        return [(mine, name, None) for mine in found]


def candidates(parsed: filters.Filter) -> frozenset[str] | None:
    """The names that alone can satisfy a filter; None where it names none."""
    sets = [term.names for term in parsed.terms if isinstance(term, Among)]
    return frozenset.intersection(*sets) if sets else None


def _is_input(given: Sequence[str]) -> filters.Predicate:
    sign, value = given
    if sign not in ("=", "!=") or value.lower() not in ("true", "false"):
        raise exceptions.InvalidArgument(f"Invalid filter: input{sign}{value}: true or false is expected.")
    wanted = (value.lower() == "true") is (sign == "=")
    return lambda link: link.event is not None and (link.event.type_ == types.Event.Type.INPUT) is wanted


def _event_time(given: Sequence[str]) -> filters.Predicate:
    sign, value = given
    _check_time(value, f"event_time{sign}{value}")
    test = filters.parse(f'event_time{sign}"{value}"')
    return lambda link: link.event is not None and test(link.event)


def _check(kind: Kind, parsed: filters.Filter, text: str) -> None:
    """Raises InvalidArgument for a field that these nodes don't have, or a value that is no time."""
    fields = {name for field in kind.message.pb().DESCRIPTOR.fields for name in (field.name, field.json_name)}
    for path, sign, value in parsed.comparisons:
        if path[0] not in fields:
            raise exceptions.InvalidArgument(f"Invalid filter {text!r}: {kind.noun} has no field {path[0]!r}.")
        if path[0] in _TIMES and sign != ":":
            _check_time(value, text)


def _check_time(value: str, text: str) -> None:
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise exceptions.InvalidArgument(
            f"Invalid filter {text!r}: {value!r} is no RFC 3339 time (2026-05-11T12:30:00-08:00)."
        ) from None
