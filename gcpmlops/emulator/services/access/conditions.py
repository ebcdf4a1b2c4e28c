"""Conditions of bindings: the forms of CEL that policies are full of; another one makes its binding not apply."""

from __future__ import annotations

import logging
import re
from datetime import datetime

log = logging.getLogger(__name__)

_TIME = re.compile(r"""request\.time\s*(<|<=|>|>=)\s*timestamp\(\s*["']([^"']+)["']\s*\)""")
_STARTS = re.compile(r"""resource\.name\.startsWith\(\s*["']([^"']+)["']\s*\)""")
_EQUALS = re.compile(r"""resource\.(name|service)\s*==\s*["']([^"']+)["']""")


def holds(expression: str, *, resource: str, service: str, now: datetime) -> bool:
    """Whether it is so; several parts are joined with ``&&``."""
    return all(_part(part.strip().strip("()") if part.count("(") != part.count(")") else part.strip(),
                     resource, service, now) for part in expression.split("&&"))  # fmt: skip


def _part(part: str, resource: str, service: str, now: datetime) -> bool:
    if found := _TIME.fullmatch(part):
        until = datetime.fromisoformat(found[2].replace("Z", "+00:00"))
        return {"<": now < until, "<=": now <= until, ">": now > until, ">=": now >= until}[found[1]]
    if found := _STARTS.fullmatch(part):
        return resource.startswith(found[1])
    if found := _EQUALS.fullmatch(part):
        return (resource if found[1] == "name" else service) == found[2]
    log.warning("the condition %r is not understood here: its binding does not apply", part)
    return False
