"""JSON by orjson where it is installed, by the standard library elsewhere; NaN and infinities are null in both."""

from __future__ import annotations

import json
import math
from importlib import import_module
from importlib.util import find_spec
from typing import Any

orjson: Any = import_module("orjson") if find_spec("orjson") else None


def decode(body: bytes) -> Any:
    """Parse JSON. Raises ValueError."""
    return json.loads(body) if orjson is None else orjson.loads(body)


def encode(value: Any) -> bytes:
    """Serialise plain values. Raises TypeError for anything else."""
    return json.dumps(finite(value), allow_nan=False).encode() if orjson is None else bytes(orjson.dumps(value))


def finite(value: Any) -> Any:
    """The value with null for every number that JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return value
