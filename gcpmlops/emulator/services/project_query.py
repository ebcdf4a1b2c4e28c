"""Queries over projects: ``state:ACTIVE``, ``name:how*``, ``labels.env:prod``, in the words of v1 and of v3."""

from __future__ import annotations

import re

from google.cloud.resourcemanager_v3 import types

from gcpmlops.emulator.kernel import filters

_FIELDS = {
    "id": "project_id", "projectId": "project_id", "name": "display_name", "displayName": "display_name",
    "lifecycleState": "state",
}  # fmt: skip
_NAMED = re.compile(rf"(?<![\w.\"])({'|'.join(_FIELDS)})(?=\s*(?::|=|!=))")


def matches(query: str, project: types.Project) -> bool:
    """Raises: InvalidArgument for a query that does not parse."""
    return filters.matches(_NAMED.sub(lambda match: _FIELDS[match[1]], query), project)
