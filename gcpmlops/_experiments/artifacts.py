"""Files and models of a run: put into the staging bucket where they are local, and known to the metadata store."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _staging
from gcpmlops._experiments.graph import Graph, plain
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import GsUri, Path_, is_gs_uri

if TYPE_CHECKING:
    from gcpmlops.storage import Storage

_MODEL = "google.ExperimentModel"


@dataclass(frozen=True)
class Artifact:
    """Something that a run left; `proto` is Google's Artifact."""

    proto: _google.artifact.Artifact = field(repr=False)
    name: str
    uri: str
    kind: str
    metadata: dict[str, Any]

    @classmethod
    def of(cls, proto: _google.artifact.Artifact) -> Artifact:
        """From Google's message."""
        return cls(proto, str(proto.display_name), str(proto.uri), str(proto.schema_title), plain(proto))


class Artifacts:
    """The artifacts of one run."""

    def __init__(self, clients: Clients, storage: Storage, graph: Graph, run: Any) -> None:
        self._clients = clients
        self._storage = storage
        self._graph = graph
        self._run = run

    def file(self, source: Path_, *, name: str | None, kind: str, metadata: Mapping[str, Any] | None) -> Artifact:
        """A local file or folder, uploaded, or a gs:// URI as it is."""
        if is_gs_uri(source):
            uri = str(GsUri.parse(str(source), field="source"))
            return self._attach(uri, name or uri.rstrip("/").rpartition("/")[2], kind, metadata or {})
        path = Path(source).resolve()
        if not path.exists():
            raise InvalidArgument(
                f"{path}: no such file or folder", field="source", value=str(path), allowed="a path or a gs:// URI"
            )
        target = self._folder() / (f"{path.name}/" if path.is_dir() else path.name)
        self._storage.upload(path, destination=str(target))
        return self._attach(str(target), name or path.name, kind, metadata or {})

    def model(self, model: Any, *, name: str) -> Artifact:
        """A scikit-learn or XGBoost model, saved as Google's SDK saves it, which can load it from there."""
        framework = type(model).__module__.partition(".")[0]
        if framework == "sklearn":
            filename, content = "model.pkl", pickle.dumps(model, protocol=4)
        elif framework == "xgboost":
            filename, content = "model.bst", _booster(model)
        else:
            raise InvalidArgument(
                f"{type(model).__name__} is not a model that can be saved",
                field="model",
                allowed="a scikit-learn or XGBoost model, a path, or a gs:// URI",
            )
        folder = self._folder()
        self._storage.upload(content, destination=str(folder / filename))
        metadata = {
            "frameworkName": framework,
            "frameworkVersion": _version(framework),
            "modelFile": filename,
            "modelClass": f"{type(model).__module__}.{type(model).__name__}",
        }
        return self._attach(str(folder), name, _MODEL, metadata)

    def listed(self) -> list[Artifact]:
        """All of the run's, but for what leads to its TensorBoard run."""
        found = [Artifact.of(each) for each in self._graph.artifacts(self._run)]
        return [each for each in found if each.kind != "google.VertexTensorboardRun"]

    def _attach(self, uri: str, name: str, kind: str, metadata: Mapping[str, Any]) -> Artifact:
        artifact = _google.artifact.Artifact(
            display_name=name,
            uri=uri,
            schema_title=kind,
            schema_version="0.0.1",
            state=_google.artifact.Artifact.State.LIVE,
            metadata=dict(metadata),
        )
        return Artifact.of(self._graph.attach(self._run, artifact))

    def _folder(self) -> GsUri:
        return _staging.folder(self._clients, self._storage, "experiments", self._run.name.rpartition("/")[2])


def _booster(model: Any) -> bytes:
    """XGBoost chooses the format by the file's name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.bst")
        model.save_model(path)
        return path.read_bytes()


def _version(package: str) -> str:
    from importlib.metadata import version

    return version("scikit-learn" if package == "sklearn" else package)
