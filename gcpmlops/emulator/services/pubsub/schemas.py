"""google.pubsub.v1.SchemaService: schemas, their revisions, and what fits them."""

from __future__ import annotations

import secrets
from typing import Any

from google.api_core import exceptions
from google.protobuf import empty_pb2
from google.pubsub_v1 import types

from gcpmlops.emulator.kernel.paging import page
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.pubsub import names, validation
from gcpmlops.emulator.services.pubsub.broker import Broker

_MAX_REVISIONS = 20
_MAX_BYTES = 300_000


class Schemas(Service):
    """A schema is stored under its name, its revisions under ``NAME@REVISION``; the newest one is the schema."""

    proto = "google.pubsub.v1.SchemaService"

    def __init__(self, context: Context, broker: Broker) -> None:
        super().__init__(context)
        self._broker = broker
        self._stored = context.store.collection(types.Schema)

    def create_schema(self, request: types.CreateSchemaRequest) -> types.Schema:
        schema = request.schema
        schema.name = names.check("schemas", f"{request.parent}/schemas/{request.schema_id}")
        _check(schema)
        with self.locks(schema.name):
            if self._stored.find(f"{schema.name}@"):
                raise exceptions.AlreadyExists(f"Resource already exists in the project (resource={schema.name}).")
            self._commit(schema)
            self._stored.insert(f"{schema.name}@", schema, parent=request.parent)
        return schema

    def get_schema(self, request: types.GetSchemaRequest) -> types.Schema:
        return _viewed(self._found(request.name), request.view)

    def list_schemas(self, request: types.ListSchemasRequest) -> types.ListSchemasResponse:
        some, token = page(self._stored.below(request.parent), request)
        return types.ListSchemasResponse(
            schemas=[_viewed(schema, request.view) for schema in some], next_page_token=token
        )

    def list_schema_revisions(self, request: types.ListSchemaRevisionsRequest) -> types.ListSchemaRevisionsResponse:
        """The newest one first."""
        some, token = page(list(reversed(self._revisions(request.name))), request)
        shown = [_viewed(schema, request.view) for schema in some]
        return types.ListSchemaRevisionsResponse(schemas=shown, next_page_token=token)

    def commit_schema(self, request: types.CommitSchemaRequest) -> types.Schema:
        schema = request.schema
        _check(schema)
        with self.locks(request.name):
            current = self._found(request.name)
            if current.type_ != schema.type_:
                raise exceptions.InvalidArgument(f"schema.type: {request.name} is of type {current.type_.name}.")
            schema.name = current.name
            self._commit(schema)
            self._stored.put(f"{schema.name}@", schema, parent=schema.name.partition("/schemas/")[0])
        return schema

    def rollback_schema(self, request: types.RollbackSchemaRequest) -> types.Schema:
        """A new revision with an old one's definition."""
        old = self._found(f"{request.name}@{request.revision_id}")
        again = types.Schema(type_=old.type_, definition=old.definition)
        return self.commit_schema(types.CommitSchemaRequest(name=request.name, schema=again))

    def delete_schema_revision(self, request: types.DeleteSchemaRevisionRequest) -> types.Schema:
        name = request.name.partition("@")[0]
        revision = request.revision_id or request.name.partition("@")[2]
        with self.locks(name):
            self._found(f"{name}@{revision}")
            if len(self._revisions(name)) == 1:
                raise exceptions.InvalidArgument(f"{name}: its only revision can't be deleted; delete the schema.")
            self._stored.delete(f"{name}@{revision}")
            newest = self._revisions(name)[-1]
            self._stored.put(f"{name}@", newest, parent=name.partition("/schemas/")[0])
        return newest

    def delete_schema(self, request: types.DeleteSchemaRequest) -> empty_pb2.Empty:
        with self.locks(request.name):
            for schema in self._revisions(request.name):
                self._stored.delete(f"{schema.name}@{schema.revision_id}")
            self._stored.delete(f"{request.name}@")
        self._broker.schema_deleted(request.name)
        return empty_pb2.Empty()

    def validate_schema(self, request: types.ValidateSchemaRequest) -> types.ValidateSchemaResponse:
        """Raises: MethodNotImplemented for protocol buffers: nothing here reads their definitions."""
        _check(request.schema)
        if request.schema.type_ != types.Schema.Type.AVRO:
            raise exceptions.MethodNotImplemented(
                "ValidateSchema of a PROTOCOL_BUFFER schema is not built in this emulator: use AVRO."
            )
        return types.ValidateSchemaResponse()

    def validate_message(self, request: types.ValidateMessageRequest) -> types.ValidateMessageResponse:
        schema = self._found(request.name) if request.name else request.schema
        _check(schema)
        if request.encoding not in (types.Encoding.JSON, types.Encoding.BINARY):
            raise exceptions.InvalidArgument("encoding: JSON or BINARY is needed.")
        validation.check_message(schema, request.message, request.encoding)
        return types.ValidateMessageResponse()

    def _commit(self, schema: Any) -> None:
        if len(self._stored.list(schema.name)) >= _MAX_REVISIONS:
            raise exceptions.ResourceExhausted(f"{schema.name} has {_MAX_REVISIONS} revisions: delete one first.")
        schema.revision_id = secrets.token_hex(4)
        schema.revision_create_time = self.clock.now()
        self._stored.insert(f"{schema.name}@{schema.revision_id}", schema, parent=schema.name)

    def _found(self, name: str) -> types.Schema:
        schema: types.Schema | None = self._stored.find(name if "@" in name else f"{name}@")
        if schema is None:
            raise names.not_found(name)
        return schema

    def _revisions(self, name: str) -> list[types.Schema]:
        self._found(name)
        revisions: list[types.Schema] = self._stored.list(name)
        return revisions


def _check(schema: types.Schema) -> None:
    if schema.type_ not in (types.Schema.Type.AVRO, types.Schema.Type.PROTOCOL_BUFFER):
        raise exceptions.InvalidArgument("schema.type: AVRO or PROTOCOL_BUFFER is needed.")
    if not schema.definition or len(schema.definition.encode()) > _MAX_BYTES:
        raise exceptions.InvalidArgument(f"schema.definition: 1 to {_MAX_BYTES} bytes are needed.")
    validation.check_definition(schema)


def _viewed(schema: types.Schema, view: Any) -> types.Schema:
    if view != types.SchemaView.BASIC:
        return schema
    return types.Schema(
        name=schema.name, type_=schema.type_, revision_id=schema.revision_id,
        revision_create_time=schema.revision_create_time,
    )  # fmt: skip
