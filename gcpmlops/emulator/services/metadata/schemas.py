"""The metadata schemas of google.cloud.aiplatform.v1.MetadataService."""

from __future__ import annotations

import re
import uuid

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format, struct_pb2

from gcpmlops.emulator.kernel import filters, paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.metadata import conformity, system_schemas
from gcpmlops.emulator.services.metadata.kinds import PROTO, STORE, Names, check_id
from gcpmlops.emulator.services.metadata.schema_rows import SchemaRows, title_of

_SCHEMA = f"{STORE}/metadataSchemas/{{metadata_schema}}"
_VERSION = re.compile(r"[0-9]+[.][0-9]+[.][0-9]+")


class MetadataSchemas(Service):
    """What titles and versions of metadata there are: Google's own, and those that users register."""

    proto = PROTO

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._names = Names(context.settings)
        self._schemas = SchemaRows(self.store)
        self._stores = self.store.collection(types.MetadataStore)

    def create_metadata_schema(self, request: types.CreateMetadataSchemaRequest) -> types.MetadataSchema:
        """Raises InvalidArgument for what is no schema, AlreadyExists for an id or a title and version."""
        store = self._names.parse(STORE, request.parent)
        self._stores.get(store)
        validate.require(request, "metadata_schema.schema", "metadata_schema.schema_type")
        check_id("metadata_schema_id", request.metadata_schema_id)
        schema = types.MetadataSchema(request.metadata_schema)
        content = conformity.read(schema.schema)
        schema.schema_version = _version(schema.schema_version or str(content.get("version", system_schemas.VERSION)))
        schema.name = f"{store}/metadataSchemas/{request.metadata_schema_id or uuid.uuid4()}"
        schema.create_time = self.clock.now()
        with self.locks(store):
            self._insert(store, schema)
        return schema

    def get_metadata_schema(self, request: types.GetMetadataSchemaRequest) -> types.MetadataSchema:
        name = self._names.parse(_SCHEMA, request.name)
        self._stores.get(name.rpartition("/metadataSchemas/")[0])
        return self._schemas.get(name)

    def list_metadata_schemas(self, request: types.ListMetadataSchemasRequest) -> types.ListMetadataSchemasResponse:
        """Newest first. Filters may name `schema_title`, which stands inside the schema, beside its fields."""
        store = self._names.parse(STORE, request.parent)
        self._stores.get(store)
        wanted = filters.parse(request.filter)
        chosen = [schema for schema in self._schemas.of_store(store) if wanted(_row(schema))]
        schemas, token = paging.page(chosen, request)
        return types.ListMetadataSchemasResponse(metadata_schemas=schemas, next_page_token=token)

    def _insert(self, store: str, schema: types.MetadataSchema) -> None:
        title = title_of(schema)
        taken = schema.name.rpartition("/")[2] in system_schemas.by_id()
        if taken or self._schemas.find(store, title, schema.schema_version) is not None:
            what = f"MetadataSchema {title} of version {schema.schema_version}"
            raise exceptions.AlreadyExists(f"{what} or with name {schema.name} already exists.")
        self._schemas.rows.insert(schema.name, schema, parent=store)


def _version(given: str) -> str:
    if not _VERSION.fullmatch(given):
        rule = f"it must match ^{_VERSION.pattern}$"
        raise validate.invalid("metadata_schema.schema_version", f"{given!r} is not allowed: {rule}.")
    return given


def _row(schema: types.MetadataSchema) -> struct_pb2.Struct:
    """The fields that a filter can name."""
    row = struct_pb2.Struct()
    row.update(json_format.MessageToDict(raw(schema), preserving_proto_field_name=True))
    row["schema_title"] = title_of(schema)
    return row
