"""The schemas of a metadata store: the built-in ones and the registered."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.metadata import conformity, system_schemas
from gcpmlops.emulator.services.metadata.kinds import Kind


class SchemaRows:
    """Finds schemas, by name or by title and version."""

    def __init__(self, store: ResourceStore) -> None:
        self.rows: Any = store.collection(types.MetadataSchema)
        self._stores: Any = store.collection(types.MetadataStore)

    def of_store(self, store: str) -> list[types.MetadataSchema]:
        """All of them, newest first: the registered ones, then the built-in ones."""
        own: list[types.MetadataSchema] = self.rows.list(parent=store)
        return [*reversed(own), *(self._built_in(store, schema_id) for schema_id in system_schemas.by_id())]

    def get(self, name: str) -> types.MetadataSchema:
        """Raises NotFound."""
        store, _, schema_id = name.rpartition("/metadataSchemas/")
        if schema_id in system_schemas.by_id():
            return self._built_in(store, schema_id)
        found: types.MetadataSchema = self.rows.get(name)
        return found

    def find(self, store: str, title: str, version: str) -> types.MetadataSchema | None:
        """The schema of a title: that version of it or, without one, the latest."""
        known = [*system_schemas.by_id().values(), *self.rows.list(parent=store)]
        named = [schema for schema in known if title_of(schema) == title]
        if version:
            return next((schema for schema in named if schema.schema_version == version), None)
        return max(named, key=lambda schema: _ordinal(schema.schema_version), default=None)

    def apply(self, kind: Kind, store: str, node: Any) -> None:
        """Fills in a node's schema version and checks its metadata. Raises NotFound, InvalidArgument."""
        title, version = node.schema_title, node.schema_version
        if not title:
            return
        schema = self.find(store, title, version)
        if schema is None:
            wanted = f"schema_title {title!r}" + (f" and schema_version {version!r}" if version else "")
            raise exceptions.NotFound(f"MetadataSchema with {wanted} is not found in {store}.")
        if schema.schema_type != kind.schema_type:
            what = f"{title} is of type {schema.schema_type.name}, and so not for {kind.collection}"
            raise exceptions.InvalidArgument(f"schema_title: {what} ({kind.schema_type.name}).")
        node.schema_version = schema.schema_version
        conformity.check(raw(node).metadata, conformity.read(schema.schema), f"{title} {schema.schema_version}")

    def _built_in(self, store: str, schema_id: str) -> types.MetadataSchema:
        schema = types.MetadataSchema(system_schemas.by_id()[schema_id])
        schema.name = f"{store}/metadataSchemas/{schema_id}"
        schema.create_time = self._stores.get(store).create_time
        return schema


def title_of(schema: types.MetadataSchema) -> str:
    """The title inside a schema's text."""
    return str(conformity.read(schema.schema)["title"])


def _ordinal(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
