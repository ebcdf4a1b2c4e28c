"""What artifacts, contexts and executions can all do: create, get, list, update, delete, purge."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import field_mask_pb2

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context as Surroundings
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.metadata import conformity
from gcpmlops.emulator.services.metadata.graph import Graph
from gcpmlops.emulator.services.metadata.kinds import CONTEXT, KINDS, PROTO, STORE, Kind, Names, check_id, store_of
from gcpmlops.emulator.services.metadata.node_filters import NodeFilters, candidates
from gcpmlops.emulator.services.metadata.schema_rows import SchemaRows

N = TypeVar("N")
_OUTPUT_ONLY = ("name", "etag", "create_time", "update_time", "parent_contexts")
_MAX_DISPLAY_NAME = 128
_SAMPLE = 100
_SYSTEM_LABEL = "aiplatform.googleapis.com/"


class NodeService(Service, Generic[N]):
    """The shared half of the services of artifacts, contexts and executions."""

    proto = PROTO
    kind: ClassVar[Kind]

    def __init__(self, context: Surroundings, graph: Graph) -> None:
        super().__init__(context)
        self.graph = graph
        self.names = Names(context.settings)
        self.rows_of = {kind: self.store.collection(kind.message) for kind in KINDS}
        self.rows: Any = self.rows_of[self.kind]
        self.stores: Any = self.store.collection(types.MetadataStore)
        self._schemas = SchemaRows(self.store)
        self._filters = NodeFilters(graph, self.names, lambda kind, name: self.rows_of[kind].find(name))

    def _name(self, name: str, kind: Kind | None = None) -> str:
        return self.names.parse((kind or self.kind).template, name)

    def _parent(self, parent: str) -> str:
        """The metadata store of a request. Raises InvalidArgument, NotFound."""
        store = self.names.parse(STORE, parent)
        self.stores.get(store)
        return store

    def _existing(self, conn: sqlite3.Connection, kind: Kind, given: Sequence[str], store: str) -> list[str]:
        """The names of nodes, each of which is there. Raises InvalidArgument, NotFound."""
        found = [self._name(name, kind) for name in given]
        for name in found:
            if store_of(name) != store:
                raise exceptions.InvalidArgument(f"{name} is not in the same metadata store ({store}).")
            _require(conn, self.rows_of[kind], name)
        return found

    def _reply(self, node: N) -> N:
        """A node as clients see it."""
        return node

    def _create(self, parent: str, given: N, node_id: str) -> N:
        store = self._parent(parent)
        check_id(f"{self.kind.noun.lower()}_id", node_id)
        return self._insert(f"{store}/{self.kind.collection}/{node_id or names.new_id()}", given)

    def _insert(self, name: str, given: N) -> N:
        node = self.kind.message(given)
        if self.kind is CONTEXT:
            node.parent_contexts = []
        node.name, node.etag = name, ""
        self._finish(node)
        node.create_time = node.update_time

        def run(conn: sqlite3.Connection) -> None:
            _require(conn, self.stores, store_of(name))
            self.rows.insert(name, node, parent=store_of(name))

        try:
            self.store.write(run)
        except exceptions.AlreadyExists:
            raise exceptions.AlreadyExists(f"{self.kind.noun} with name {name} already exists.") from None
        return self._reply(node)

    def _get(self, name: str) -> N:
        return self._reply(self.rows.get(self._name(name)))

    def _page(self, request: Any) -> tuple[list[N], str]:
        """Newest first, unless the request says otherwise."""
        store = self._parent(request.parent)
        chosen = self._matching(store, request.filter)
        page, token = paging.page(filters.order(chosen, request.order_by), request)
        return [self._reply(node) for node in page], token

    def _matching(self, store: str, text: str) -> list[Any]:
        parsed = self._filters.parse(self.kind, store, text)
        among = candidates(parsed)
        if among is None:
            nodes = self.rows.list(parent=store)[::-1]
        else:
            found = (self.rows.find(name) for name in among if store_of(name) == store)
            nodes = sorted(filter(None, found), key=lambda node: (node.create_time, node.name), reverse=True)
        return [node for node in nodes if parsed(node)]

    def _update(self, given: Any, mask: Any, allow_missing: bool) -> N:
        name = self._name(given.name)
        if allow_missing and self.rows.find(name) is None:
            self._parent(store_of(name))
            check_id(f"{self.kind.noun.lower()}.name", name.rpartition("/")[2])
            return self._insert(name, given)
        return self._reply(self.rows.update(name, lambda node: self._change(node, given, list(mask.paths))))

    def _change(self, node: Any, given: Any, paths: list[str]) -> None:
        if given.etag and given.etag != node.etag:
            text = f"Specified {self.kind.noun} `etag`: `{given.etag}` does not match server `etag`: `{node.etag}`"
            raise exceptions.Aborted(text)
        fields = [field.name for field in raw(node).DESCRIPTOR.fields if field.name not in _OUTPUT_ONLY]
        paths = fields if "*" in paths else paths
        keys = [path.removeprefix("metadata.") for path in paths if path.startswith("metadata.")]
        rest = [path for path in paths if not path.startswith("metadata.") and path not in ("etag", "name")]
        for key in keys:
            _copy_key(raw(node).metadata, raw(given).metadata, key)
        if rest or not paths:
            masks.apply(field_mask_pb2.FieldMask(paths=rest), node, given, immutable=_OUTPUT_ONLY)
        self._finish(node)

    def _finish(self, node: Any) -> None:
        """Checks what a client has given; stamps time and etag (milliseconds, always rising)."""
        if len(node.display_name) > _MAX_DISPLAY_NAME:
            raise validate.invalid("display_name", f"{len(node.display_name)} characters, 128 are allowed.")
        user = {key: value for key, value in node.labels.items() if not key.startswith(_SYSTEM_LABEL)}
        validate.labels(user, "labels")
        raw(node).metadata.SetInParent()  # there even when empty: the SDK looks into it
        conformity.tidy(raw(node).metadata)
        self._schemas.apply(self.kind, store_of(node.name), node)
        now = self.clock.now()
        node.update_time = now
        node.etag = str(max(int(now.timestamp() * 1000), int(node.etag or 0) + 1))

    def _delete(self, given: str, etag: str) -> Any:
        name = self._name(given)

        def run(conn: sqlite3.Connection) -> None:
            node = self.rows.delete(name)
            if etag and etag != node.etag:
                what = f"Specified {self.kind.noun} `etag`: `{etag}` does not match server `etag`: `{node.etag}`"
                raise exceptions.FailedPrecondition(what)
            self.graph.forget(conn, name)

        self.store.write(run)
        return self.operations.finished(parent=name, metadata=types.DeleteOperationMetadata(), response=None)

    def _delete_all(self, conn: sqlite3.Connection, found: Sequence[str]) -> None:
        for name in found:
            self.rows.delete(name)
            self.graph.forget(conn, name)

    def _purge(self, request: Any, metadata: Any, response: Any) -> Any:
        """Deletes what a filter matches or, without `force`, tells what it would delete."""
        store = self._parent(request.parent)
        validate.require(request, "filter")
        found = [node.name for node in self._matching(store, request.filter)]
        if request.force:
            self.store.write(lambda conn: self._delete_all(conn, found))
            answer = response(purge_count=len(found))
        else:
            answer = response(purge_count=len(found), purge_sample=found[:_SAMPLE])
        return self.operations.finished(parent=store, metadata=metadata, response=answer)


def _require(conn: sqlite3.Connection, rows: Any, name: str) -> None:
    """In this very transaction, the row is there. Raises NotFound."""
    sql = "SELECT 1 FROM resources WHERE type = ? AND name = ?"
    if conn.execute(sql, (rows.kind, name)).fetchone() is None:
        raise rows.not_found(name)


def _copy_key(into: Any, source: Any, key: str) -> None:
    if key in source.fields:
        into.fields[key].CopyFrom(source.fields[key])
    else:
        into.fields.pop(key, None)
