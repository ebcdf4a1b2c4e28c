"""CopyModel: a version becomes a model of its own, or a version of another, in the same or another location."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.services.model_rows import ModelRows, key_of
from gcpmlops.emulator.services.registry.versions import Versions

# What stays with the original: a copy has no aliases, evaluations, deployments or key of its own.
LEFT_BEHIND = ("version_aliases", "encryption_spec", "deployed_models", "training_pipeline", "pipeline_job")


class ModelCopies(Service):
    """Copies take the version's own artifacts, not what lies at its artifact URI by now."""

    proto = "google.cloud.aiplatform.v1.ModelService"

    def __init__(self, context: Context, artifacts: Artifacts) -> None:
        super().__init__(context)
        self._artifacts = artifacts
        self._models = ModelRows(context.store)
        self._versions = Versions(context, artifacts)

    def copy_model(self, request: types.CopyModelRequest) -> Any:
        """Copies the version that `source_model` means: `M@VERSION`, `M@ALIAS`, or the default one."""
        validate.require(request, "parent", "source_model")
        source = key_of(self._models.version(request.source_model))
        name = self._versions.name_for(request.parent, request.model_id, request.parent_model)
        metadata = types.CopyModelOperationMetadata()
        return self.operations.start(parent=name, metadata=metadata, run=lambda: self._copy(source, name, request))

    def _copy(self, source: str, name: str, request: types.CopyModelRequest) -> types.CopyModelResponse:
        with ExitStack() as both:
            for model in sorted({source.partition("@")[0], name}):  # in one order, whichever way others copy
                both.enter_context(self.locks(model))
            given = self._given(source, request)
            version = self._versions.add(
                name, given, lambda key: self._artifacts.copy(source, key), further=bool(request.parent_model)
            )
        return types.CopyModelResponse(model=name, model_version_id=version.version_id)

    def _given(self, source: str, request: types.CopyModelRequest) -> types.Model:
        given = self._models.reply(self._models.version(source))
        for field in LEFT_BEHIND:
            raw(given).ClearField(field)
        if raw(request).HasField("encryption_spec"):
            given.encryption_spec = request.encryption_spec
        given.model_source_info.copy = True
        given.original_model_info = types.Model.OriginalModelInfo(model=source)
        return given
