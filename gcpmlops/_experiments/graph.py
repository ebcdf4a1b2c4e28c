"""Experiments in the metadata store, in the layout that Google's SDK uses, so that each sees the other's runs.

An experiment is a context system.Experiment with its name as id; a run a context system.ExperimentRun with the id
EXPERIMENT-RUN, a child of it, whose metadata holds _params, _metrics and _state. API: Vertex AI v1 MetadataService.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

from gcpmlops import _google
from gcpmlops.clients import Clients
from gcpmlops.exceptions import AlreadyExists, FailedPrecondition, NotFound, translated

EXPERIMENT, RUN = "system.Experiment", "system.ExperimentRun"
PARAMS, METRICS, STATE = "_params", "_metrics", "_state"
TENSORBOARD_LINK = "tensorboard_link"  # marks the experiments that jobs with a TensorBoard make for themselves
_ATTEMPTS = 5


class Graph:
    """The project's default metadata store."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def name(self, context: str) -> str:
        """The full name of a context of the store."""
        return f"{self._path}/contexts/{context}"

    def find(self, context: str, *, what: str) -> Any:
        """The context, None where there is none (GetContext)."""
        try:
            return self.get(context, what=what)
        except NotFound:
            return None

    def get(self, context: str, *, what: str, next_step: str = "") -> Any:
        """The context, by id (GetContext). Raises NotFound."""
        with translated(what, next_step=next_step):
            return self._clients.metadata.get_context(name=self.name(context), **self._clients.idempotent)

    def create(self, context: str, *, schema: str, metadata: dict[str, Any], what: str, **fields: Any) -> Any:
        """A new context; the store is made with the first (CreateContext). Raises AlreadyExists."""
        message = _google.context.Context(schema_title=schema, schema_version="0.0.1", metadata=metadata, **fields)
        with translated(what):
            return self._clients.metadata.create_context(
                parent=self._store, context=message, context_id=context, **self._clients.once
            )

    def update(self, context: Any, change: Callable[[dict[str, Any]], None], *, what: str, **fields: Any) -> Any:
        """Change the context's metadata; what others write meanwhile is kept (UpdateContext with etag)."""
        from google.api_core.exceptions import Aborted

        for attempt in range(_ATTEMPTS):
            metadata = plain(context)
            change(metadata)
            message = _google.context.Context(name=context.name, etag=context.etag, metadata=metadata, **fields)
            mask = {"paths": ["metadata", *fields]}
            with translated(what):
                try:
                    return self._clients.metadata.update_context(
                        context=message, update_mask=mask, **self._clients.once
                    )
                except Aborted:
                    if attempt == _ATTEMPTS - 1:
                        raise
                context = self._clients.metadata.get_context(name=context.name, **self._clients.idempotent)
        raise FailedPrecondition(f"{what} is being changed all the time", resource=what)

    def adopt(self, parent: Any, child: Any, *, what: str) -> None:
        """Make one context a child of another (AddContextChildren)."""
        with translated(what):
            self._clients.metadata.add_context_children(
                context=parent.name, child_contexts=[child.name], **self._clients.idempotent
            )

    def contexts(self, schema: str, *, parent: str | None = None, where: str | None = None) -> Iterator[Any]:
        """Contexts of a schema, of a parent (ListContexts); none where there is no store yet."""
        parts = [f'schema_title="{schema}"']
        parts += [f'parent_contexts:"{parent}"'] if parent else []
        parts += [f"({where})"] if where else []
        request = _google.metadata_service.ListContextsRequest(
            parent=self._path, filter=" AND ".join(parts), page_size=100
        )
        try:
            with translated(f"contexts of {self._path}"):
                yield from self._clients.metadata.list_contexts(request=request, **self._clients.idempotent)
        except NotFound:
            return

    def delete(self, context: Any, *, what: str) -> None:
        """Delete a context and wait for it; its children and artifacts stay (DeleteContext)."""
        with translated(what):
            operation = self._clients.metadata.delete_context(name=context.name, **self._clients.once)
        self._clients.finish(operation, timeout=self._clients.config.timeout, resource=what)

    def find_artifact(self, artifact: str) -> Any:
        """The artifact, None where there is none (GetArtifact)."""
        try:
            with translated(f"artifact {artifact}"):
                return self._clients.metadata.get_artifact(
                    name=f"{self._path}/artifacts/{artifact}", **self._clients.idempotent
                )
        except NotFound:
            return None

    def attach(self, context: Any, artifact: Any, *, artifact_id: str | None = None) -> Any:
        """A new artifact that belongs to the context (CreateArtifact, AddContextArtifactsAndExecutions)."""
        client = self._clients.metadata
        with translated(f"artifact {artifact.display_name or artifact_id}"):
            made = client.create_artifact(
                parent=self._store, artifact=artifact, artifact_id=artifact_id, **self._clients.once
            )
            client.add_context_artifacts_and_executions(
                context=context.name, artifacts=[made.name], **self._clients.idempotent
            )
        return made

    def artifacts(self, context: Any) -> list[Any]:
        """The artifacts of a context (ListArtifacts)."""
        request = _google.metadata_service.ListArtifactsRequest(
            parent=self._path, filter=f'in_context("{context.name}")', page_size=100
        )
        with translated(f"artifacts of {context.name}"):
            return list(self._clients.metadata.list_artifacts(request=request, **self._clients.idempotent))

    def delete_artifact(self, artifact: Any) -> None:
        """Delete an artifact and wait for it (DeleteArtifact)."""
        with translated(str(artifact.name)):
            operation = self._clients.metadata.delete_artifact(name=artifact.name, **self._clients.once)
        self._clients.finish(operation, timeout=self._clients.config.timeout, resource=str(artifact.name))

    @property
    def _path(self) -> str:
        return f"{self._clients.parent}/metadataStores/default"

    @cached_property
    def _store(self) -> str:
        """The store's name, when it is sure to exist (GetMetadataStore, CreateMetadataStore)."""
        client = self._clients.metadata
        try:
            with translated(self._path):
                client.get_metadata_store(name=self._path, **self._clients.idempotent)
        except NotFound:
            self._make_store()
        return self._path

    def _make_store(self) -> None:
        try:
            with translated(self._path):
                operation = self._clients.metadata.create_metadata_store(
                    parent=self._clients.parent,
                    metadata_store=_google.metadata_store.MetadataStore(),
                    metadata_store_id="default",
                    **self._clients.once,
                )
            self._clients.finish(operation, timeout=self._clients.config.timeout, resource=self._path)
        except AlreadyExists:
            return  # somebody else was faster


def plain(node: Any) -> dict[str, Any]:
    """A node's metadata as a dict of plain values; whole numbers are int again."""
    from google.protobuf.json_format import MessageToDict

    message = type(node).pb(node)
    found: dict[str, Any] = _whole(MessageToDict(message.metadata)) if message.HasField("metadata") else {}
    return found


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(value[key]) for key in sorted(value)}  # the message keeps no order
    if isinstance(value, list):
        return [_whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value
