"""Models, versions and aliases of the Vertex AI Model Registry."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from gcpmlops import _google, _staging
from gcpmlops._handle import Named
from gcpmlops._jobs.job import Job
from gcpmlops._models import files as model_files
from gcpmlops._models import samples as model_samples
from gcpmlops._models import serving_check
from gcpmlops._models.evaluations import ModelEvaluation
from gcpmlops._models.files import Files
from gcpmlops._models.lineage import Lineage, Origin
from gcpmlops._models.model import Model
from gcpmlops._models.records import Records
from gcpmlops._models.samples import Samples
from gcpmlops._models.serving_check import Limits, ServingCheck
from gcpmlops._models.stages import History, Transition
from gcpmlops._serving import Server, ServerSettings
from gcpmlops.exceptions import GcpMlopsError, NotFound, translated
from gcpmlops.types import GsUri, Labels, Path_, check_labels

__all__ = [
    "History",
    "Lineage",
    "Model",
    "ModelEvaluation",
    "Models",
    "Samples",
    "ServerSettings",
    "ServingCheck",
    "Transition",
]

_JSON = "application/json"
_log = logging.getLogger("gcpmlops.models")


class Models(Records):
    """`client.models`. API: Vertex AI v1 ModelService.

    A model is named by its id, its full resource name or its display name, each with @VERSION or @ALIAS where one
    version is meant: `flights@champion`.
    """

    def upload(
        self,
        source: Path_ | Job | Any,
        *,
        display_name: str,
        parent_model: str | None = None,
        version_aliases: Sequence[str] = (),
        version_description: str | None = None,
        is_default: bool = True,
        model_id: str | None = None,
        description: str | None = None,
        labels: Labels | None = None,
        samples: model_samples.Given | None = None,
        job: Named | str | None = None,
        data: Sequence[str] = (),
        check: bool | None = None,
        check_timeout: float = 600.0,
        max_latency: float | None = None,
        max_memory: float | None = None,
        staging_bucket: str | None = None,
        timeout: float | None = 1800,
        **server: Unpack[ServerSettings],
    ) -> Model:
        """Register a model, or with `parent_model` a further version of one, and wait (UploadModel).

        Args:
            source: a gs:// folder, a local folder or file (put into the staging bucket), a training job (its model
                folder), or a fitted scikit-learn or XGBoost estimator (saved as model.joblib, for its own version of
                the library).
            display_name: the model's.
            parent_model: the model that gets a further version.
            version_aliases: of the version.
            version_description: of the version.
            is_default: the version becomes the model's default one.
            model_id: of a new model; a number otherwise.
            description: of the model.
            labels: of the model.
            samples: instances that the model can predict: a list, a DataFrame, {"instances": ..., "parameters": ...},
                or a JSON or JSONL file. They are kept as samples.json beside the files, replacing those there.
            job: the training or tuning job that made it, by handle, id or full name; a job that is the source is it
                already. What its arguments say that it read, and its code, are kept with it (see `lineage`).
            data: what it was trained on: gs:// files, BigQuery tables, names of Vertex AI datasets.
            check: run the serving check (see `check`) first, and register nothing where it fails. None: where the
                extra `emulator` is installed and the image is one of Google's that this machine has packages for, and
                wherever a limit is set.
            check_timeout: seconds for the whole check.
            max_latency: seconds that it allows the slowest request with all samples.
            max_memory: MiB that it allows the server.
            staging_bucket: where local files are put.
            timeout: seconds for the registration.
            **server: any of

                image: URI of the container that serves it; Google's for `framework` and `framework_version` otherwise.
                    The framework follows from the files: model.joblib, model.pkl, model.bst, saved_model.pb.
                env: variables. predict_route, health_route, port: the container's, where they are not the usual ones.

        Raises InvalidArgument, ServingCheckFailed, NotFound for a missing parent.
        """
        given = None if samples is None else Samples.of(samples, self._storage)
        limits = Limits(max_latency, max_memory, check_timeout)
        origin = self._origin(source if job is None and isinstance(source, Job) else job, data)
        parent = self.get(parent_model.partition("@")[0]).name if parent_model else ""
        labels = check_labels(labels)
        with model_files.opened(_place(source), self._storage) as files:
            serving = Server.of(_place(source), files.names, server)
            found = self._check_before(check, files, serving, given, limits)
            uri = self._placed(files, display_name, staging_bucket)
        if given is not None:
            self._storage.upload(given.to_json(), destination=f"{uri}/{model_samples.FILE}", content_type=_JSON)
        model = _google.model.Model(
            display_name=display_name,
            description=description or "",
            version_description=version_description or "",
            version_aliases=[*(["default"] if is_default else []), *version_aliases],
            artifact_uri=uri,
            labels=labels,
            container_spec=serving.container(),
        )
        made = replace(self._register(model, model_id, parent, timeout), check=found)
        if origin:
            self._record(made, origin)
        return made

    def check(
        self,
        source: Path_ | Job | Model | Any,
        *,
        samples: model_samples.Given | None = None,
        max_latency: float | None = None,
        max_memory: float | None = None,
        timeout: float = 600.0,
        **server: Unpack[ServerSettings],
    ) -> ServingCheck:
        """Start a model server on this machine: does it answer, predict the samples, how fast, in how much memory?

        `source`, `samples` and `server` are those of `upload`; or `source` is a registered `Model`. Without samples the
        samples.json among its files is taken; without any nothing is predicted. `max_latency` (seconds, of the slowest
        request with all samples) and `max_memory` (MiB, resident) make it fail. The result says whether all is well;
        `.require()` raises ServingCheckFailed where not. Nothing is registered; gs:// files are downloaded.

        Raises InvalidArgument, NotFound, MissingExtra without the extra `emulator`.
        """
        given = None if samples is None else Samples.of(samples, self._storage)
        limits = Limits(max_latency, max_memory, timeout)
        settings = {**(_server_of(source) if isinstance(source, Model) else {}), **_given(server)}
        with model_files.opened(_place(source), self._storage) as files:
            serving = Server.of(_place(source), files.names, settings)
            with files.in_a_folder(self._storage) as folder:
                return serving_check.run(folder, serving, given, limits)

    def samples(self, name: str) -> Samples | None:
        """The instances stored with a version: a list with `.parameters`; None without any (storage.objects.get).

        Raises NotFound for a missing model, InvalidArgument for a samples.json that is not what `upload` writes.
        """
        folder = self.get(name).artifact_uri.rstrip("/")
        if not folder:
            return None
        uri = f"{folder}/{model_samples.FILE}"
        try:
            content = self._storage.read(uri)
        except NotFound:
            return None
        return Samples.parse(content, where=uri)

    def _check_before(
        self, wanted: bool | None, files: Files, server: Server, samples: Samples | None, limits: Limits
    ) -> ServingCheck | None:
        """The check before a registration; None where there is none. Raises ServingCheckFailed."""
        if wanted is None and limits.are_set:  # who sets a limit wants it kept
            wanted = True
        if wanted is False or (wanted is None and not serving_check.is_possible(server)):
            return None
        with files.in_a_folder(self._storage) as folder:
            found = serving_check.run(folder, server, samples, limits)
        if wanted is None and not found.was_possible:
            _log.warning("no serving check, this machine has no environment for %s: %s", server.image, found.error)
            return found
        return found.require()

    def _placed(self, files: Files, display_name: str, bucket: str | None) -> str:
        """The gs:// folder of the files; local ones are put into the staging bucket."""
        if isinstance(files.where, GsUri):
            return str(files.where)
        folder = _staging.folder(self._clients, self._storage, "models", display_name, bucket=bucket)
        files.put(folder, self._storage)
        return str(folder)

    def _record(self, model: Model, origin: Origin) -> None:
        """The lineage of a version just registered. Raises what the recording raises, and says how to repeat it."""
        try:
            self._lineages.record(model, origin)
        except GcpMlopsError as exc:
            done = f"{model.versioned_name} is registered; record its lineage with client.models.record_lineage."
            exc.next_step = f"{exc.next_step} {done}".strip()
            raise

    def _register(
        self, model: _google.model.Model, model_id: str | None, parent_model: str, timeout: float | None
    ) -> Model:
        request = _google.model_service.UploadModelRequest(
            parent=self._clients.parent, model=model, model_id=model_id or "", parent_model=parent_model
        )
        what = f"model {model.display_name}"
        with translated(what):
            operation = self._clients.models.upload_model(request=request, **self._clients.once)
        done = self._clients.finish(operation, timeout=timeout, resource=what)
        return self.get(f"{done.model}@{done.model_version_id}" if done.model_version_id else done.model)


def _place(source: Any) -> Any:
    """Where the files are that a job or a registered model stands for; anything else is the place itself."""
    if isinstance(source, Job):
        return source.model_dir
    return source.artifact_uri if isinstance(source, Model) else source


def _server_of(model: Model) -> dict[str, Any]:
    """The settings that a version was registered with."""
    container = model.proto.container_spec
    return {
        "image": model.image,
        "env": {each.name: each.value for each in container.env},
        "predict_route": container.predict_route,
        "health_route": container.health_route,
    }


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}
