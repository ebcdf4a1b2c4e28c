"""Metadata against its schema: the subset of OpenAPI 3.0 that Vertex ML Metadata supports.

Types of properties, nested ones too, `required` and `additionalProperties`; everything else in a schema is no rule.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import yaml
from google.protobuf import struct_pb2

from gcpmlops.emulator.kernel import validate

MAX_BYTES = 200 * 1024
_TITLE = re.compile(r"[a-z][a-z0-9-_]{2,20}[.][A-Z][a-zA-Z0-9-_]{2,49}")
_TYPES = {
    "string": "string_value",
    "number": "number_value",
    "integer": "number_value",
    "boolean": "bool_value",
    "array": "list_value",
    "object": "struct_value",
}


@lru_cache(maxsize=256)
def read(text: str) -> Mapping[str, Any]:
    """A schema's text as a mapping. Raises InvalidArgument naming what is wrong with it."""
    try:
        schema = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise validate.invalid("metadata_schema.schema", f"this is not YAML: {error}") from None
    if not isinstance(schema, dict):
        raise validate.invalid("metadata_schema.schema", "a mapping with title and type is expected.")
    _check_head(schema)
    for path, properties in _all_properties(schema, ""):
        _check_properties(path, properties)
    return schema


def _check_head(schema: Mapping[str, Any]) -> None:
    if not _TITLE.fullmatch(str(schema.get("title", ""))):
        rule = f"MetadataSchema must include a schema title that satisfies the following regex: ^{_TITLE.pattern}$"
        raise validate.invalid("metadata_schema.schema", f"{rule}, not {schema.get('title')!r}.")
    if schema.get("type") != "object":
        raise validate.invalid(
            "metadata_schema.schema", f"the top-level type must be object, not {schema.get('type')!r}."
        )


def _all_properties(schema: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    properties = schema.get("properties") or {}
    yield path, properties
    if isinstance(properties, dict):
        for name, part in properties.items():
            if isinstance(part, dict) and "properties" in part:
                yield from _all_properties(part, f"{path}{name}.")


def _check_properties(path: str, properties: Any) -> None:
    if not isinstance(properties, dict):
        raise validate.invalid("metadata_schema.schema", f"{path}properties must be a mapping.")
    for name, part in properties.items():
        kind = part.get("type") if isinstance(part, dict) else None
        if kind is not None and (not isinstance(kind, str) or kind not in _TYPES):
            what = f"property {path}{name} has the type {kind!r}"
            raise validate.invalid("metadata_schema.schema", f"{what}; one of {', '.join(_TYPES)} is expected.")


def tidy(metadata: struct_pb2.Struct) -> None:
    """Trims the keys at the top. Raises InvalidArgument for what no Struct may hold, or for too much of it."""
    for key in [key for key in metadata.fields if key != key.strip()]:
        metadata.fields[key.strip()].CopyFrom(metadata.fields.pop(key))
    if metadata.ByteSize() > MAX_BYTES:
        raise validate.invalid("metadata", f"{metadata.ByteSize()} bytes; {MAX_BYTES} (200 KB) are allowed.")
    for path in _infinite(metadata, "metadata"):
        raise validate.invalid(path, "neither NaN nor infinity can stand in JSON, and so not in metadata.")


def _infinite(struct: struct_pb2.Struct, path: str) -> Iterator[str]:
    for key, value in struct.fields.items():
        kind = value.WhichOneof("kind")
        if kind == "struct_value":
            yield from _infinite(value.struct_value, f"{path}.{key}")
        elif kind == "number_value" and not math.isfinite(value.number_value):
            yield f"{path}.{key}"


def check(metadata: struct_pb2.Struct, schema: Mapping[str, Any], title: str, path: str = "metadata") -> None:
    """Raises InvalidArgument naming the property that does not conform."""
    properties = schema.get("properties") or {}
    for name in schema.get("required") or ():
        if name not in metadata.fields:
            raise validate.invalid(f"{path}.{name}", f"required by schema {title}, but missing.")
    for name, value in metadata.fields.items():
        part = properties.get(name)
        if part is None and name not in properties and schema.get("additionalProperties") is False:
            raise validate.invalid(f"{path}.{name}", f"schema {title} allows no properties but its own.")
        if isinstance(part, dict):
            _check_value(value, part, title, f"{path}.{name}")


def _check_value(value: struct_pb2.Value, part: Mapping[str, Any], title: str, path: str) -> None:
    wanted, kind = part.get("type"), value.WhichOneof("kind")
    if wanted is None or kind == "null_value":
        return
    whole = wanted != "integer" or (kind == "number_value" and value.number_value.is_integer())
    if kind != _TYPES[wanted] or not whole:
        found = next((name for name, field in _TYPES.items() if field == kind), kind)
        raise validate.invalid(path, f"schema {title} expects the type {wanted}, but this is of type {found}.")
    if wanted == "object":
        check(value.struct_value, part, title, path)
