"""Avro: whether a definition is one, and whether a message fits it."""

from __future__ import annotations

import io
import json
from functools import lru_cache
from typing import Any

from google.api_core import exceptions
from google.pubsub_v1 import types

JSON, BINARY = types.Encoding.JSON, types.Encoding.BINARY


@lru_cache(maxsize=256)
def parsed(definition: str) -> Any:
    """The schema, ready to read by.

    Raises: InvalidArgument.
    """
    import fastavro

    try:
        return fastavro.parse_schema(json.loads(definition))
    except Exception as error:  # noqa: BLE001 - whatever the reader finds wrong, the definition is the cause
        raise exceptions.InvalidArgument(f"Invalid Avro schema definition: {error!s:.500}") from None


def check(definition: str, data: bytes, encoding: int) -> None:
    """Raises: InvalidArgument for a message that does not fit."""
    schema = parsed(definition)
    try:
        _read_json(schema, data) if encoding == JSON else _read_binary(schema, data)
    except Exception as error:  # noqa: BLE001 - as above, of the message
        why = f"{type(error).__name__}: {error!s:.500}"
        raise exceptions.InvalidArgument(
            f"Invalid data in message: Message failed schema validation ({why})."
        ) from None


def _read_json(schema: Any, data: bytes) -> None:
    import fastavro

    text = data.decode()
    given = json.loads(text)
    (record,) = fastavro.json_reader(io.StringIO(json.dumps(given)), schema)
    fastavro.validate(record, schema, strict=True)
    if isinstance(record, dict) and not isinstance(given, dict):
        raise TypeError(f"{type(given).__name__} is no object")
    if isinstance(record, dict) and set(given) - set(record):
        raise ValueError(f"unknown fields {sorted(set(given) - set(record))}")


def _read_binary(schema: Any, data: bytes) -> None:
    import fastavro

    stream = io.BytesIO(data)
    fastavro.schemaless_reader(stream, schema)
    if stream.tell() != len(data):
        raise ValueError(f"{len(data) - stream.tell()} bytes too many")
