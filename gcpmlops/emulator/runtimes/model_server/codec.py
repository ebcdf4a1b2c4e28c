"""JSON by orjson where it is installed, by the standard library elsewhere; NaN and infinities are null in both."""

from __future__ import annotations

import json
import math
from importlib import import_module
from importlib.util import find_spec
from typing import Any

orjson: Any = import_module("orjson") if find_spec("orjson") else None


def decode(body: bytes) -> Any:
    """Parse JSON, by the book: no NaN, no Infinity. Raises ValueError."""
    return json.loads(body, parse_constant=refuse) if orjson is None else orjson.loads(body)


def encode(value: Any) -> bytes:
    """Serialise plain values, NumPy's and times. Raises TypeError for anything else."""
    if orjson is None:
        return json.dumps(finite(value), allow_nan=False, default=plain).encode()
    return bytes(orjson.dumps(value, default=plain, option=orjson.OPT_NON_STR_KEYS))


def failure(text: str) -> bytes:
    """The body of an error reply."""
    return encode({"error": text.encode("utf-8", "replace").decode()})


def plain(value: Any) -> Any:
    """What NumPy's values and times are in JSON. Raises TypeError for anything else."""
    if hasattr(value, "tolist"):
        return finite(value.tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} is not JSON")


def refuse(constant: str) -> Any:
    """Raises ValueError: JSON has no such number."""
    raise ValueError(f"{constant} is not JSON")


def finite(value: Any) -> Any:
    """The value with null for every number that JSON cannot hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    return value
