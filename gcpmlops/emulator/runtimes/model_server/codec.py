"""JSON by orjson where it is installed, by the standard library elsewhere; NaN and infinities are null in both."""

from __future__ import annotations

import json
import math
from typing import Any

try:
    import orjson
except ImportError:
    orjson = None  # type: ignore[assignment,unused-ignore]  # optional: the standard library does the same, slower


def decode(body: bytes) -> Any:
    """Parse JSON. Raises ValueError."""
    return json.loads(body) if orjson is None else orjson.loads(body)


def encode(value: Any) -> bytes:
    """Serialise plain values. Raises TypeError for anything else."""
    if orjson is not None:
        return orjson.dumps(value)
    return json.dumps(finite(value), allow_nan=False).encode()


def finite(value: Any) -> Any:
    """The value with null for every number that JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return value
