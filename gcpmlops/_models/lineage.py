"""Where a version comes from and where it went: written to and read from Vertex ML Metadata, as Google's SDK shows it.

The version is an artifact google.VertexModel, the OUTPUT of an execution that stands for the training job and has data
and code as INPUT.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html
from gcpmlops._experiments.graph import plain
from gcpmlops._models.graph import VERSION, ModelGraph, context_id, node_id
from gcpmlops._models.sources import CODE, VERTEX_MODEL, Source, artifact
from gcpmlops.exceptions import NotFound

if TYPE_CHECKING:
    from gcpmlops._models.evaluations import ModelEvaluation
    from gcpmlops._models.model import Model

_RUN = "system.Run"
_JOBS = {"customJobs": "system.CustomJobExecution"}  # collection of a job's name: schema of its execution
_HOPS = 2  # from the version to its job, and on to what that read


@dataclass(frozen=True)
class Origin:
    """What is recorded of a version: the job that made it (known whole, or by its full name), and what from."""

    job: _google.custom_job.CustomJob | str | None = None
    sources: Sequence[Source] = ()

    def __bool__(self) -> bool:
        return self.job is not None or bool(self.sources)


@dataclass(frozen=True)
class Node:
    """One thing of a lineage: `resource` is its full name where it has one, `uri` where it lies."""

    kind: str
    name: str
    resource: str
    uri: str
    proto: Any = None

    def __str__(self) -> str:
        return self.resource or self.name


@dataclass(frozen=True)
class Lineage:
    """Of one version of a model."""

    model: str
    jobs: Sequence[Node]
    data: Sequence[Node]
    code: Sequence[Node]
    evaluations: Sequence[ModelEvaluation]
    deployments: Sequence[Node]
    copied_from: str
    """The version that it is a copy of; empty otherwise."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values; what a model card takes as its lineage."""
        found: dict[str, Any] = {
            "model": self.model,
            "training job": [str(each) for each in self.jobs],
            "data": [each.name for each in self.data],
            "code": [each.uri for each in self.code],
            "evaluations": [each.name for each in self.evaluations],
            "deployments": [str(each) for each in self.deployments],
            "copied from": self.copied_from,
        }
        return {key: value for key, value in found.items() if value}

    @property
    def rows(self) -> list[tuple[str, str, str]]:
        """(kind, name, where) of everything, in the order of the life cycle."""
        nodes = [*self.data, *self.code, *self.jobs]
        before = [(each.kind, each.name, each.uri or each.resource) for each in nodes]
        copied = [("copy of", self.copied_from.rpartition("/")[2], self.copied_from)] if self.copied_from else []
        after = [(each.kind, each.name, each.resource) for each in self.deployments]
        return [*before, *copied, *(("evaluation", each.display_name, each.name) for each in self.evaluations), *after]

    def _repr_html_(self) -> str:
        return _html.grid(f"Lineage of {self.model}", ("", "name", "where"), self.rows)


class LineageGraph:
    """Writes and reads lineages."""

    def __init__(self, graph: ModelGraph) -> None:
        self._graph = graph

    def record(self, model: Model, origin: Origin) -> None:
        """Keep what a version was made by and from. Again with more, it is added. Raises what the service raises."""
        context = self._graph.context(model)
        version = self._ensure_version(model)
        execution = self._graph.ensure_execution(*_execution(model, origin.job)).name
        inputs = [self._graph.ensure_artifact(each.id, each.artifact()).name for each in origin.sources]
        self._graph.connect(execution, inputs=inputs, outputs=[version])
        self._graph.put_into(context, executions=[execution], artifacts=[version])

    def read(self, model: Model, evaluations: Sequence[ModelEvaluation]) -> Lineage:
        """What is known of a version. Raises what the service raises."""
        jobs, sources = self._origin(model)
        known = {each.resource.rpartition("/")[2] for each in jobs}
        return Lineage(
            model.versioned_name,
            [*jobs, *(each for each in _said_by(model) if each.name not in known)],
            [each for each in sources if each.kind == "data"],
            [each for each in sources if each.kind == "code"],
            evaluations,
            [Node("deployment", d.deployed_model_id, d.endpoint, "", d) for d in model.proto.deployed_models],
            str(model.proto.original_model_info.model),
        )

    def _origin(self, model: Model) -> tuple[list[Node], list[Node]]:
        """(jobs, what they read); both empty where nothing was recorded."""
        try:
            found = self._graph.subgraph(self._version(model), hops=_HOPS)
        except NotFound:
            return [], []
        types, version = _google.event.Event.Type, self._version(model).rpartition("/")[2]
        made_by = {
            e.execution for e in found.events if e.type_ == types.OUTPUT and e.artifact.rpartition("/")[2] == version
        }
        read = {e.artifact for e in found.events if e.type_ == types.INPUT and e.execution in made_by}
        jobs = [_node("training job", each) for each in found.executions if each.name in made_by]
        sources = [_node(_kind(each), each) for each in found.artifacts if each.name in read]
        return [job for job in jobs if job.resource], sources

    def _version(self, model: Model) -> str:
        """The full name of the version's artifact: the service's own, or the one that is made for it."""
        return str(model.proto.metadata_artifact) or self._graph.artifact_name(_version_id(model))

    def _ensure_version(self, model: Model) -> str:
        if model.proto.metadata_artifact:
            return self._version(model)
        host = f"https://{model.name.split('/')[3]}-aiplatform.googleapis.com/v1"
        made = artifact(
            VERTEX_MODEL,
            f"{host}/{model.versioned_name}",
            f"{model.display_name} version {model.version_id}",
            {"resourceName": model.versioned_name},
        )
        return str(self._graph.ensure_artifact(_version_id(model), made).name)


def _version_id(model: Model) -> str:
    return f"{context_id(model)}-v{model.version_id}"


def _execution(model: Model, job: _google.custom_job.CustomJob | str | None) -> tuple[str, _google.execution.Execution]:
    """(id, message) of the execution that made a version; without a job, of its registration."""
    types = _google.execution
    common: dict[str, Any] = {"schema_version": VERSION, "state": types.Execution.State.COMPLETE}
    if job is None:
        name = f"registration of {model.display_name} version {model.version_id}"
        registration = types.Execution(display_name=name[-128:], schema_title=_RUN, **common)
        return f"{_version_id(model)}-registration", registration
    resource, display_name = (job, "") if isinstance(job, str) else (str(job.name), str(job.display_name))
    collection, job_id = resource.split("/")[-2:]
    common["schema_title"] = _JOBS.get(collection, _RUN)
    name = display_name or f"{collection} {job_id}"
    made = types.Execution(display_name=name[-128:], metadata={"resourceName": resource}, **common)
    return f"job-{node_id(job_id)}", made


def _said_by(model: Model) -> Iterator[Node]:
    """The pipelines that the registry itself says made a version."""
    for resource in (str(model.proto.training_pipeline), str(model.proto.pipeline_job)):
        if resource:
            yield Node("training job", resource.rpartition("/")[2], resource, "")


def _kind(artifact: Any) -> str:
    return "code" if artifact.schema_title == CODE else "data"


def _node(kind: str, proto: Any) -> Node:
    resource = str(plain(proto).get("resourceName", ""))
    return Node(kind, str(proto.display_name), resource, str(getattr(proto, "uri", "")), proto)
