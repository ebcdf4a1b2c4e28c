r"""Labels out of log entries: `EXTRACT(jsonPayload.user)`, `REGEXP_EXTRACT(textPayload, "user=(\w+)")`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel import filters, validate
from gcpmlops.emulator.kernel.filters import fields
from gcpmlops.emulator.kernel.filters.comparing import text as as_text

Extractor = Callable[[Any], str]
_FORM = re.compile(r"""\s*(EXTRACT|REGEXP_EXTRACT)\(\s*([^,]+?)\s*(?:,\s*(["'])(.*)\3\s*)?\)\s*""", re.S)


def compiled(expression: str, field: str = "label_extractors") -> Extractor:
    """What takes a label's value out of a `LogEntry`; empty where there is none. Raises InvalidArgument."""
    match = _FORM.fullmatch(expression)
    if match is None or (match[1] == "EXTRACT") != (match[4] is None):
        raise validate.invalid(field, f'{expression!r}: expected EXTRACT(FIELD) or REGEXP_EXTRACT(FIELD, "PATTERN").')
    try:
        path, pattern = filters.path_of(match[2]), re.compile((match[4] or "").replace("\\\\", "\\"))
    except (re.error, exceptions.InvalidArgument) as error:
        raise validate.invalid(field, f"{expression!r}: {error}.") from None
    if match[4] is None:
        return lambda entry: _first(entry, path)
    if pattern.groups != 1:
        raise validate.invalid(field, f"{expression!r}: the pattern needs one group in brackets.")
    return lambda entry: found[1] or "" if (found := pattern.search(_first(entry, path))) else ""


def _first(entry: Any, path: list[str]) -> str:
    return next((as_text(value) for value in fields.values(entry, path) if value is not None), "")
