"""The artifacts of google.cloud.aiplatform.v1.MetadataService."""

from __future__ import annotations

from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.metadata.kinds import ARTIFACT, store_of
from gcpmlops.emulator.services.metadata.lineage import Lineage
from gcpmlops.emulator.services.metadata.nodes import NodeService


class Artifacts(NodeService[types.Artifact]):
    """Data that a workflow reads or makes."""

    kind = ARTIFACT

    def create_artifact(self, request: types.CreateArtifactRequest) -> types.Artifact:
        """Raises NotFound for a store or schema that isn't there, AlreadyExists."""
        return self._create(request.parent, request.artifact, request.artifact_id)

    def get_artifact(self, request: types.GetArtifactRequest) -> types.Artifact:
        return self._get(request.name)

    def list_artifacts(self, request: types.ListArtifactsRequest) -> types.ListArtifactsResponse:
        artifacts, token = self._page(request)
        return types.ListArtifactsResponse(artifacts=artifacts, next_page_token=token)

    def update_artifact(self, request: types.UpdateArtifactRequest) -> types.Artifact:
        """Replaces the fields of the mask; without one, those that are given."""
        return self._update(request.artifact, request.update_mask, request.allow_missing)

    def delete_artifact(self, request: types.DeleteArtifactRequest) -> Any:
        """With its events; it leaves its contexts."""
        return self._delete(request.name, request.etag)

    def purge_artifacts(self, request: types.PurgeArtifactsRequest) -> Any:
        return self._purge(request, types.PurgeArtifactsMetadata(), types.PurgeArtifactsResponse)

    def query_artifact_lineage_subgraph(
        self, request: types.QueryArtifactLineageSubgraphRequest
    ) -> types.LineageSubgraph:
        """Both up and down stream. `max_hops` 0 can't be told from none in proto3: it means no limit."""
        name = self._name(request.artifact)
        if request.max_hops < 0:
            raise validate.invalid("max_hops", f"{request.max_hops} must not be negative.")
        self.rows.get(name)
        wanted = self._filters.parse(self.kind, store_of(name), request.filter)
        lineage = Lineage(self.graph, lambda kind, node: self.rows_of[kind].find(node))
        return lineage.of_artifact(name, request.max_hops, wanted)
