"""``EXTRACT(field)`` and ``REGEXP_EXTRACT(field, "pattern")`` of log-based metrics."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from gcpmlops.emulator.kernel import filters, validate
from gcpmlops.emulator.kernel.filters import fields
from gcpmlops.emulator.services.logging import casts

Extractor = Callable[[Any], str | None]

_CALL = re.compile(r"\s*(?P<regexp>REGEXP_)?EXTRACT\(\s*(?P<field>[^,]+?)\s*(?:,\s*(?P<pattern>.+?)\s*)?\)\s*", re.S)
_QUOTED = re.compile(r"""(?P<mark>["'])(?P<text>.*)(?P=mark)""", re.S)


@lru_cache(maxsize=256)
def parse(text: str, field: str) -> Extractor:
    """What gets a value, as text, from an entry; None: there is none.

    Args:
        text: the expression.
        field: of the metric, for errors.

    Raises: InvalidArgument.
    """
    found = _CALL.fullmatch(text)
    if found is None or bool(found["regexp"]) != bool(found["pattern"]):
        raise validate.invalid(field, f'{text!r}: expected EXTRACT(field) or REGEXP_EXTRACT(field, "pattern").')
    path = filters.path_of(found["field"])
    pattern = _pattern(found["pattern"], field) if found["pattern"] else None

    def extract(entry: Any) -> str | None:
        value = next((value for value in fields.values(entry, path) if value is not None), None)
        if value is None:
            return None
        shown = casts.text(value)
        if pattern is None:
            return shown
        match = pattern.search(shown)
        return None if match is None else match[1]

    return extract


def _pattern(text: str, field: str) -> re.Pattern[str]:
    quoted = _QUOTED.fullmatch(text)
    try:
        pattern = casts.compiled((quoted["text"] if quoted else text).replace("\\\\", "\\"))
    except ValueError as error:
        raise validate.invalid(field, f"{error}.") from None
    if pattern.groups != 1:
        raise validate.invalid(field, f"{text}: one group in brackets is expected, and there are {pattern.groups}.")
    return pattern
