"""A log entry as JSON: what sinks send."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from google.protobuf import json_format


def to_dict(entry: Any) -> dict[str, Any]:
    """Of a ``LogEntry`` (protobuf), as the REST API shows it; a payload of an unknown type is its bytes, in base64."""
    try:
        shown: dict[str, Any] = json_format.MessageToDict(entry)
    except (TypeError, KeyError):
        rest = type(entry)()
        rest.CopyFrom(entry)
        rest.ClearField("proto_payload")
        shown = json_format.MessageToDict(rest)
        payload = entry.proto_payload
        shown["protoPayload"] = {"@type": payload.type_url, "value": base64.b64encode(payload.value).decode()}
    if "jsonPayload" in shown:
        shown["jsonPayload"] = _whole(shown["jsonPayload"])
    return shown


def dump(entry: Any) -> bytes:
    """One line of JSON."""
    return orjson.dumps(to_dict(entry))


def _whole(value: Any) -> Any:
    """JSON has one kind of number: 3, not 3.0."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    return [_whole(item) for item in value] if isinstance(value, list) else value
