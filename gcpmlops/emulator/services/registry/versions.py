"""Writing models: a version is added, gets aliases, or goes, each in one transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.services.model_rows import DEFAULT, MODEL, ModelRows, key_of
from gcpmlops.emulator.services.registry.evaluation_rows import EvaluationRows

LOCATION = "projects/{project}/locations/{location}"
INPUT_FORMATS = ("jsonl", "bigquery", "csv", "tf-record", "tf-record-gzip", "file-list")
OUTPUT_FORMATS = ("jsonl", "csv", "bigquery")
EXPORT_FORMAT = "custom-trained"
_MODEL_ID = re.compile(r"[a-z_][a-z0-9_-]{0,62}")
_ALIAS = re.compile(r"[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]")
_CUSTOM = int(types.ModelSourceInfo.ModelSourceType.CUSTOM)


class Versions:
    """Adds and deletes the versions of models, with their files and evaluations."""

    def __init__(self, context: Context, artifacts: Artifacts) -> None:
        self._store = context.store
        self._clock = context.clock
        self._locks = context.locks
        self._artifacts = artifacts
        self.models = ModelRows(context.store)
        self.evaluations = EvaluationRows(context.store)

    def name_for(self, parent: str, model_id: str, parent_model: str) -> str:
        """The name of the model that a new version goes to.

        Raises: InvalidArgument for an id that is not allowed or a parent model elsewhere; NotFound; AlreadyExists.
        """
        names.parse(LOCATION, parent)
        if parent_model:
            return self._existing(parent, parent_model)
        if model_id and not _MODEL_ID.fullmatch(model_id):
            rule = "63 characters of a-z, 0-9, _ and -, the first no digit or hyphen"
            raise validate.invalid("model_id", f"{model_id!r} is not allowed ({rule}).")
        name = f"{parent}/models/{model_id or names.new_id()}"
        if self.models.rows.find(name) is not None:
            raise _taken(name)
        return name

    def add(self, name: str, given: types.Model, files: Callable[[str], object], *, further: bool) -> types.Model:
        """Register what is given as the next version of a model.

        Args:
            name: the model.
            given: what the version is to be; its aliases become the version's.
            files: puts the artifacts under the key that it gets.
            further: the model exists and gets another version; else it is new.

        Raises: NotFound, AlreadyExists, where another call came first; what `files` raises. Nothing is registered then.
        """
        with self._locks(name):
            head = self.models.rows.find(name)
            if further and head is None:
                raise self.models.rows.not_found(name)
            if head is not None and not further:
                raise _taken(name)
            version = self._version(name, given, head)
            files(key_of(version))
            aliases = set(given.version_aliases) | (set() if head else {DEFAULT})
            self._put(version, head or _head(name, given, version.version_create_time), aliases)
        return version

    def assign(self, version: types.Model, aliases: set[str]) -> None:
        """Give a version exactly these aliases, and take them from the others. The caller holds the model's lock."""
        changes = list(self._moves(version, aliases))
        self._store.write(lambda _: self._apply(changes))

    def delete(self, model: str) -> None:
        """Delete a model with all that belongs to it. Raises FailedPrecondition where a version is deployed."""
        with self._locks(model):
            keys = [key_of(version) for version in self.models.versions(model)]
            self._store.write(lambda _: self._delete_rows(keys, model))
            for key in keys:
                self._artifacts.delete(key)

    def delete_version(self, key: str) -> None:
        """Delete a version with its evaluations. Raises FailedPrecondition where it serves or is the default one."""
        with self._locks(key.partition("@")[0]):
            check_deletable(self.models.version(key))
            self._store.write(lambda _: self._delete_rows([key]))
            self._artifacts.delete(key)

    def _existing(self, parent: str, parent_model: str) -> str:
        name = parent_model.partition("@")[0]
        names.parse(MODEL, name)
        self.models.head(name)
        if name.rpartition("/models/")[0] != parent:
            raise validate.invalid("parent_model", f"{name} is not in {parent}.")
        return name

    def _version(self, name: str, given: types.Model, head: types.Model | None) -> types.Model:
        version = types.Model(given)
        version.name = name
        version.version_id = str(int(head.version_id) + 1 if head else 1)
        version.version_create_time = version.version_update_time = self._clock.now()
        version.labels = given.labels if head else {}
        version.version_aliases, version.deployed_models, version.etag = [], [], ""
        source_info = raw(version).model_source_info
        source_info.source_type = source_info.source_type or _CUSTOM
        _say_what_is_possible(version)
        return version

    def _put(self, version: types.Model, head: types.Model, aliases: set[str]) -> None:
        head.version_id = version.version_id
        changes = list(self._moves(version, aliases))
        _set_aliases(version, aliases)

        def run(_: object) -> None:
            self.models.rows.put(key_of(version), version, parent=version.name)
            self.models.rows.put(version.name, head)
            self._apply([change for change in changes if change[0] != key_of(version)])

        self._store.write(run)

    def _moves(self, version: types.Model, aliases: set[str]) -> Iterable[tuple[str, set[str]]]:
        for other in self.models.versions(version.name):
            mine = other.version_id == version.version_id
            kept = aliases if mine else set(other.version_aliases) - aliases
            if kept != set(other.version_aliases):
                yield key_of(other), kept

    def _apply(self, changes: Iterable[tuple[str, set[str]]]) -> None:
        def change(row: types.Model, aliases: set[str]) -> None:
            _set_aliases(row, aliases)
            row.version_update_time = self._clock.now()

        for key, aliases in changes:
            self.models.rows.update(key, lambda row, aliases=aliases: change(row, aliases))

    def _delete_rows(self, keys: list[str], model: str = "") -> None:
        """All or nothing: a version that was deployed a moment ago undoes what has gone."""
        check_undeployed([self.models.rows.delete(key) for key in keys])
        for key in keys:
            self.evaluations.delete_of(key)
        if model:
            self.models.rows.delete(model)


def check_aliases(aliases: Iterable[str]) -> None:
    """Raises InvalidArgument naming an alias that is not allowed."""
    for alias in aliases:
        if not _ALIAS.fullmatch(alias):
            rule = "[a-z][a-zA-Z0-9-]{0,126}[a-z0-9]"
            raise validate.invalid("version_aliases", f"{alias!r} is not allowed (it must match {rule}).")


def check_deletable(version: types.Model) -> None:
    """Raises FailedPrecondition for a version that is deployed, or the default one."""
    check_undeployed([version])
    if DEFAULT in version.version_aliases:
        raise exceptions.FailedPrecondition(
            f"{key_of(version)} is the default version: give the default alias to another version, "
            "or delete the whole model with DeleteModel."
        )


def check_undeployed(versions: Iterable[types.Model]) -> None:
    """Raises FailedPrecondition naming the endpoint where a version is deployed."""
    for version in versions:
        for reference in version.deployed_models:
            raise exceptions.FailedPrecondition(
                f"{key_of(version)} is deployed as {reference.deployed_model_id} to {reference.endpoint}: "
                "undeploy it first."
            )


def _taken(name: str) -> exceptions.AlreadyExists:
    return exceptions.AlreadyExists(f"Model {name} already exists: give it as parent_model to add a version.")


def _set_aliases(row: types.Model, aliases: set[str]) -> None:
    row.version_aliases = sorted(aliases, key=lambda alias: (alias != DEFAULT, alias))


def _say_what_is_possible(version: types.Model) -> None:
    version.supported_deployment_resources_types = [types.Model.DeploymentResourcesType(1)]  # DEDICATED_RESOURCES
    version.supported_input_storage_formats = list(INPUT_FORMATS)
    version.supported_output_storage_formats = list(OUTPUT_FORMATS)
    artifact = types.Model.ExportFormat.ExportableContent(1)  # ARTIFACT
    exports = types.Model.ExportFormat(id=EXPORT_FORMAT, exportable_contents=[artifact])
    version.supported_export_formats = [exports] if version.artifact_uri else []


def _head(name: str, given: types.Model, now: Any) -> types.Model:
    return types.Model(
        name=name,
        display_name=given.display_name,
        description=given.description,
        labels=given.labels,
        create_time=now,
        update_time=now,
    )
