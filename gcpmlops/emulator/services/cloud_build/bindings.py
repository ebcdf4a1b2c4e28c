"""What a trigger's substitutions take from the message that starts it: `$(body.message.data.bucket)`."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

_BINDING = re.compile(r"\$\(\s*body((?:\.[\w-]+|\[\d+\]|\['[^']*'\])*)\s*\)")
_PART = re.compile(r"\.([\w-]+)|\[(\d+)\]|\['([^']*)'\]")


def bound(substitutions: Mapping[str, str], body: Any) -> dict[str, str]:
    """The substitutions, with what they name of `body` (JSON) in place; what is not there is empty."""
    return {key: _BINDING.sub(lambda found: _text(_at(body, found[1])), text) for key, text in substitutions.items()}


def decoded(push: Any) -> Any:
    """The body of a Pub/Sub push, its message's data readable: as JSON where it is some, else as text."""
    message = dict(push.get("message") or {}) if isinstance(push, dict) else {}
    try:
        text = base64.b64decode(str(message.get("data", "")), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return push
    try:
        message["data"] = json.loads(text)
    except ValueError:
        message["data"] = text
    return {**push, "message": message}


def _at(body: Any, path: str) -> Any:
    for key, index, quoted in _PART.findall(path):
        if index:
            body = body[int(index)] if isinstance(body, list) and int(index) < len(body) else None
        else:
            body = body.get(key or quoted) if isinstance(body, dict) else None
    return body


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)
