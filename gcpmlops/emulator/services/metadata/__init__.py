"""google.cloud.aiplatform.v1.MetadataService: metadata stores and schemas, artifacts, contexts, executions, lineage."""

from __future__ import annotations

from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.metadata.artifacts import Artifacts
from gcpmlops.emulator.services.metadata.contexts import Contexts
from gcpmlops.emulator.services.metadata.executions import Executions
from gcpmlops.emulator.services.metadata.graph import Graph
from gcpmlops.emulator.services.metadata.schemas import MetadataSchemas
from gcpmlops.emulator.services.metadata.stores import MetadataStores


def metadata_services(context: Context) -> tuple[Service, ...]:
    """The classes that share out MetadataService, on one graph."""
    graph = Graph(context.store)
    return (
        MetadataStores(context, graph),
        MetadataSchemas(context),
        Artifacts(context, graph),
        Contexts(context, graph),
        Executions(context, graph),
    )
