"""Time series of runs: a TensorBoard behind the experiment, a TensorBoard run behind each run, as Google's SDK has it.

API: Vertex AI v1 TensorboardService; an artifact google.VertexTensorboardRun with the id RUN-tb-run leads from the run
to its TensorBoard run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gcpmlops import _google
from gcpmlops._experiments.graph import Graph, plain
from gcpmlops.clients import Clients
from gcpmlops.exceptions import AlreadyExists, NotFound, translated

_BACKING = "backing_tensorboard_resource"
_LABEL = {"vertex_tensorboard_experiment_source": "vertex_experiment"}
_SCHEMA = "google.VertexTensorboardRun"
_BATCH = 50  # series in one read


@dataclass(frozen=True)
class Point:
    """A value at a step."""

    step: int
    value: float
    time: datetime | None


class Series:
    """The time series of one run."""

    def __init__(self, clients: Clients, graph: Graph, experiment: Any, run: Any) -> None:
        """`experiment` and `run` are their contexts."""
        self._clients = clients
        self._graph = graph
        self._experiment = experiment
        self._run = run
        self._board_run: str | None = None
        self._ids: dict[str, str] = {}
        self._last_step: int | None = None

    def write(self, values: Mapping[str, float], *, step: int | None, time: datetime | None) -> None:
        """One point of each series, at the next step where none is given (WriteTensorboardRunData)."""
        run = self._found() or self._make()
        step = self._next_step() if step is None else step
        types = _google.tensorboard_data
        data = [
            types.TimeSeriesData(
                tensorboard_time_series_id=self._series(run, name),
                value_type=_google.tensorboard_time_series.TensorboardTimeSeries.ValueType.SCALAR,
                values=[
                    types.TimeSeriesDataPoint(
                        scalar=types.Scalar(value=value), step=step, wall_time=time or datetime.now(UTC)
                    )
                ],
            )
            for name, value in values.items()
        ]
        with translated(run):
            self._clients.tensorboard.write_tensorboard_run_data(
                tensorboard_run=run, time_series_data=data, **self._clients.idempotent
            )
        self._last_step = max(step, self._last_step or 0)

    def read(self) -> dict[str, list[Point]]:
        """Each scalar series, at most 1,000 points of it as the service chooses them (BatchReadTensorboard...)."""
        run = self._found()
        if run is None:
            return {}
        named = {name: f"{run}/timeSeries/{each}" for name, each in self._listed(run).items()}
        titles = {identifier.rpartition("/")[2]: name for name, identifier in named.items()}
        found: dict[str, list[Point]] = {}
        every = list(named.values())
        for start in range(0, len(every), _BATCH):
            for data in self._batch(run, every[start : start + _BATCH]):
                found[titles[data.tensorboard_time_series_id]] = [
                    _point(each) for each in data.values if "scalar" in each
                ]
        return {name: points for name, points in found.items() if points}

    def delete(self) -> None:
        """Delete the TensorBoard run and what leads to it; nothing where there is none."""
        artifact = self._artifact()
        if artifact is None:
            return
        name = str(plain(artifact)["resourceName"])
        try:
            with translated(name):
                operation = self._clients.tensorboard.delete_tensorboard_run(name=name, **self._clients.once)
            self._clients.finish(operation, timeout=self._clients.config.timeout, resource=name)
        except NotFound:
            pass  # deleted by hand: what leads to it goes, too
        self._graph.delete_artifact(artifact)

    def _batch(self, run: str, names: list[str]) -> list[Any]:
        with translated(run):
            response = self._clients.tensorboard.batch_read_tensorboard_time_series_data(
                request=_google.tensorboard_service.BatchReadTensorboardTimeSeriesDataRequest(
                    tensorboard=run.partition("/experiments/")[0], time_series=names
                ),
                **self._clients.idempotent,
            )
        return list(response.time_series_data)

    def _artifact(self) -> Any:
        return self._graph.find_artifact(f"{self._run.name.rpartition('/')[2]}-tb-run")

    def _found(self) -> str | None:
        """The TensorBoard run, where there is one already."""
        if self._board_run is None and (artifact := self._artifact()) is not None:
            self._board_run = str(plain(artifact)["resourceName"])
        return self._board_run

    def _make(self) -> str:
        """A TensorBoard run of the run's name, in a TensorBoard experiment of the experiment's."""
        experiment = self._board_experiment(self._board())
        name = str(self._run.display_name)
        types = _google.tensorboard_run
        try:
            with translated(f"TensorBoard run {name}"):
                self._clients.tensorboard.create_tensorboard_run(
                    parent=experiment,
                    tensorboard_run=types.TensorboardRun(display_name=name),
                    tensorboard_run_id=name,
                    **self._clients.once,
                )
        except AlreadyExists:
            pass  # left over from a run of that name, as in Google's SDK
        self._board_run = f"{experiment}/runs/{name}"
        self._lead_to(self._board_run)
        return self._board_run

    def _lead_to(self, board_run: str) -> None:
        host = f"{self._clients.config.location}-aiplatform.googleapis.com"
        artifact = _google.artifact.Artifact(
            uri=f"https://{host}/v1/{board_run}",
            schema_title=_SCHEMA,
            schema_version="0.0.1",
            state=_google.artifact.Artifact.State.LIVE,
            metadata={"resourceName": board_run, "vertex_experiment_tracking": True},
        )
        self._graph.attach(self._run, artifact, artifact_id=f"{self._run.name.rpartition('/')[2]}-tb-run")

    def _board(self) -> str:
        """The experiment's TensorBoard; the project's default one where it has none yet."""
        name = plain(self._experiment).get(_BACKING)
        if not name:
            name = self._default_board()
            self._experiment = self._graph.update(
                self._experiment,
                lambda metadata: metadata.update({_BACKING: name}),
                what=f"experiment {self._experiment.display_name}",
            )
        return str(name)

    def _default_board(self) -> str:
        parent = self._clients.parent
        request = _google.tensorboard_service.ListTensorboardsRequest(parent=parent, filter="is_default=true")
        with translated(f"TensorBoards of {parent}"):
            for found in self._clients.tensorboard.list_tensorboards(request=request, **self._clients.idempotent):
                return str(found.name)
            operation = self._clients.tensorboard.create_tensorboard(
                parent=parent,
                tensorboard=_google.tensorboard.Tensorboard(display_name="Default TensorBoard", is_default=True),
                **self._clients.once,
            )
        made = self._clients.finish(operation, timeout=self._clients.config.timeout, resource="the default TensorBoard")
        return str(made.name)

    def _board_experiment(self, board: str) -> str:
        name = self._experiment.name.rpartition("/")[2]
        types = _google.tensorboard_experiment
        try:
            with translated(f"TensorBoard experiment {name}"):
                self._clients.tensorboard.create_tensorboard_experiment(
                    parent=board,
                    tensorboard_experiment=types.TensorboardExperiment(display_name=name, labels=_LABEL),
                    tensorboard_experiment_id=name,
                    **self._clients.once,
                )
        except AlreadyExists:
            pass  # an earlier run's
        return f"{board}/experiments/{name}"

    def _series(self, run: str, name: str) -> str:
        """The id of the run's series of that name, made if need be."""
        if name not in self._ids:
            self._ids.update(self._listed(run))
        if name not in self._ids:
            types = _google.tensorboard_time_series.TensorboardTimeSeries
            series = types(display_name=name, value_type=types.ValueType.SCALAR, plugin_name="scalars")
            with translated(f"time series {name} of {run}"):
                made = self._clients.tensorboard.create_tensorboard_time_series(
                    parent=run, tensorboard_time_series=series, **self._clients.once
                )
            self._ids[name] = made.name.rpartition("/")[2]
        return self._ids[name]

    def _listed(self, run: str) -> dict[str, str]:
        with translated(f"time series of {run}"):
            found = self._clients.tensorboard.list_tensorboard_time_series(parent=run, **self._clients.idempotent)
            return {str(each.display_name): each.name.rpartition("/")[2] for each in found}

    def _next_step(self) -> int:
        if self._last_step is None:
            self._last_step = max((points[-1].step for points in self.read().values()), default=0)
        return self._last_step + 1


def _point(data: Any) -> Point:
    return Point(int(data.step), float(data.scalar.value), data.wall_time)
