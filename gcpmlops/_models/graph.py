"""What Vertex ML Metadata knows of a model: a context for the model, executions and artifacts in it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from gcpmlops import _google
from gcpmlops._experiments.graph import Graph
from gcpmlops.exceptions import AlreadyExists, NotFound, translated

if TYPE_CHECKING:
    from gcpmlops._models.model import Model

MODEL, TRANSITION = "gcpmlops.Model", "gcpmlops.StageTransition"
VERSION = "0.0.1"
_TRANSITION_FIELDS = ("model", "version", "from_stage", "to_stage", "previous_version", "who", "reason")
_SCHEMAS = {
    MODEL: ("CONTEXT_TYPE", ("resourceName",)),
    TRANSITION: ("EXECUTION_TYPE", _TRANSITION_FIELDS),
}


class ModelGraph(Graph):
    """The project's default metadata store, as far as it is about models."""

    def find_context(self, model: Model) -> Any:
        """The model's context; None where nothing was recorded yet (GetContext)."""
        return self.find(context_id(model), what=f"records of model {model.display_name}")

    def context(self, model: Model) -> Any:
        """The model's context, made if need be (CreateContext)."""
        found = self.find_context(model)
        if found is not None:
            return found
        for title in _SCHEMAS:
            self._ensure_schema(title)
        what = f"records of model {model.display_name}"
        about: dict[str, Any] = {"schema": MODEL, "metadata": {"resourceName": model.name}, "what": what}
        try:
            return self.create(context_id(model), display_name=model.display_name[:128], **about)
        except AlreadyExists:  # somebody else was faster
            return self.get(context_id(model), what=what)

    def add_execution(self, context: Any, execution: _google.execution.Execution) -> Any:
        """A new execution in the context (CreateExecution, AddContextArtifactsAndExecutions)."""
        client = self._clients.metadata
        with translated(f"records of {context.display_name}"):
            made = client.create_execution(parent=self._store, execution=execution, **self._clients.once)
        self.put_into(context, executions=[made.name])
        return made

    def end_execution(self, execution: Any, *, state: str) -> None:
        """Set the state: COMPLETE, FAILED (UpdateExecution)."""
        types = _google.execution
        message = types.Execution(name=execution.name, state=getattr(types.Execution.State, state))
        mask: Any = {"paths": ["state"]}
        with translated(f"record {execution.display_name}"):
            self._clients.metadata.update_execution(execution=message, update_mask=mask, **self._clients.idempotent)

    def executions(self, context: Any, schema: str) -> list[Any]:
        """The context's executions of a schema (ListExecutions)."""
        request = _google.metadata_service.ListExecutionsRequest(
            parent=self._path, filter=f'in_context("{context.name}") AND schema_title="{schema}"', page_size=100
        )
        with translated(f"records of {context.display_name}"):
            return list(self._clients.metadata.list_executions(request=request, **self._clients.idempotent))

    def ensure_execution(self, execution_id: str, execution: _google.execution.Execution) -> Any:
        """The execution of that id, made if need be (CreateExecution)."""
        client, name = self._clients.metadata, f"{self._path}/executions/{execution_id}"
        try:
            with translated(name):
                return client.create_execution(
                    parent=self._store, execution=execution, execution_id=execution_id, **self._clients.once
                )
        except AlreadyExists:
            with translated(name):
                return client.get_execution(name=name, **self._clients.idempotent)

    def ensure_artifact(self, artifact_id: str, artifact: _google.artifact.Artifact) -> Any:
        """The artifact of that id, made if need be (CreateArtifact)."""
        client, name = self._clients.metadata, self.artifact_name(artifact_id)
        try:
            with translated(name):
                return client.create_artifact(
                    parent=self._store, artifact=artifact, artifact_id=artifact_id, **self._clients.once
                )
        except AlreadyExists:
            with translated(name):
                return client.get_artifact(name=name, **self._clients.idempotent)

    def connect(self, execution: str, *, inputs: Iterable[str], outputs: Iterable[str]) -> None:
        """Tie artifacts to an execution, all by full name (AddExecutionEvents)."""
        types = _google.event.Event
        events = [types(artifact=name, type_=types.Type.INPUT) for name in inputs]
        events += [types(artifact=name, type_=types.Type.OUTPUT) for name in outputs]
        with translated(execution):
            self._clients.metadata.add_execution_events(execution=execution, events=events, **self._clients.idempotent)

    def subgraph(self, artifact: str, *, hops: int) -> _google.lineage_subgraph.LineageSubgraph:
        """What is up to `hops` events away from an artifact (QueryArtifactLineageSubgraph). Raises NotFound."""
        request = _google.metadata_service.QueryArtifactLineageSubgraphRequest(artifact=artifact, max_hops=hops)
        with translated(artifact):
            return self._clients.metadata.query_artifact_lineage_subgraph(request=request, **self._clients.idempotent)

    def artifact_name(self, artifact_id: str) -> str:
        """The full name of an artifact of the store."""
        return f"{self._path}/artifacts/{artifact_id}"

    def put_into(self, context: Any, *, executions: Iterable[str] = (), artifacts: Iterable[str] = ()) -> None:
        """Make nodes, by full name, members of the context (AddContextArtifactsAndExecutions)."""
        with translated(f"records of {context.display_name}"):
            self._clients.metadata.add_context_artifacts_and_executions(
                context=context.name, executions=list(executions), artifacts=list(artifacts), **self._clients.idempotent
            )

    def _ensure_schema(self, title: str) -> None:
        """Register one of this library's schemas (GetMetadataSchema, CreateMetadataSchema)."""
        client, schema_id = self._clients.metadata, schema_id_of(title)
        try:
            with translated(f"metadata schema {title}"):
                client.get_metadata_schema(
                    name=f"{self._store}/metadataSchemas/{schema_id}", **self._clients.idempotent
                )
        except NotFound:
            self._register_schema(title, schema_id)

    def _register_schema(self, title: str, schema_id: str) -> None:
        kind, fields = _SCHEMAS[title]
        properties = "".join(f"  {name}:\n    type: string\n" for name in fields)
        types = _google.metadata_schema
        schema = types.MetadataSchema(
            schema=f"title: {title}\ntype: object\nproperties:\n{properties}",
            schema_version=VERSION,
            schema_type=getattr(types.MetadataSchema.MetadataSchemaType, kind),
        )
        try:
            with translated(f"metadata schema {title}"):
                self._clients.metadata.create_metadata_schema(
                    parent=self._store, metadata_schema=schema, metadata_schema_id=schema_id, **self._clients.once
                )
        except AlreadyExists:
            return  # somebody else was faster


def context_id(model: Model) -> str:
    """Of the model's context. A model that is deleted and made again under the same id begins anew."""
    made = int(model.proto.create_time.timestamp() * 1000) if model.proto.create_time else 0
    return f"model-{node_id(model.id)}-{made}"


def node_id(text: str) -> str:
    """The text as an id of a node, which knows letters, digits and hyphens only; different texts stay different."""
    plain = "".join(char if char.isascii() and (char.islower() or char.isdigit()) else "-" for char in text)
    return plain if plain == text else f"{plain[:80]}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def schema_id_of(title: str) -> str:
    """gcpmlops.Model → gcpmlops-model-v0-0-1, as the built-in schemas are called."""
    words = "".join(f"-{char.lower()}" if char.isupper() else char for char in title.replace(".", ""))
    return f"{words}-v{VERSION.replace('.', '-')}"
