"""What of a record goes to the model, and what of it stands beside its prediction in the output."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import orjson
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

_PLAIN = {int, float, bool, type(None)}


class Item(NamedTuple):
    """One record, as JSON texts: what the model gets, what the output shows of it, and the whole of it.

    Where all three are the same, plain bytes stand for it: they cost a third, and the garbage collector nothing.
    `shown` stands in the output under `instance`, or with a key field under `key`.
    """

    instance: bytes
    shown: bytes
    record: bytes


class Shapes:
    """Applies a job's InstanceConfig."""

    def __init__(self, job: types.BatchPredictionJob) -> None:
        config = job.instance_config
        self._array = config.instance_type == "array" or (
            not config.instance_type and job.input_config.instances_format in ("csv", "bigquery")
        )
        self._object = config.instance_type == "object"
        self._key = config.key_field
        self._included = list(config.included_fields)
        self._excluded = {*config.excluded_fields, *([config.key_field] if config.key_field else [])}
        self.shown_name = "key" if self._key else "instance"
        self._unchanged = not (self._array or self._object or self._key or self._included or self._excluded)

    def item(self, record: Any, text: bytes | None = None) -> Item | bytes:
        """`text` is the record's own, where it has one. Raises InvalidArgument for one that the job does not fit."""
        whole = text if text is not None else to_json(record)
        if self._unchanged:
            return whole
        if not isinstance(record, dict):
            if self._key or self._included or self._excluded or self._object:
                raise exceptions.InvalidArgument(f"The instance {record!r:.200} is not an object.")
            return whole
        chosen = self._chosen(record)
        instance = to_json(list(chosen.values()) if self._array else chosen)
        if self._key:
            if self._key not in record:
                raise exceptions.InvalidArgument(f"The instance has no field {self._key!r}, which is the key_field.")
            return Item(instance, to_json(record[self._key]), whole)
        return Item(instance, whole if self._included or self._excluded else instance, whole)

    def _chosen(self, record: dict[str, Any]) -> dict[str, Any]:
        if self._included:
            missing = next((name for name in self._included if name not in record), None)
            if missing is not None:
                raise exceptions.InvalidArgument(f"The instance has no field {missing!r} of included_fields.")
            return {name: record[name] for name in self._included}
        return {name: value for name, value in record.items() if name not in self._excluded}


def to_json(value: Any) -> bytes:
    """A plain value as JSON; orjson knows no integers beyond 64 bits.

    A copy, as what orjson gives keeps the kilobyte that it was written into: a million of them would be a gigabyte.
    """
    try:
        return memoryview(orjson.dumps(value)).tobytes()
    except TypeError:
        return json.dumps(value, ensure_ascii=False).encode()


def texts(values: list[Any]) -> list[bytes]:
    """Each value as JSON."""
    if values and set(map(type, values)) <= _PLAIN:  # the whole at once costs a tenth of each alone
        return to_json(values)[1:-1].split(b",")
    return list(map(to_json, values))
