"""google.cloud.aiplatform.v1.ModelService: the model registry, with versions and aliases."""

from __future__ import annotations

import re
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.services.model_rows import DEFAULT, ModelRows, check_etag, key_of
from gcpmlops.emulator.services.registry.versions import (
    LOCATION,
    Versions,
    check_aliases,
    check_deletable,
    check_undeployed,
)

MODEL_FIELDS = {"display_name", "description", "labels"}
VERSION_FIELDS = {"version_description", "labels"}
CHECKPOINTS_PAGE = 50
# What clients cannot say about a model.
OUTPUT_ONLY = ("training_pipeline", "original_model_info", "model_source_info", "checkpoints", "data_stats")
# A quoted string, which stays as it is, or one of the filter's own names: fields of a model are called otherwise.
_OWN_TERM = re.compile(
    r'\b(?P<field>model|model_user_id|modelUserId|base_model_name|baseModelName)\s*(?P<op>!?=)\s*"?(?P<value>[\w.@-]+)"?'
    r'|"(?:\\.|[^"\\])*"'
)
_BASE_MODEL = "base_model_source.model_garden_source.public_model_name"
# Among versions the time of a version counts, not of the model.
_VERSION_TIME = re.compile(r"\b(?:version_)?(create_time|update_time)\b")


class ModelService(Service):
    """Models are registered whatever their image is: only deploying one here needs an image that can run here."""

    proto = "google.cloud.aiplatform.v1.ModelService"

    def __init__(self, context: Context, artifacts: Artifacts) -> None:
        super().__init__(context)
        self._artifacts = artifacts
        self._models = ModelRows(context.store)
        self._versions = Versions(context, artifacts)

    def upload_model(self, request: types.UploadModelRequest) -> Any:
        """Registers a model or, below `parent_model`, a further version of one."""
        for field in OUTPUT_ONLY:
            masks.raw(request).model.ClearField(field)
        name = self.check(request)
        metadata = types.UploadModelOperationMetadata()
        return self.operations.start(parent=name, metadata=metadata, run=lambda: self._upload(name, request))

    def check(self, request: types.UploadModelRequest) -> str:
        """The name that the model gets. Raises what is wrong with an upload, but for its files."""
        names.parse(LOCATION, request.parent)
        validate.require(request, "model.display_name", "model.container_spec.image_uri")
        validate.labels(request.model.labels, "model.labels")
        check_aliases(request.model.version_aliases)
        return self._versions.name_for(request.parent, request.model_id, request.parent_model)

    def upload(self, request: types.UploadModelRequest) -> types.UploadModelResponse:
        """The same within the emulator, done when it returns. Raises also NotFound for missing artifacts."""
        return self._upload(self.check(request), request)

    def get_model(self, request: types.GetModelRequest) -> types.Model:
        """The default version, or the one that `@VERSION` or `@ALIAS` says."""
        return self._models.reply(self._models.version(request.name))

    def list_models(self, request: types.ListModelsRequest) -> types.ListModelsResponse:
        """Default versions, newest model first."""
        names.parse(LOCATION, request.parent)
        heads = self._models.rows.list(parent=request.parent)
        shown = [self._models.reply(self._models.version(head.name)) for head in reversed(heads)]
        text = _OWN_TERM.sub(lambda match: _by_field(match, request.parent), request.filter)
        models, token = _page(shown, text, request.order_by, request)
        return types.ListModelsResponse(models=models, next_page_token=token)

    def list_model_versions(self, request: types.ListModelVersionsRequest) -> types.ListModelVersionsResponse:
        """All versions, oldest first."""
        name = request.name.partition("@")[0]
        self._models.head(name)
        shown = [self._models.reply(version) for version in self._models.versions(name)]
        order_by = _VERSION_TIME.sub(r"version_\1", request.order_by)
        models, token = _page(shown, request.filter, order_by, request)
        return types.ListModelVersionsResponse(models=models, next_page_token=token)

    def list_model_version_checkpoints(
        self, request: types.ListModelVersionCheckpointsRequest
    ) -> types.ListModelVersionCheckpointsResponse:
        """A tuned model's checkpoints; other models have none. Without a version, those of the latest."""
        name, at, _ = request.name.partition("@")
        self._models.head(name)
        version = self._models.version(request.name) if at else self._models.versions(name)[-1]
        items, token = paging.page(list(version.checkpoints), request, default=CHECKPOINTS_PAGE)
        shown = [types.ModelVersionCheckpoint(checkpoint_id=c.checkpoint_id, epoch=c.epoch, step=c.step) for c in items]
        return types.ListModelVersionCheckpointsResponse(checkpoints=shown, next_page_token=token)

    def update_model(self, request: types.UpdateModelRequest) -> types.Model:
        """Changes the model, or with `@VERSION` in the name that version."""
        validate.require(request, "model.name", "update_mask.paths")
        name, _, version = request.model.name.partition("@")
        with self.locks(name):
            current = self._read_version(request)
            check_etag(request.model.etag, self._models.reply(current).etag, request.model.name)
            if version in ("", "-") and DEFAULT in current.version_aliases and not self._only_of_version(request):
                self._change(name, request, MODEL_FIELDS, "update_time")
            else:
                self._change(key_of(current), request, VERSION_FIELDS, "version_update_time")
            return self._models.reply(self._models.version(key_of(current)))

    def _read_version(self, request: types.UpdateModelRequest) -> types.Model:
        """The version that an update is about: ModelRegistry.update_version says it by its etag alone."""
        if request.model.etag and "@" not in request.model.name:
            for version in self._models.versions(request.model.name):
                if self._models.reply(version).etag == request.model.etag:
                    return version
        return self._models.version(request.model.name)

    def _only_of_version(self, request: types.UpdateModelRequest) -> bool:
        return bool(request.model.etag) and "version_description" in masks.snake(request.update_mask).paths

    def delete_model(self, request: types.DeleteModelRequest) -> Any:
        """Deletes a model with all its versions, unless one is deployed."""
        name = request.name.partition("@")[0]
        self._models.head(name)
        check_undeployed(self._models.versions(name))
        metadata = types.DeleteOperationMetadata()
        return self.operations.start(parent=name, metadata=metadata, run=lambda: self._versions.delete(name))

    def delete_model_version(self, request: types.DeleteModelVersionRequest) -> Any:
        """Deletes one version: neither the default one, nor one that is deployed."""
        version = self._models.version(request.name)
        check_deletable(version)
        key, metadata = key_of(version), types.DeleteOperationMetadata()
        return self.operations.start(
            parent=version.name, metadata=metadata, run=lambda: self._versions.delete_version(key)
        )

    def merge_version_aliases(self, request: types.MergeVersionAliasesRequest) -> types.Model:
        """Adds aliases (taking them from other versions) and, with a `-` before them, removes them."""
        validate.require(request, "name", "version_aliases")
        given = set(request.version_aliases)
        check_aliases(alias.removeprefix("-") for alias in given)
        model = request.name.partition("@")[0]
        with self.locks(model):
            version = self._models.version(request.name)
            added = {alias for alias in given if not alias.startswith("-") and f"-{alias}" not in given}
            removed = {alias[1:] for alias in given if alias.startswith("-") and alias[1:] not in given}
            if DEFAULT in removed & set(version.version_aliases):
                raise exceptions.InvalidArgument(
                    "The default alias can only be moved, by giving it to another version."
                )
            self._versions.assign(version, (set(version.version_aliases) | added) - removed)
            return self._models.reply(self._models.version(key_of(version)))

    def _upload(self, name: str, request: types.UploadModelRequest) -> types.UploadModelResponse:
        uri = request.model.artifact_uri

        def files(key: str) -> None:
            if uri:
                self._artifacts.snapshot(uri, key)

        version = self._versions.add(name, request.model, files, further=bool(request.parent_model))
        return types.UploadModelResponse(model=name, model_version_id=version.version_id)

    def _change(self, key: str, request: types.UpdateModelRequest, allowed: set[str], stamp: str) -> None:
        for path in request.update_mask.paths:
            if path.partition(".")[0] not in allowed:
                what = f"{request.model.name}: {path!r} cannot be updated by this name"
                raise exceptions.FailedPrecondition(f"{what} (here: {', '.join(sorted(allowed))}).")
        validate.labels(request.model.labels, "model.labels")

        def change(row: types.Model) -> None:
            masks.apply(request.update_mask, row, request.model)
            setattr(row, stamp, self.clock.now())

        self._models.rows.update(key, change)


def _by_field(match: re.Match[str], parent: str) -> str:
    """A term about the id or the base model, as one about a field that a model has."""
    if match["field"] is None:
        return match[0]
    if match["field"].startswith("base"):
        return f'{_BASE_MODEL}{match["op"]}"{match["value"]}"'
    return f'name{match["op"]}"{parent}/models/{match["value"]}"'


def _page(shown: list[types.Model], text: str, order_by: str, request: Any) -> tuple[list[types.Model], str]:
    chosen = [model for model in shown if filters.matches(text, model)]
    models, token = paging.page(filters.order(chosen, order_by), request)
    return [masks.part(model, request.read_mask) for model in models], token
