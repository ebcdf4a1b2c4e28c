"""Conditions of bindings: whether one holds for a resource, now. What is not understood makes its binding not apply."""

from __future__ import annotations

import logging
from datetime import datetime

from google.api_core import exceptions

from gcpmlops.emulator.services.iam_admin.expressions import evaluate

log = logging.getLogger(__name__)

_KINDS = {"versions": "SecretVersion"}  # that are not called as their collection is


def holds(expression: str, *, resource: str, service: str, now: datetime) -> bool:
    """Whether it is so.

    Args:
        expression: in CEL.
        resource: its name: projects/_/buckets/B/objects/O, projects/P/secrets/S.
        service: host of its API.
        now: the emulator's time.
    """
    known = {"name": resource, "service": service, "type": _type(resource, service)}
    try:
        return evaluate(expression, {"resource": known, "request": {"time": now}}) is True
    except (exceptions.MethodNotImplemented, exceptions.InvalidArgument) as error:
        log.warning("%s Its binding does not apply.", error.message)
        return False


def _type(resource: str, service: str) -> str:
    """``storage.googleapis.com/Object``."""
    if "/objects/" in resource:
        return f"{service}/Object"
    parts = resource.split("/")
    kind = parts[-2] if len(parts) > 1 else ""
    return f"{service}/{_KINDS.get(kind) or kind.removesuffix('s')[:1].upper() + kind.removesuffix('s')[1:]}"
