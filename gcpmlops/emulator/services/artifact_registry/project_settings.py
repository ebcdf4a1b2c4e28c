"""google.devtools.artifactregistry.v1.ArtifactRegistry: settings of a project, which say where gcr.io leads."""

from __future__ import annotations

from typing import Any

from google.cloud.artifactregistry_v1 import types

from gcpmlops.emulator.kernel import masks
from gcpmlops.emulator.kernel.names import parse
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.artifact_registry.repositories import PROTO

_NAME = "projects/{project}/projectSettings"
_OFF: Any = types.ProjectSettings.RedirectionState.REDIRECTION_FROM_GCR_IO_DISABLED


class ProjectSettings(Service):
    """Kept and shown; no host of gcr.io is served."""

    proto = PROTO

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows: Any = context.store.collection(types.ProjectSettings)

    def get_project_settings(self, request: types.GetProjectSettingsRequest) -> types.ProjectSettings:
        parse(_NAME, request.name)
        found: types.ProjectSettings | None = self._rows.find(request.name)
        return found or types.ProjectSettings(name=request.name, legacy_redirection_state=_OFF)

    def update_project_settings(self, request: types.UpdateProjectSettingsRequest) -> types.ProjectSettings:
        name = request.project_settings.name
        with self.locks(name):
            settings = self.get_project_settings(types.GetProjectSettingsRequest(name=name))
            mask = request.update_mask if request.update_mask.paths else None
            masks.apply(mask, settings, request.project_settings, immutable=("name",))
            self._rows.put(name, settings)
        return settings
