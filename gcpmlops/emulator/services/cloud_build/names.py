"""Names of builds, triggers and their operations, in both forms: with a location, and by project and id alone."""

from __future__ import annotations

import base64
from typing import Any

from gcpmlops.emulator.kernel import names, validate

GLOBAL = "global"  # where builds are that were created without a location
_LOCATION = "projects/{project}/locations/{location}"
_BUILD = f"{_LOCATION}/builds/{{build}}"
_TRIGGER = f"{_LOCATION}/triggers/{{trigger}}"


def parent(request: Any) -> str:
    """The location that a request is about, projects/P/locations/L. Raises: InvalidArgument."""
    if request.parent:
        names.parse(_LOCATION, request.parent)
        return str(request.parent)
    if not request.project_id:
        raise validate.invalid("parent", "required, but missing.")
    return f"projects/{request.project_id}/locations/{GLOBAL}"


def build(request: Any) -> str:
    """The build's name with a location. Raises: InvalidArgument."""
    project, build_id = getattr(request, "project_id", ""), getattr(request, "id", "")
    return _named(request.name, _BUILD, "builds", project, build_id)


def trigger(request: Any, trigger_id: str) -> str:
    """The trigger's name with a location. Raises: InvalidArgument."""
    return _named(request.name, _TRIGGER, "triggers", request.project_id, trigger_id)


def _named(name: str, template: str, collection: str, project: str, own: str) -> str:
    if name:
        if "/locations/" not in name:  # projects/P/builds/ID
            found = names.parse(f"projects/{{project}}/{collection}/{{own}}", name)
            return f"projects/{found['project']}/locations/{GLOBAL}/{collection}/{found['own']}"
        names.parse(template, name)
        return name
    if not project or not own:
        raise validate.invalid("name", "required, but missing.")
    return f"projects/{project}/locations/{GLOBAL}/{collection}/{own}"


def operation(build_name: str) -> str:
    """The operation of a build: its id says which build it is."""
    above, _, own = build_name.partition("/builds/")
    return f"{above}/operations/{base64.urlsafe_b64encode(own.encode()).decode().rstrip('=')}"
