"""Models and versions that are there: found, listed, changed, copied, exported, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gcpmlops import _display_names, _google
from gcpmlops._models.model import Model
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, translated
from gcpmlops.types import GsUri, Labels, check_labels

if TYPE_CHECKING:
    from gcpmlops.storage import Storage

LIST_HINT = "See the models with `gcpmlops models list`."


class Registry:
    """The part of `client.models` that is Google's calls one by one."""

    def __init__(self, clients: Clients, storage: Storage) -> None:
        self._clients = clients
        self._storage = storage

    def get(self, name: str) -> Model:
        """The model's default version, or the one that the name says (GetModel). Raises NotFound."""
        full = self.resolve(name)
        with translated(f"model {name}", next_step=LIST_HINT):
            return self._handle(self._clients.models.get_model(name=full, **self._clients.idempotent))

    def resolve(self, name: str) -> str:
        """The full resource name for an id, a display name or a full name; @VERSION stays. Raises InvalidArgument."""
        base, at, version = name.partition("@")
        if not base or (at and not version):
            raise InvalidArgument(
                f"{name!r} is not a model", field="model", value=name, allowed="NAME, NAME@VERSION or NAME@ALIAS"
            )
        if base.startswith("projects/"):
            return name
        folder = f"{self._clients.parent}/models"
        full = _display_names.resolve(
            base, field="model", find=lambda text: self.list(filter=text), folder=folder, given=name
        )
        return full + at + version

    def update(
        self,
        name: str,
        *,
        display_name: str | None = None,
        description: str | None = None,
        labels: Labels | None = None,
    ) -> Model:
        """Change what is given and leave the rest (UpdateModel). Labels replace all labels. Raises NotFound."""
        changes: dict[str, Any] = {"display_name": display_name, "description": description, "labels": labels}
        given = {key: value for key, value in changes.items() if value is not None}
        check_labels(labels)
        if not given:
            raise InvalidArgument("nothing to change", field="display_name", allowed=", ".join(changes))
        model = _google.model.Model(name=self.resolve(name), **given)
        mask: Any = {"paths": list(given)}
        with translated(f"model {name}", next_step=LIST_HINT):
            return self._handle(
                self._clients.models.update_model(model=model, update_mask=mask, **self._clients.idempotent)
            )

    def delete(self, name: str, *, timeout: float | None = 600) -> None:
        """Delete the model with all versions, or for NAME@VERSION that version (DeleteModel, DeleteModelVersion).

        Raises NotFound, FailedPrecondition while it is deployed.
        """
        full = self.resolve(name)
        delete = self._clients.models.delete_model_version if "@" in full else self._clients.models.delete_model
        with translated(f"model {name}", next_step=LIST_HINT):
            operation = delete(name=full, **self._clients.once)
        self._clients.finish(operation, timeout=timeout, resource=f"model {name}")

    def copy(
        self,
        name: str,
        *,
        model_id: str | None = None,
        parent_model: str | None = None,
        timeout: float | None = 1800,
    ) -> Model:
        """Copy a version into a model of its own, or with `parent_model` into a version of that one (CopyModel).

        The copy is made in the client's location; `name` in full may be of another one. Aliases, evaluations and
        deployments stay behind. Raises NotFound, AlreadyExists for a `model_id` that is taken, InvalidArgument.
        """
        if model_id and parent_model:
            allowed = "one of model_id and parent_model"
            raise InvalidArgument("a version has no id of its own", field="model_id", value=model_id, allowed=allowed)
        request = _google.model_service.CopyModelRequest(parent=self._clients.parent, source_model=self.resolve(name))
        if model_id:
            request.model_id = model_id
        if parent_model:
            request.parent_model = self.resolve(parent_model).partition("@")[0]
        what = f"copy of model {name}"
        with translated(what, next_step=LIST_HINT):
            operation = self._clients.models.copy_model(request=request, **self._clients.once)
        done = self._clients.finish(operation, timeout=timeout, resource=what)
        return self.get(f"{done.model}@{done.model_version_id}" if done.model_version_id else done.model)

    def export(
        self, name: str, *, destination: str, export_format: str | None = None, timeout: float | None = 1800
    ) -> str:
        """Write a version's files into a new folder below `destination`, and return that folder (ExportModel).

        `export_format` is one of the version's `proto.supported_export_formats`, the first otherwise. Raises NotFound,
        InvalidArgument, FailedPrecondition for a model without files.
        """
        uri = GsUri.parse(destination, field="destination")
        config = _google.model_service.ExportModelRequest.OutputConfig(
            export_format_id=export_format or "",
            artifact_destination=_google.io.GcsDestination(output_uri_prefix=str(uri)),
        )
        full, what = self.resolve(name), f"export of model {name}"
        with translated(what, next_step=LIST_HINT):
            operation = self._clients.models.export_model(name=full, output_config=config, **self._clients.once)
        self._clients.finish(operation, timeout=timeout, resource=what)
        return str(operation.metadata.output_info.artifact_output_uri)

    def set_alias(self, name: str, *, alias: str) -> Model:
        """Give the version that `name` says this alias; a version that had it loses it (MergeVersionAliases)."""
        return self._merge(name, [alias])

    def remove_alias(self, name: str, *, alias: str) -> Model:
        """Take the alias from the model (MergeVersionAliases). Raises NotFound where no version has it."""
        base = self.resolve(name).partition("@")[0]
        return self._merge(f"{base}@{alias}", [f"-{alias}"])

    def _merge(self, name: str, aliases: Sequence[str]) -> Model:
        full = self.resolve(name)
        if "@" not in full:
            full = self.get(full).versioned_name
        with translated(f"model {name}", next_step=LIST_HINT):
            merged = self._clients.models.merge_version_aliases(
                name=full, version_aliases=list(aliases), **self._clients.idempotent
            )
        return self._handle(merged)

    def versions(self, name: str) -> list[Model]:
        """All versions of the model (ListModelVersions). Raises NotFound."""
        with translated(f"model {name}", next_step=LIST_HINT):
            base = self.resolve(name).partition("@")[0]
            found = self._clients.models.list_model_versions(name=base, **self._clients.idempotent)
            return [self._handle(proto) for proto in found]

    def list(self, *, filter: str | None = None) -> list[Model]:  # noqa: A002 - the API calls it so
        """The location's models, each by its default version (ListModels); `filter` as in the API: `labels.a="x"`."""
        request = _google.model_service.ListModelsRequest(parent=self._clients.parent, filter=filter or "")
        with translated(f"models of {self._clients.parent}"):
            found = self._clients.models.list_models(request=request, **self._clients.idempotent)
            return [self._handle(proto) for proto in found]

    def _handle(self, proto: _google.model.Model) -> Model:
        return Model(proto, self)  # type: ignore[arg-type]  # `Models` is what there is one of
