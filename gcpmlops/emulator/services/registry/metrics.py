"""What metrics may be: a JSON object whose numbers are numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from gcpmlops.emulator.kernel import validate


def check(value: Any, field: str) -> None:
    """Metrics or metadata of an evaluation, as a raw `Value`.

    Raises: InvalidArgument naming the place, for what is not an object, and for NaN and infinity, which JSON lacks.
    """
    if value.WhichOneof("kind") != "struct_value":
        raise validate.invalid(field, "has to be an object.")
    for path, number in _numbers(value, field):
        if not math.isfinite(number):
            raise validate.invalid(path, f"{number} is not a JSON number: leave the metric out.")


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        yield path, value.number_value
    elif kind == "struct_value":
        for key, item in value.struct_value.fields.items():
            yield from _numbers(item, f"{path}.{key}")
    elif kind == "list_value":
        for place, item in enumerate(value.list_value.values):
            yield from _numbers(item, f"{path}[{place}]")
