"""Logged requests as columns of features."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
import yaml
from google.api_core import exceptions

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.model_monitoring.columns import Kind

_KINDS: dict[str, Kind] = {"number": "number", "integer": "number", "string": "category", "boolean": "category"}


@dataclass(frozen=True)
class Schema:
    """Features in the order in which arrays have them; `kinds` of those that the schema tells."""

    names: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)


def read_schema(objects: ObjectStore, uri: str, field_name: str) -> Schema:
    """An OpenAPI schema object in YAML, in Cloud Storage. Raises InvalidArgument, NotFound naming the field."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket or not name:
        raise validate.invalid(field_name, f"{uri!r} is not gs://BUCKET/OBJECT.")
    try:
        found = yaml.safe_load(objects.local_path(bucket, name).read_bytes())
    except exceptions.NotFound as error:
        raise exceptions.NotFound(f"{field_name}: {uri} is not found: {error.message}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise validate.invalid(field_name, f"{uri} is not YAML: {error}.") from error
    properties = found.get("properties") if isinstance(found, dict) else None
    if not isinstance(properties, dict) or not properties:
        raise validate.invalid(field_name, f"{uri} is no schema of an object with properties.")
    types = {str(name): _type(each) for name, each in properties.items()}
    return Schema(tuple(types), {name: _KINDS[kind] for name, kind in types.items() if kind in _KINDS})


def columns(payloads: Iterable[str], schema: Schema, names: Sequence[str]) -> dict[str, list[Any]]:
    """Values by feature; an instance without a feature has None.

    Args:
        payloads: instances, or whole request bodies, as JSON.
        schema: tells the names of instances that are arrays.
        names: those of the training data, where there is no schema.

    Raises: InvalidArgument where the features of arrays have no names.
    """
    found: dict[str, list[Any]] = {}
    rows = 0
    for instance in (each for payload in payloads for each in _instances(payload)):
        for name, value in _named(instance, schema.names or names).items():
            values = found.setdefault(name, [])
            values += [None] * (rows - len(values))
            values.append(_scalar(value))
        rows += 1
    for values in found.values():
        values += [None] * (rows - len(values))
    return found


def _instances(payload: str) -> Iterator[Any]:
    """One instance, or those of a raw request's body; nothing of a body that is no JSON."""
    try:
        found = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return
    if isinstance(found, dict) and isinstance(found.get("instances"), list):
        yield from found["instances"]
    else:
        yield found


def _named(instance: Any, names: Sequence[str]) -> Mapping[str, Any]:
    if isinstance(instance, dict):
        return instance
    values = instance if isinstance(instance, list) else [instance]
    if len(names) != len(values):
        has = f"{len(names)} features are known by name" if names else "no schema names them"
        raise exceptions.InvalidArgument(
            f"Instances are arrays of {len(values)} values, and {has}: set analysis_instance_schema_uri."
        )
    return dict(zip(names, values, strict=True))


def _scalar(value: Any) -> Any:
    """Lists of one value are that value, as in AutoML's requests."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _type(described: Any) -> str:
    return str(described.get("type", "")) if isinstance(described, dict) else ""
