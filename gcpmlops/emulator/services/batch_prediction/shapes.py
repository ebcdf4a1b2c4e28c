"""What of a record goes to the model, and what of it stands beside its prediction in the output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types


@dataclass(frozen=True)
class Item:
    """One record. `shown` is what the output holds of it: under `instance`, or with a key field under `key`."""

    instance: Any
    shown: Any


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

    def item(self, record: Any) -> Item:
        """Raises InvalidArgument for a record that the configuration does not fit."""
        if not isinstance(record, dict):
            if self._key or self._included or self._excluded or self._object:
                raise exceptions.InvalidArgument(f"The instance {record!r:.200} is not an object.")
            return Item(record, record)
        chosen = self._chosen(record)
        instance = list(chosen.values()) if self._array else chosen
        if self._key:
            if self._key not in record:
                raise exceptions.InvalidArgument(f"The instance has no field {self._key!r}, which is the key_field.")
            return Item(instance, record[self._key])
        return Item(instance, record if self._included or self._excluded else instance)

    def _chosen(self, record: dict[str, Any]) -> dict[str, Any]:
        if self._included:
            missing = next((name for name in self._included if name not in record), None)
            if missing is not None:
                raise exceptions.InvalidArgument(f"The instance has no field {missing!r} of included_fields.")
            return {name: record[name] for name in self._included}
        return {name: value for name, value in record.items() if name not in self._excluded}
