"""The executions of google.cloud.aiplatform.v1.MetadataService, and the events that tie artifacts to them."""

from __future__ import annotations

import sqlite3
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.metadata.kinds import ARTIFACT, EXECUTION, store_of
from gcpmlops.emulator.services.metadata.lineage import Lineage
from gcpmlops.emulator.services.metadata.nodes import NodeService


class Executions(NodeService[types.Execution]):
    """Steps of a workflow."""

    kind = EXECUTION

    def create_execution(self, request: types.CreateExecutionRequest) -> types.Execution:
        """Raises NotFound for a store or schema that isn't there, AlreadyExists."""
        return self._create(request.parent, request.execution, request.execution_id)

    def get_execution(self, request: types.GetExecutionRequest) -> types.Execution:
        return self._get(request.name)

    def list_executions(self, request: types.ListExecutionsRequest) -> types.ListExecutionsResponse:
        executions, token = self._page(request)
        return types.ListExecutionsResponse(executions=executions, next_page_token=token)

    def update_execution(self, request: types.UpdateExecutionRequest) -> types.Execution:
        """Replaces the fields of the mask; without one, those that are given."""
        return self._update(request.execution, request.update_mask, request.allow_missing)

    def delete_execution(self, request: types.DeleteExecutionRequest) -> Any:
        """With its events; it leaves its contexts."""
        return self._delete(request.name, request.etag)

    def purge_executions(self, request: types.PurgeExecutionsRequest) -> Any:
        return self._purge(request, types.PurgeExecutionsMetadata(), types.PurgeExecutionsResponse)

    def add_execution_events(self, request: types.AddExecutionEventsRequest) -> types.AddExecutionEventsResponse:
        """All of them or none; where execution and artifact have an event already, it is skipped."""
        execution = self._name(request.execution)
        for event in request.events:
            validate.require(event, "artifact")
            if event.type_ == types.Event.Type.TYPE_UNSPECIFIED:
                raise validate.invalid("events.type", "required, but missing (INPUT or OUTPUT).")
            validate.labels(event.labels, "events.labels")

        def run(conn: sqlite3.Connection) -> None:
            self._existing(conn, EXECUTION, [execution], store_of(execution))
            artifacts = self._existing(
                conn, ARTIFACT, [event.artifact for event in request.events], store_of(execution)
            )
            for event, artifact in zip(request.events, artifacts, strict=True):
                self.graph.add_event(conn, self._stamped(event, execution, artifact))

        self.store.write(run)
        return types.AddExecutionEventsResponse()

    def query_execution_inputs_and_outputs(
        self, request: types.QueryExecutionInputsAndOutputsRequest
    ) -> types.LineageSubgraph:
        """The execution, its artifacts and the events between them."""
        name = self._name(request.execution)
        self.rows.get(name)
        return Lineage(self.graph, lambda kind, node: self.rows_of[kind].find(node)).of_execution(name)

    def _stamped(self, event: types.Event, execution: str, artifact: str) -> types.Event:
        return types.Event(
            artifact=artifact,
            execution=execution,
            type_=event.type_,
            labels=event.labels,
            event_time=self.clock.now(),
        )
