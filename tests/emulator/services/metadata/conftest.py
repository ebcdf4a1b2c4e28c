"""A metadata store of its own for each test, asked through the official client."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from google.cloud.aiplatform_v1 import MetadataServiceClient, types

HOST = "us-central1-aiplatform.googleapis.com"


@dataclass
class Metadata:
    """One metadata store, with short ways to make what is in it."""

    client: MetadataServiceClient
    parent: str
    store: str

    def name(self, collection: str, node_id: str) -> str:
        return f"{self.store}/{collection}/{node_id}"

    def artifact(self, artifact_id: str = "", **fields: Any) -> types.Artifact:
        request = types.CreateArtifactRequest(parent=self.store, artifact=fields, artifact_id=artifact_id)
        return self.client.create_artifact(request)

    def execution(self, execution_id: str = "", **fields: Any) -> types.Execution:
        request = types.CreateExecutionRequest(parent=self.store, execution=fields, execution_id=execution_id)
        return self.client.create_execution(request)

    def context(self, context_id: str = "", **fields: Any) -> types.Context:
        request = types.CreateContextRequest(parent=self.store, context=fields, context_id=context_id)
        return self.client.create_context(request)

    def event(self, execution: str, artifact: str, kind: str = "OUTPUT", **fields: Any) -> None:
        event = {"artifact": artifact, "type_": kind, **fields}
        self.client.add_execution_events(execution=execution, events=[event])

    def ids(self, listed: Any) -> list[str]:
        """The last segments of listed names, in order."""
        return [node.name.rpartition("/")[2] for node in listed]

    def artifacts(self, text: str = "", order_by: str = "") -> list[str]:
        request = types.ListArtifactsRequest(parent=self.store, filter=text, order_by=order_by)
        return self.ids(self.client.list_artifacts(request))

    def contexts(self, text: str = "", order_by: str = "") -> list[str]:
        request = types.ListContextsRequest(parent=self.store, filter=text, order_by=order_by)
        return self.ids(self.client.list_contexts(request))

    def executions(self, text: str = "", order_by: str = "") -> list[str]:
        request = types.ListExecutionsRequest(parent=self.store, filter=text, order_by=order_by)
        return self.ids(self.client.list_executions(request))


@pytest.fixture
def connect(google_environment: dict[str, str]) -> Iterator[Callable[[str], MetadataServiceClient]]:
    """Makes clients by transport."""
    made: list[MetadataServiceClient] = []

    def make(transport: str = "grpc") -> MetadataServiceClient:
        made.append(MetadataServiceClient(client_options={"api_endpoint": HOST}, transport=transport))
        return made[-1]

    yield make
    for client in made:
        client.transport.close()


@pytest.fixture
def metadata(connect, emulator) -> Metadata:
    client = connect("grpc")
    parent = f"projects/{emulator.project}/locations/us-central1"
    store_id = f"store-{uuid.uuid4().hex[:8]}"
    store = client.create_metadata_store(parent=parent, metadata_store={}, metadata_store_id=store_id).result()
    return Metadata(client, parent, store.name)
