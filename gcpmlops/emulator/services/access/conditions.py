"""Conditions of bindings: the forms of CEL that policies are full of; another one makes its binding not apply."""

from __future__ import annotations

import logging
import re
from datetime import datetime
from itertools import accumulate

log = logging.getLogger(__name__)

_TIME = re.compile(r"""request\.time\s*(<|<=|>|>=)\s*timestamp\(\s*["']([^"']+)["']\s*\)""")
_ENDS = re.compile(r"""resource\.name\.(starts|ends)With\(\s*["']([^"']+)["']\s*\)""")
_EQUALS = re.compile(r"""resource\.(name|service|type)\s*==\s*["']([^"']+)["']""")
_KINDS = {"versions": "SecretVersion"}  # that are not called as their collection is


def holds(expression: str, *, resource: str, service: str, now: datetime) -> bool:
    """Whether it is so; several parts are joined with ``&&``.

    Args:
        expression: in CEL.
        resource: its name: projects/_/buckets/B/objects/O, projects/P/secrets/S.
        service: host of its API.
        now: the emulator's time.
    """
    known = {"name": resource, "service": service, "type": _type(resource, service)}
    return all(_part(_bare(part), known, now) for part in _bare(expression).split("&&"))


def _part(part: str, known: dict[str, str], now: datetime) -> bool:
    if (found := _TIME.fullmatch(part)) and (until := _moment(found[2])):
        return {"<": now < until, "<=": now <= until, ">": now > until, ">=": now >= until}[found[1]]
    if found := _ENDS.fullmatch(part):
        name = known["name"]
        return name.startswith(found[2]) if found[1] == "starts" else name.endswith(found[2])
    if found := _EQUALS.fullmatch(part):
        return known[found[1]] == found[2]
    log.warning("the condition %r is not understood here: its binding does not apply", part)
    return False


def _bare(part: str) -> str:
    """Without the parentheses around all of it."""
    part = part.strip()
    while part.startswith("(") and _closing(part) == len(part) - 1:
        part = part[1:-1].strip()
    return part


def _closing(text: str) -> int:
    """Where the parenthesis that opens the text is closed."""
    depths = accumulate((char == "(") - (char == ")") for char in text)
    return next((place for place, depth in enumerate(depths) if depth == 0), -1)


def _type(resource: str, service: str) -> str:
    """``storage.googleapis.com/Object``."""
    if "/objects/" in resource:
        return f"{service}/Object"
    parts = resource.split("/")
    kind = parts[-2] if len(parts) > 1 else ""
    return f"{service}/{_KINDS.get(kind) or kind.removesuffix('s')[:1].upper() + kind.removesuffix('s')[1:]}"


def _moment(text: str) -> datetime | None:
    """RFC 3339, with its zone; None where it is something else."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
