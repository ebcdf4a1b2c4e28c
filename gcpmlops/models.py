"""Models, versions and aliases of the Vertex AI Model Registry."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html, _staging
from gcpmlops._handle import Named
from gcpmlops._serving import framework_of, prediction_image, version_of
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, NotFound, translated
from gcpmlops.types import GsUri, Labels, Path_, check_labels, is_gs_uri

if TYPE_CHECKING:
    from gcpmlops.storage import Storage

__all__ = ["Model", "Models"]

_LIST_HINT = "See the models with `gcpmlops models list`."


@dataclass(frozen=True)
class Model(Named):
    """A version of a model as it was when asked for; `proto` is Google's Model."""

    proto: _google.model.Model
    _models: Models = field(repr=False, compare=False)

    @property
    def versioned_name(self) -> str:
        """The name with @VERSION: exactly this version."""
        return f"{self.name}@{self.version_id}" if self.version_id else self.name

    @property
    def version_id(self) -> str:
        """1, 2, ..."""
        return str(self.proto.version_id)

    @property
    def aliases(self) -> list[str]:
        """The version's aliases; "default" is one."""
        return list(self.proto.version_aliases)

    @property
    def artifact_uri(self) -> str:
        """The gs:// folder of its files."""
        return str(self.proto.artifact_uri)

    @property
    def image(self) -> str:
        """The container image that serves it."""
        return str(self.proto.container_spec.image_uri)

    def refresh(self) -> Model:
        """The version as it is now."""
        return self._models.get(self.versioned_name)

    def _repr_html_(self) -> str:
        about = {
            "name": self.versioned_name,
            "aliases": ", ".join(self.aliases),
            "files": self.artifact_uri,
            "image": self.image,
        }
        return _html.card(self.display_name, about)


class Models:
    """`client.models`. API: Vertex AI v1 ModelService.

    A model is named by its id, its full resource name or its display name, each with @VERSION or @ALIAS where one
    version is meant: `flights@champion`.
    """

    def __init__(self, clients: Clients, storage: Storage) -> None:
        self._clients = clients
        self._storage = storage

    def upload(
        self,
        source: Path_ | Any,
        *,
        display_name: str,
        framework: str | None = None,
        framework_version: str | None = None,
        image: str | None = None,
        parent_model: str | None = None,
        version_aliases: Sequence[str] = (),
        version_description: str | None = None,
        is_default: bool = True,
        model_id: str | None = None,
        description: str | None = None,
        labels: Labels | None = None,
        env: Mapping[str, str] | None = None,
        predict_route: str | None = None,
        health_route: str | None = None,
        port: int | None = None,
        staging_bucket: str | None = None,
        timeout: float | None = 1800,
    ) -> Model:
        """Register a model, or with `parent_model` a further version of one, and wait (UploadModel).

        `source` is a gs:// folder, a local folder or file (put into the staging bucket), or a fitted scikit-learn
        estimator (saved as model.joblib, for its own version of scikit-learn). It is served by `image`, or by Google's
        image for `framework` and `framework_version`; the framework follows from the files: model.joblib, model.pkl,
        model.bst, saved_model.pb. With `is_default` the version becomes the model's default one.
        Raises InvalidArgument, NotFound for a missing parent.
        """
        uri, names = self._artifact(source, display_name, staging_bucket)
        version = framework_version or version_of(source)
        serving = image or prediction_image(framework or framework_of(names, where=uri), version)
        model = _google.model.Model(
            display_name=display_name,
            description=description or "",
            version_description=version_description or "",
            version_aliases=[*(["default"] if is_default else []), *version_aliases],
            artifact_uri=uri,
            labels=check_labels(labels),
            container_spec=_container(serving, env or {}, predict_route, health_route, port),
        )
        request = _google.model_service.UploadModelRequest(
            parent=self._clients.parent, model=model, model_id=model_id or ""
        )
        if parent_model:
            request.parent_model = self.resolve(parent_model).partition("@")[0]
        what = f"model {display_name}"
        with translated(what):
            operation = self._clients.models.upload_model(request=request, **self._clients.once)
        done = self._clients.finish(operation, timeout=timeout, resource=what)
        return self.get(f"{done.model}@{done.model_version_id}" if done.model_version_id else done.model)

    def get(self, name: str) -> Model:
        """The model's default version, or the one that the name says (GetModel). Raises NotFound."""
        full = self.resolve(name)
        with translated(f"model {name}", next_step=_LIST_HINT):
            return Model(self._clients.models.get_model(name=full, **self._clients.idempotent), self)

    def resolve(self, name: str) -> str:
        """The full resource name for an id, a display name or a full name; @VERSION stays. Raises InvalidArgument."""
        base, at, version = name.partition("@")
        if not base or (at and not version):
            raise InvalidArgument(
                f"{name!r} is not a model", field="model", value=name, allowed="NAME, NAME@VERSION or NAME@ALIAS"
            )
        if base.startswith("projects/"):
            return name
        found = [] if base.isdigit() else self.list(filter=f'display_name="{_quoted(base)}"')
        if len(found) > 1:
            ids = ", ".join(model.id for model in found)
            raise InvalidArgument(
                f"{len(found)} models are called {base}", field="model", value=name, allowed=f"one of the ids {ids}"
            )
        return (found[0].name if found else f"{self._clients.parent}/models/{base}") + at + version

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
        with translated(f"model {name}", next_step=_LIST_HINT):
            mask: Any = {"paths": list(given)}
            return Model(
                self._clients.models.update_model(model=model, update_mask=mask, **self._clients.idempotent), self
            )

    def delete(self, name: str, *, timeout: float | None = 600) -> None:
        """Delete the model with all versions, or for NAME@VERSION that version (DeleteModel, DeleteModelVersion).

        Raises NotFound, FailedPrecondition while it is deployed.
        """
        full = self.resolve(name)
        delete = self._clients.models.delete_model_version if "@" in full else self._clients.models.delete_model
        with translated(f"model {name}", next_step=_LIST_HINT):
            operation = delete(name=full, **self._clients.once)
        self._clients.finish(operation, timeout=timeout, resource=f"model {name}")

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
        with translated(f"model {name}", next_step=_LIST_HINT):
            merged = self._clients.models.merge_version_aliases(
                name=full, version_aliases=list(aliases), **self._clients.idempotent
            )
        return Model(merged, self)

    def _artifact(self, source: Any, display_name: str, bucket: str | None) -> tuple[str, Sequence[str]]:
        """(gs:// folder, names of the files in it)."""
        if is_gs_uri(source):
            return self._checked(GsUri.parse(source, field="source"))
        folder = _staging.folder(self._clients, self._storage, "models", display_name, bucket=bucket)
        if isinstance(source, (str, Path)):
            return self._put(Path(source), folder)
        if not hasattr(source, "predict"):
            raise InvalidArgument(field="source", value=source, allowed="a gs:// folder, a path, or a fitted estimator")
        import joblib

        with tempfile.TemporaryDirectory() as scratch:
            joblib.dump(source, Path(scratch) / "model.joblib")
            return self._put(Path(scratch), folder)

    def _checked(self, uri: GsUri) -> tuple[str, Sequence[str]]:
        """A gs:// file stands for its folder; a folder must have something in it."""
        found = self._storage.list(str(GsUri(uri.bucket, uri.name.rstrip("/") + "/" if uri.name else "")))
        if not found and uri.name and self._storage.exists(str(uri)):
            uri = GsUri(uri.bucket, uri.name.rpartition("/")[0])
            found = self._storage.list(f"{uri}/")
        if not found:
            hint = f"See what there is with `gcpmlops storage list gs://{uri.bucket}/`."
            raise NotFound(f"there are no model files under {uri}", resource=str(uri), next_step=hint)
        return str(uri).rstrip("/"), [each.name.rpartition("/")[2] for each in found]

    def _put(self, path: Path, folder: GsUri) -> tuple[str, Sequence[str]]:
        destination = f"{folder}/"
        uploaded = self._storage.upload(path, destination=destination)
        if not uploaded:
            raise InvalidArgument(
                f"{path} is empty", field="source", value=str(path), allowed="a folder with model files"
            )
        return str(folder), [each.name.rpartition("/")[2] for each in uploaded]

    def versions(self, name: str) -> list[Model]:
        """All versions of the model (ListModelVersions). Raises NotFound."""
        with translated(f"model {name}", next_step=_LIST_HINT):
            base = self.resolve(name).partition("@")[0]
            return [
                Model(m, self) for m in self._clients.models.list_model_versions(name=base, **self._clients.idempotent)
            ]

    def list(self, *, filter: str | None = None) -> list[Model]:  # noqa: A002 - the API calls it so
        """The location's models, each by its default version (ListModels); `filter` as in the API: `labels.a="x"`."""
        request = _google.model_service.ListModelsRequest(parent=self._clients.parent, filter=filter or "")
        with translated(f"models of {self._clients.parent}"):
            return [
                Model(m, self) for m in self._clients.models.list_models(request=request, **self._clients.idempotent)
            ]


def _container(
    image: str, env: Mapping[str, str], predict_route: str | None, health_route: str | None, port: int | None
) -> Any:
    spec = _google.model.ModelContainerSpec(
        image_uri=image,
        env=[_google.env_var.EnvVar(name=name, value=value) for name, value in env.items()],
        predict_route=predict_route or "",
        health_route=health_route or "",
    )
    if port is not None:
        spec.ports = [_google.model.Port(container_port=port)]
    return spec


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
