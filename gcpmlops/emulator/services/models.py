"""google.cloud.aiplatform.v1.ModelService: the model registry, with versions and aliases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.services.model_rows import DEFAULT, MODEL, ModelRows, check_etag, key_of

LOCATION = "projects/{project}/locations/{location}"
INPUT_FORMATS = ("jsonl", "bigquery", "csv", "tf-record", "tf-record-gzip", "file-list")
OUTPUT_FORMATS = ("jsonl", "csv", "bigquery")
MODEL_FIELDS = {"display_name", "description", "labels"}
VERSION_FIELDS = {"version_description", "labels"}
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
# `model` in a filter means the id, and labels alone have a field of their own.
_MODEL_TERM = re.compile(r'\bmodel\s*(!?=)\s*"?([\w-]+)"?')


class ModelService(Service):
    """Models are registered whatever their image is: only deploying one here needs an image that can run here."""

    proto = "google.cloud.aiplatform.v1.ModelService"

    def __init__(self, context: Context, artifacts: Artifacts) -> None:
        super().__init__(context)
        self._artifacts = artifacts
        self._models = ModelRows(context.store)

    def upload_model(self, request: types.UploadModelRequest) -> Any:
        """Registers a model or, below `parent_model`, a further version of one."""
        name = self.check(request)
        metadata = types.UploadModelOperationMetadata()
        return self.operations.start(parent=name, metadata=metadata, run=lambda: self._upload(name, request))

    def check(self, request: types.UploadModelRequest) -> str:
        """The name that the model gets. Raises what is wrong with an upload, but for its files."""
        names.parse(LOCATION, request.parent)
        validate.require(request, "model.display_name", "model.container_spec.image_uri")
        validate.labels(request.model.labels, "model.labels")
        check_aliases(request.model.version_aliases)
        return self._name_of_upload(request)

    def upload(self, request: types.UploadModelRequest) -> types.UploadModelResponse:
        """The same within the emulator, done when it returns. Raises also NotFound for missing artifacts."""
        return self._upload(self.check(request), request)

    def get_model(self, request: types.GetModelRequest) -> types.Model:
        """The default version, or the one that `@VERSION` or `@ALIAS` says."""
        return self._models.reply(self._models.version(request.name))

    def list_models(self, request: types.ListModelsRequest) -> types.ListModelsResponse:
        """Default versions, newest model first."""
        names.parse(LOCATION, request.parent)
        text = _MODEL_TERM.sub(rf'name\1"{request.parent}/models/\2"', request.filter)
        heads = self._models.rows.list(parent=request.parent)
        shown = [self._models.reply(self._models.version(head.name)) for head in reversed(heads)]
        models, token = self._page(shown, text, request)
        return types.ListModelsResponse(models=models, next_page_token=token)

    def list_model_versions(self, request: types.ListModelVersionsRequest) -> types.ListModelVersionsResponse:
        """All versions, oldest first."""
        name = request.name.partition("@")[0]
        self._models.head(name)
        shown = [self._models.reply(version) for version in self._models.versions(name)]
        models, token = self._page(shown, request.filter, request)
        return types.ListModelVersionsResponse(models=models, next_page_token=token)

    def update_model(self, request: types.UpdateModelRequest) -> types.Model:
        """Changes the model, or with `@VERSION` in the name that version."""
        validate.require(request, "model.name", "update_mask.paths")
        name, _, version = request.model.name.partition("@")
        with self.locks(name):
            current = self._models.version(request.model.name)
            check_etag(request.model.etag, self._models.reply(current).etag, request.model.name)
            if version in ("", "-"):
                self._change(name, request, MODEL_FIELDS, "update_time")
            else:
                self._change(key_of(current), request, VERSION_FIELDS, "version_update_time")
            return self._models.reply(self._models.version(request.model.name))

    def delete_model(self, request: types.DeleteModelRequest) -> Any:
        """Deletes a model with all its versions, unless one is deployed."""
        name = request.name.partition("@")[0]
        self._models.head(name)
        check_undeployed(self._models.versions(name))
        metadata = types.DeleteOperationMetadata()
        return self.operations.start(parent=name, metadata=metadata, run=lambda: self._delete(name))

    def delete_model_version(self, request: types.DeleteModelVersionRequest) -> Any:
        """Deletes one version: neither the default one, nor one that is deployed."""
        version = self._models.version(request.name)
        self._check_deletable(version)
        metadata = types.DeleteOperationMetadata()
        return self.operations.start(
            parent=version.name, metadata=metadata, run=lambda: self._delete_version(key_of(version))
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
            self._assign(version, (set(version.version_aliases) | added) - removed)
            return self._models.reply(self._models.version(key_of(version)))

    def _name_of_upload(self, request: types.UploadModelRequest) -> str:
        if request.parent_model:
            name = request.parent_model.partition("@")[0]
            names.parse(MODEL, name)
            self._models.head(name)
            return name
        if request.model_id and not _MODEL_ID.fullmatch(request.model_id):
            rule = "63 characters of a-z, 0-9, _ and -, the first no digit or hyphen"
            raise validate.invalid("model_id", f"{request.model_id!r} is not allowed ({rule}).")
        name = f"{request.parent}/models/{request.model_id or names.new_id()}"
        if self._models.rows.find(name) is not None:
            raise exceptions.AlreadyExists(f"Model {name} already exists: give it as parent_model to add a version.")
        return name

    def _upload(self, name: str, request: types.UploadModelRequest) -> types.UploadModelResponse:
        with self.locks(name):
            head = self._models.rows.find(name)
            if request.parent_model and head is None:
                raise self._models.rows.not_found(name)
            version = self._new_version(name, request.model, head)
            if version.artifact_uri:
                self._artifacts.snapshot(version.artifact_uri, key_of(version))
            aliases = set(version.version_aliases) | (set() if head else {DEFAULT})
            self._store_version(
                version, head or self._new_head(name, request.model, version.version_create_time), aliases
            )
        return types.UploadModelResponse(model=name, model_version_id=version.version_id)

    def _new_head(self, name: str, given: types.Model, now: Any) -> types.Model:
        return types.Model(
            name=name,
            display_name=given.display_name,
            description=given.description,
            labels=given.labels,
            create_time=now,
            update_time=now,
        )

    def _new_version(self, name: str, given: types.Model, head: types.Model | None) -> types.Model:
        version = types.Model(given)
        version.name = name
        version.version_id = str(int(head.version_id) + 1 if head else 1)
        version.version_create_time = version.version_update_time = self.clock.now()
        version.labels = given.labels if head else {}
        version.deployed_models = []
        version.supported_deployment_resources_types = [types.Model.DeploymentResourcesType(1)]  # DEDICATED_RESOURCES
        version.supported_input_storage_formats = list(INPUT_FORMATS)
        version.supported_output_storage_formats = list(OUTPUT_FORMATS)
        artifact = types.Model.ExportFormat.ExportableContent(1)  # ARTIFACT
        exports = types.Model.ExportFormat(id="custom-trained", exportable_contents=[artifact])
        version.supported_export_formats = [exports]
        return version

    def _store_version(self, version: types.Model, head: types.Model, aliases: set[str]) -> None:
        head.version_id = version.version_id
        version.version_aliases = []
        self._models.rows.put(key_of(version), version, parent=version.name)
        self._models.rows.put(version.name, head)
        self._assign(version, aliases)

    def _assign(self, version: types.Model, aliases: set[str]) -> None:
        """Give a version exactly these aliases, and take them from the others."""
        for other in self._models.versions(version.name):
            mine = other.version_id == version.version_id
            kept = aliases if mine else set(other.version_aliases) - aliases
            if kept != set(other.version_aliases):
                self._models.rows.update(key_of(other), lambda row, kept=kept: self._alias(row, kept))

    def _alias(self, row: types.Model, aliases: set[str]) -> None:
        row.version_aliases = sorted(aliases, key=lambda alias: (alias != DEFAULT, alias))
        row.version_update_time = self.clock.now()

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

    def _delete(self, name: str) -> None:
        with self.locks(name):
            versions = self._models.versions(name)
            check_undeployed(versions)
            self._models.rows.delete(name)
            for version in versions:
                self._models.rows.delete(key_of(version))
                self._artifacts.delete(key_of(version))

    def _delete_version(self, key: str) -> None:
        with self.locks(key.partition("@")[0]):
            self._check_deletable(self._models.version(key))
            self._models.rows.delete(key)
            self._artifacts.delete(key)

    def _check_deletable(self, version: types.Model) -> None:
        check_undeployed([version])
        if DEFAULT in version.version_aliases:
            raise exceptions.FailedPrecondition(
                f"{key_of(version)} is the default version: give the default alias to another version, "
                "or delete the whole model with DeleteModel."
            )

    def _page(self, shown: list[types.Model], text: str, request: Any) -> tuple[list[types.Model], str]:
        chosen = [model for model in shown if filters.matches(text, model)]
        models, token = paging.page(filters.order(chosen, request.order_by), request)
        return [masks.part(model, request.read_mask) for model in models], token


def check_aliases(aliases: Iterable[str]) -> None:
    """Raises InvalidArgument naming an alias that is not allowed."""
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            rule = "[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]"
            raise validate.invalid("version_aliases", f"{alias!r} is not allowed (it must match {rule}).")


def check_undeployed(versions: Iterable[types.Model]) -> None:
    """Raises FailedPrecondition naming the endpoint where a version is deployed."""
    for version in versions:
        for reference in version.deployed_models:
            raise exceptions.FailedPrecondition(
                f"{key_of(version)} is deployed as {reference.deployed_model_id} to {reference.endpoint}: "
                "undeploy it first."
            )
