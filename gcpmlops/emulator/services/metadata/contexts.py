"""The contexts of google.cloud.aiplatform.v1.MetadataService: experiments, runs, pipelines."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.services.metadata.kinds import ARTIFACT, CONTEXT, EXECUTION, store_of
from gcpmlops.emulator.services.metadata.lineage import Lineage
from gcpmlops.emulator.services.metadata.nodes import NodeService


class Contexts(NodeService[types.Context]):
    """What artifacts, executions and other contexts are grouped under."""

    kind = CONTEXT

    def create_context(self, request: types.CreateContextRequest) -> types.Context:
        """Raises NotFound for a store or schema that isn't there, AlreadyExists."""
        return self._create(request.parent, request.context, request.context_id)

    def get_context(self, request: types.GetContextRequest) -> types.Context:
        return self._get(request.name)

    def list_contexts(self, request: types.ListContextsRequest) -> types.ListContextsResponse:
        contexts, token = self._page(request)
        return types.ListContextsResponse(contexts=contexts, next_page_token=token)

    def update_context(self, request: types.UpdateContextRequest) -> types.Context:
        """Replaces the fields of the mask; without one, those that are given."""
        return self._update(request.context, request.update_mask, request.allow_missing)

    def delete_context(self, request: types.DeleteContextRequest) -> Any:
        """Its members and children stay; `force` has no meaning, as documented."""
        return self._delete(request.name, request.etag)

    def purge_contexts(self, request: types.PurgeContextsRequest) -> Any:
        return self._purge(request, types.PurgeContextsMetadata(), types.PurgeContextsResponse)

    def add_context_artifacts_and_executions(
        self, request: types.AddContextArtifactsAndExecutionsRequest
    ) -> types.AddContextArtifactsAndExecutionsResponse:
        """All of them or none; those that are in it already are skipped."""
        context = self._name(request.context)

        def run(conn: sqlite3.Connection) -> None:
            self._existing(conn, CONTEXT, [context], store_of(context))
            members = self._existing(conn, ARTIFACT, request.artifacts, store_of(context))
            members += self._existing(conn, EXECUTION, request.executions, store_of(context))
            for member in members:
                self.graph.add_member(conn, context, member)

        self.store.write(run)
        return types.AddContextArtifactsAndExecutionsResponse()

    def add_context_children(self, request: types.AddContextChildrenRequest) -> types.AddContextChildrenResponse:
        """All of them or none; a cycle and an eleventh parent are refused."""
        parent = self._name(request.context)

        def run(conn: sqlite3.Connection) -> None:
            self._existing(conn, CONTEXT, [parent], store_of(parent))
            for child in self._existing(conn, CONTEXT, request.child_contexts, store_of(parent)):
                self.graph.add_child(conn, parent, child)

        self.store.write(run)
        return types.AddContextChildrenResponse()

    def remove_context_children(
        self, request: types.RemoveContextChildrenRequest
    ) -> types.RemoveContextChildrenResponse:
        """Those that are no children are skipped."""
        parent = self._name(request.context)
        children = [self._name(child) for child in request.child_contexts]
        self.rows.get(parent)
        self.store.write(lambda conn: self.graph.remove_children(conn, parent, children))
        return types.RemoveContextChildrenResponse()

    def query_context_lineage_subgraph(
        self, request: types.QueryContextLineageSubgraphRequest
    ) -> types.LineageSubgraph:
        """The artifacts and executions of a context, and the events between them."""
        name = self._name(request.context)
        self.rows.get(name)
        return Lineage(self.graph, lambda kind, node: self.rows_of[kind].find(node)).of_context(name)

    def append(self, name: str, key: str, value: Mapping[str, str]) -> None:
        """Adds to a list in a context's metadata, as the service itself does. Raises NotFound."""

        def change(node: types.Context) -> None:
            raw(node).metadata.fields[key].list_value.values.add().struct_value.update(value)
            self._finish(node)

        self.rows.update(self._name(name), change)

    def _reply(self, node: types.Context) -> types.Context:
        shown = types.Context(node)
        shown.parent_contexts = self.graph.parents(node.name)
        return shown
