"""Models, versions and aliases of the Vertex AI Model Registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gcpmlops import _google, _model_files, _model_samples, _staging
from gcpmlops._job import Job
from gcpmlops._model import Model
from gcpmlops._model_files import Files
from gcpmlops._model_registry import Registry
from gcpmlops._model_samples import Samples
from gcpmlops._serving import framework_of, prediction_image, version_of
from gcpmlops.exceptions import NotFound, translated
from gcpmlops.types import GsUri, Labels, Path_, check_labels

__all__ = ["Model", "Models", "Samples"]

_JSON = "application/json"


class Models(Registry):
    """`client.models`. API: Vertex AI v1 ModelService.

    A model is named by its id, its full resource name or its display name, each with @VERSION or @ALIAS where one
    version is meant: `flights@champion`.
    """

    def upload(
        self,
        source: Path_ | Job | Any,
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
        samples: _model_samples.Given | None = None,
        staging_bucket: str | None = None,
        timeout: float | None = 1800,
    ) -> Model:
        """Register a model, or with `parent_model` a further version of one, and wait (UploadModel).

        `source` is a gs:// folder, a local folder or file (put into the staging bucket), a training job (its model
        folder), or a fitted scikit-learn or XGBoost estimator (saved as model.joblib, for its own version of the
        library). It is served by `image`, or by Google's image for `framework` and `framework_version`; the framework
        follows from the files: model.joblib, model.pkl, model.bst, saved_model.pb. With `is_default` the version
        becomes the model's default one.

        `samples` are instances that the model can predict: a list, a DataFrame, {"instances": ..., "parameters": ...},
        or a JSON or JSONL file. They are kept as samples.json beside the files, replacing those that were there.
        Raises InvalidArgument, NotFound for a missing parent.
        """
        given = None if samples is None else Samples.of(samples, self._storage)
        place = source.model_dir if isinstance(source, Job) else source
        with _model_files.opened(place, self._storage) as files:
            serving = image or _image(place, files, framework, framework_version)
            uri = self._placed(files, display_name, staging_bucket)
        if given is not None:
            self._storage.upload(given.to_json(), destination=f"{uri}/{_model_samples.FILE}", content_type=_JSON)
        model = _google.model.Model(
            display_name=display_name,
            description=description or "",
            version_description=version_description or "",
            version_aliases=[*(["default"] if is_default else []), *version_aliases],
            artifact_uri=uri,
            labels=check_labels(labels),
            container_spec=_container(serving, env or {}, predict_route, health_route, port),
        )
        return self._register(model, model_id, parent_model, timeout)

    def samples(self, name: str) -> Samples | None:
        """The instances stored with a version: a list with `.parameters`; None without any (storage.objects.get).

        Raises NotFound for a missing model, InvalidArgument for a samples.json that is not what `upload` writes.
        """
        folder = self.get(name).artifact_uri.rstrip("/")
        if not folder:
            return None
        uri = f"{folder}/{_model_samples.FILE}"
        try:
            content = self._storage.read(uri)
        except NotFound:
            return None
        return Samples.parse(content, where=uri)

    def _placed(self, files: Files, display_name: str, bucket: str | None) -> str:
        """The gs:// folder of the files; local ones are put into the staging bucket."""
        if isinstance(files.where, GsUri):
            return str(files.where)
        folder = _staging.folder(self._clients, self._storage, "models", display_name, bucket=bucket)
        files.put(folder, self._storage)
        return str(folder)

    def _register(
        self, model: _google.model.Model, model_id: str | None, parent_model: str | None, timeout: float | None
    ) -> Model:
        request = _google.model_service.UploadModelRequest(
            parent=self._clients.parent, model=model, model_id=model_id or ""
        )
        if parent_model:
            request.parent_model = self.resolve(parent_model).partition("@")[0]
        what = f"model {model.display_name}"
        with translated(what):
            operation = self._clients.models.upload_model(request=request, **self._clients.once)
        done = self._clients.finish(operation, timeout=timeout, resource=what)
        return self.get(f"{done.model}@{done.model_version_id}" if done.model_version_id else done.model)


def _image(source: Any, files: Files, framework: str | None, version: str | None) -> str:
    """Google's image for an estimator's own library and version, or for what the files' names say."""
    own, own_version = version_of(source)
    where = source if isinstance(source, (str, Path)) else type(source).__name__
    found = framework or own or framework_of(files.names, where=str(where))
    return prediction_image(found, version or own_version)


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
