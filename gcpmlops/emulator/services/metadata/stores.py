"""The metadata stores of google.cloud.aiplatform.v1.MetadataService."""

from __future__ import annotations

import sqlite3
import uuid
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import paging
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.metadata.graph import Graph
from gcpmlops.emulator.services.metadata.kinds import KINDS, LOCATION, PROTO, STORE, Names, check_id

_SIZE = "SELECT coalesce(sum(length(body)), 0) FROM resources WHERE type = ? AND parent = ?"


class MetadataStores(Service):
    """Containers of all other metadata; `default` is made by who first needs it, as the SDK does."""

    proto = PROTO

    def __init__(self, context: Context, graph: Graph) -> None:
        super().__init__(context)
        self._graph = graph
        self._names = Names(context.settings)
        self._rows: Any = self.store.collection(types.MetadataStore)
        self._below = [self.store.collection(kind.message) for kind in KINDS]
        self._below.append(self.store.collection(types.MetadataSchema))

    def create_metadata_store(self, request: types.CreateMetadataStoreRequest) -> Any:
        """Raises AlreadyExists; without an id it gets a UUID."""
        parent = self._names.parse(LOCATION, request.parent.rstrip("/"))
        check_id("metadata_store_id", request.metadata_store_id)
        store = types.MetadataStore(request.metadata_store)
        store.name = f"{parent}/metadataStores/{request.metadata_store_id or uuid.uuid4()}"
        store.create_time = store.update_time = self.clock.now()
        self._insert(store)
        metadata = types.CreateMetadataStoreOperationMetadata()
        return self.operations.finished(parent=store.name, metadata=metadata, response=self._reply(store))

    def get_metadata_store(self, request: types.GetMetadataStoreRequest) -> types.MetadataStore:
        return self._reply(self._rows.get(self._names.parse(STORE, request.name)))

    def list_metadata_stores(self, request: types.ListMetadataStoresRequest) -> types.ListMetadataStoresResponse:
        """Newest first."""
        parent = self._names.parse(LOCATION, request.parent.rstrip("/"))
        stores, token = paging.page(self._rows.list(parent=parent)[::-1], request)
        replies = [self._reply(store) for store in stores]
        return types.ListMetadataStoresResponse(metadata_stores=replies, next_page_token=token)

    def delete_metadata_store(self, request: types.DeleteMetadataStoreRequest) -> Any:
        """With everything in it."""
        name = self._names.parse(STORE, request.name)

        def run(conn: sqlite3.Connection) -> None:
            self._rows.delete(name)
            for rows in self._below:
                for node in rows.list(parent=name):
                    rows.delete(node.name)
                    self._graph.forget(conn, node.name)

        self.store.write(run)
        metadata = types.DeleteMetadataStoreOperationMetadata()
        return self.operations.finished(parent=name, metadata=metadata, response=None)

    def _insert(self, store: types.MetadataStore) -> None:
        try:
            self._rows.insert(store.name, store)
        except exceptions.AlreadyExists:
            raise exceptions.AlreadyExists(f"MetadataStore with name {store.name} already exists.") from None

    def _reply(self, store: types.MetadataStore) -> types.MetadataStore:
        shown = types.MetadataStore(store)

        def measure(conn: sqlite3.Connection) -> int:
            return sum(conn.execute(_SIZE, (rows.kind, store.name)).fetchone()[0] for rows in self._below)

        shown.state.disk_utilization_bytes = self.store.read(measure)
        return shown
