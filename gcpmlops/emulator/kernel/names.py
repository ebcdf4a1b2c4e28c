"""Resource names: ``projects/P/locations/L/customJobs/ID``."""

from __future__ import annotations

import re
import secrets
from functools import lru_cache
from itertools import pairwise

from google.api_core import exceptions


def new_id() -> str:
    """A numeric id of 19 digits at most, as Vertex AI gives them."""
    return str(secrets.randbelow(9 * 10**18 - 10**17) + 10**17)


@lru_cache(maxsize=512)
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"(\{\w+\})", template)
    return re.compile("".join(f"(?P<{p[1:-1]}>[^/]+)" if p.startswith("{") else re.escape(p) for p in parts))


def parse(template: str, name: str) -> dict[str, str]:
    """The variables of a name, by a template like ``projects/{project}/locations/{location}``.

    Raises: InvalidArgument, showing the form that is expected.
    """
    match = _pattern(template).fullmatch(name)
    if match is None:
        raise exceptions.InvalidArgument(f"Invalid resource name {name!r}: expected {template}.")
    return match.groupdict()


def segment(name: str, collection: str) -> str:
    """The segment after ``collection`` in a name, or an empty string."""
    parts = name.split("/")
    return next((value for key, value in pairwise(parts) if key == collection), "")


def project_of(name: str) -> str:
    """The project id or number in a name, or an empty string."""
    return segment(name, "projects")


def location_of(name: str) -> str:
    """The location in a name, or an empty string."""
    return segment(name, "locations")
