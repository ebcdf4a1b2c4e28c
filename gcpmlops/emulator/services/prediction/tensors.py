"""google.cloud.aiplatform.v1.Tensor to and from JSON values."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate

DataType = types.Tensor.DataType
_FIELDS = (
    "bool_val", "string_val", "bytes_val", "float_val", "double_val", "int_val", "int64_val", "uint_val", "uint64_val",
)  # fmt: skip
_CODES = {  # of raw content, little-endian
    DataType.BOOL: "?", DataType.FLOAT: "f", DataType.DOUBLE: "d", DataType.INT8: "b", DataType.INT16: "h",
    DataType.INT32: "i", DataType.INT64: "q", DataType.UINT8: "B", DataType.UINT16: "H", DataType.UINT32: "I",
    DataType.UINT64: "Q",
}  # fmt: skip
_KINDS: dict[type, tuple[Any, str]] = {
    bool: (DataType.BOOL, "bool_val"),
    int: (DataType.INT64, "int64_val"),
    float: (DataType.DOUBLE, "double_val"),
    str: (DataType.STRING, "string_val"),
}


def to_plain(tensor: Any) -> Any:
    """Nested lists in the tensor's shape; one value without a shape is a scalar. Raises InvalidArgument."""
    if tensor.struct_val:
        return {key: to_plain(item) for key, item in tensor.struct_val.items()}
    if tensor.list_val:
        return [to_plain(item) for item in tensor.list_val]
    flat = _flat(tensor)
    if not tensor.shape:
        return (flat[0] if flat else None) if len(flat) < 2 else flat
    if math.prod(tensor.shape) != len(flat) or min(tensor.shape) < 0:
        raise validate.invalid("inputs.shape", f"{list(tensor.shape)} does not hold {len(flat)} values.")
    return nested(flat, tensor.shape)


def fill(tensor: Any, plain: Any) -> None:
    """Set a tensor: one with a shape where that is a block of scalars of one kind, else a list of tensors."""
    if isinstance(plain, dict):
        for key, item in plain.items():
            fill(tensor.struct_val[key], item)
        return
    flat, shape = flattened(plain)
    kind = _kind(flat)
    if kind is None:
        for item in plain if isinstance(plain, list) else ():
            fill(tensor.list_val.add(), item)
        return
    tensor.dtype, field = kind
    tensor.shape.extend(shape)
    getattr(tensor, field).extend(flat)


def nested(flat: Sequence[Any], shape: Sequence[int]) -> Any:
    """Values in row-major order as nested lists."""
    if len(shape) == 1:
        return list(flat)
    size = len(flat) // shape[0] if shape[0] else 0
    return [nested(flat[at * size : (at + 1) * size], shape[1:]) for at in range(shape[0])]


def flattened(plain: Any) -> tuple[list[Any], list[int]]:
    """Values in row-major order, and their shape; lists of several lengths stay as they are, as values."""
    if not isinstance(plain, list):
        return [plain], []
    parts = [flattened(item) for item in plain]
    if not parts or any(shape != parts[0][1] for _, shape in parts):
        return plain, [len(plain)]
    return [value for flat, _ in parts for value in flat], [len(plain), *parts[0][1]]


def _flat(tensor: Any) -> list[Any]:
    if tensor.tensor_val:
        return _unpacked(tensor)
    field = next((name for name in _FIELDS if getattr(tensor, name)), None)
    values = list(getattr(tensor, field)) if field else []
    if field == "bytes_val":  # as Vertex AI has bytes in JSON
        return [{"b64": base64.b64encode(value).decode()} for value in values]
    return values


def _unpacked(tensor: Any) -> list[Any]:
    code = _CODES.get(tensor.dtype)
    if code is None:
        raise validate.invalid("inputs.dtype", f"{DataType(tensor.dtype).name} has no raw content (tensor_val).")
    size, rest = divmod(len(tensor.tensor_val), struct.calcsize(f"<{code}"))
    if rest:
        raise validate.invalid("inputs.tensor_val", f"{rest} bytes are over.")
    return list(struct.unpack(f"<{size}{code}", tensor.tensor_val))


def _kind(flat: Sequence[Any]) -> tuple[Any, str] | None:
    """Data type and field of scalars; None where they are of several kinds, or none."""
    kinds = set(map(type, flat))
    if kinds == {int, float}:
        return _KINDS[float]
    return _KINDS.get(kinds.pop()) if len(kinds) == 1 else None
