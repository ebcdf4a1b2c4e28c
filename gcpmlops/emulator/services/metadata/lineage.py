"""Parts of the graph as LineageSubgraph: nodes, and the events between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.services.metadata.graph import Graph
from gcpmlops.emulator.services.metadata.kinds import ARTIFACT, EXECUTION, Kind

MAX_NODES = 1000


class Lineage:
    """Walks along events.

    Args:
        find: a node of a kind by its name, or None.
    """

    def __init__(self, graph: Graph, find: Callable[[Kind, str], Any]) -> None:
        self._graph = graph
        self._find = find

    def of_context(self, context: str) -> types.LineageSubgraph:
        """What is in a context, and the events between any of it."""
        members = set(self._graph.members(context))
        events = self._graph.events(executions=[name for name in members if "/executions/" in name])
        return self._subgraph(members, [event for event in events if event.artifact in members])

    def of_execution(self, execution: str) -> types.LineageSubgraph:
        """An execution with its inputs and outputs."""
        events = self._graph.events(executions=[execution])
        return self._subgraph({execution, *(event.artifact for event in events)}, events)

    def of_artifact(self, artifact: str, hops: int, wanted: Callable[[Any], bool]) -> types.LineageSubgraph:
        """What is up to `hops` events away from an artifact (0: everything), by way of artifacts that are wanted."""
        seen, border, refused = {artifact}, {artifact}, set[str]()
        while border:
            border = self._beyond(border) - seen - refused
            refused |= {name for name in border if "/artifacts/" in name and not wanted(self._find(ARTIFACT, name))}
            border -= refused
            seen |= border
            _check_size(len(seen), "nodes")
            hops -= 1
            if hops == 0:
                break
        events = self._graph.events(executions=[name for name in seen if "/executions/" in name])
        return self._subgraph(seen, [event for event in events if event.artifact in seen])

    def _beyond(self, border: Iterable[str]) -> set[str]:
        artifacts = [name for name in border if "/artifacts/" in name]
        executions = [name for name in border if "/executions/" in name]
        onward = {event.execution for event in self._graph.events(artifacts=artifacts)}
        return onward | {event.artifact for event in self._graph.events(executions=executions)}

    def _subgraph(self, members: Iterable[str], events: list[types.Event]) -> types.LineageSubgraph:
        listed = sorted(members)
        artifacts = [self._find(ARTIFACT, name) for name in listed if "/artifacts/" in name]
        executions = [self._find(EXECUTION, name) for name in listed if "/executions/" in name]
        for what, count in (("artifacts", len(artifacts)), ("executions", len(executions)), ("events", len(events))):
            _check_size(count, what)
        return types.LineageSubgraph(
            artifacts=sorted(filter(None, artifacts), key=_age),
            executions=sorted(filter(None, executions), key=_age),
            events=events,
        )


def _age(node: Any) -> tuple[Any, str]:
    return node.create_time, node.name


def _check_size(count: int, what: str) -> None:
    if count > MAX_NODES:
        raise exceptions.FailedPrecondition(f"The lineage subgraph has more than {MAX_NODES} {what}.")
