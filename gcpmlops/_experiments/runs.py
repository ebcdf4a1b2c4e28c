"""Runs: the handle on one as it was, and the one that is being written."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from gcpmlops import _extras, _google, _html
from gcpmlops._experiments import values
from gcpmlops._experiments.artifacts import Artifact, Artifacts
from gcpmlops._experiments.graph import METRICS, PARAMS, STATE, Graph, plain
from gcpmlops._experiments.series import Point, Series
from gcpmlops._experiments.values import Value
from gcpmlops.clients import Clients
from gcpmlops.exceptions import GcpMlopsError, InvalidArgument
from gcpmlops.types import Path_

if TYPE_CHECKING:
    import pandas

    from gcpmlops.storage import Storage

_log = logging.getLogger("gcpmlops.experiments")
STATES = ("NEW", "RUNNING", "COMPLETE", "FAILED", "CACHED", "CANCELLED")


@dataclass(frozen=True)
class Run:
    """A run as it was when asked for; `proto` is Google's Context of schema system.ExperimentRun."""

    proto: _google.context.Context = field(repr=False)
    experiment: str
    _place: Place = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """The run's name in its experiment."""
        return str(self.proto.display_name)

    @property
    def resource_name(self) -> str:
        """The full name of its context."""
        return str(self.proto.name)

    @cached_property
    def _metadata(self) -> dict[str, Any]:
        return plain(self.proto)

    @property
    def state(self) -> str:
        """RUNNING, COMPLETE, FAILED, ..."""
        return str(self._metadata.get(STATE, "STATE_UNSPECIFIED"))

    @property
    def params(self) -> dict[str, Value]:
        """What went into it."""
        return dict(self._metadata.get(PARAMS, {}))

    @property
    def metrics(self) -> dict[str, Value]:
        """What came out of it; `time_series` has what was logged by step."""
        return dict(self._metadata.get(METRICS, {}))

    @property
    def created(self) -> datetime | None:
        """When it was started."""
        created: datetime | None = self.proto.create_time
        return created

    @property
    def duration(self) -> float | None:
        """Seconds from its start to its last change."""
        start, end = self.proto.create_time, self.proto.update_time
        return (end - start).total_seconds() if start and end else None

    @cached_property
    def time_series(self) -> dict[str, list[Point]]:
        """The points of each metric that was logged by step."""
        return self._place.series(self.proto).read()

    @property
    def artifacts(self) -> list[Artifact]:
        """Its files and models."""
        return self._place.artifacts(self.proto).listed()

    def series_dataframe(self) -> pandas.DataFrame:
        """One row a step, one column a metric. Raises MissingExtra."""
        make = _extras.need("pandas", extra="plots", purpose="series_dataframe()").DataFrame
        columns = {name: {p.step: p.value for p in points} for name, points in self.time_series.items()}
        frame: pandas.DataFrame = make(columns).sort_index().rename_axis("step")
        return frame

    def __repr__(self) -> str:
        return f"Run({self.experiment!r}, {self.name!r}, {self.state})"

    def _repr_html_(self) -> str:
        rows = {f"param {name}": value for name, value in self.params.items()}
        rows |= {f"metric {name}": value for name, value in self.metrics.items()}
        return _html.card(f"{self.experiment} / {self.name}", {"state": self.state, **rows})


@dataclass(frozen=True)
class Place:
    """Where an experiment's runs live: what their parts are read and written with."""

    clients: Clients
    storage: Storage
    graph: Graph
    experiment: _google.context.Context

    def series(self, run: _google.context.Context) -> Series:
        """The time series of a run."""
        return Series(self.clients, self.graph, self.experiment, run)

    def artifacts(self, run: _google.context.Context) -> Artifacts:
        """The artifacts of a run."""
        return Artifacts(self.clients, self.storage, self.graph, run)


class ActiveRun:
    """A run that is being written. As a context manager it ends itself: COMPLETE, or FAILED by an exception."""

    def __init__(self, place: Place, context: _google.context.Context) -> None:
        self._place = place
        self._context = context
        self._series = place.series(context)

    @property
    def name(self) -> str:
        """The run's name in its experiment."""
        return str(self._context.display_name)

    @property
    def experiment(self) -> str:
        """Its experiment's name."""
        return str(self._place.experiment.name).rpartition("/")[2]

    @property
    def resource_name(self) -> str:
        """The full name of its context."""
        return str(self._context.name)

    @property
    def handle(self) -> Run:
        """The run as last written from here."""
        return Run(self._context, self.experiment, self._place)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Set parameters: numbers and text (UpdateContext). Raises InvalidArgument."""
        self._merge(PARAMS, values.check_params(params))

    def log_param(self, name: str, value: Any) -> None:
        """Set one parameter."""
        self.log_params({name: value})

    def log_metrics(self, metrics: Mapping[str, Any], *, step: int | None = None) -> None:
        """Set metrics that sum the run up; with `step` they are points of time series (`log_metric`)."""
        if step is not None:
            self.log_time_series(metrics, step=step)
        else:
            self._merge(METRICS, values.check_metrics(metrics))

    def log_metric(self, name: str, value: Any, *, step: int | None = None, time: datetime | None = None) -> None:
        """Set one metric; with `step` it is a point of the time series `name`, kept in the experiment's TensorBoard."""
        if step is None:
            self.log_metrics({name: value})
        else:
            self.log_time_series({name: value}, step=step, time=time)

    def log_time_series(
        self, metrics: Mapping[str, Any], *, step: int | None = None, time: datetime | None = None
    ) -> None:
        """Write one point of each series, at the step after the last without `step`. NaN is a value like others here.

        The first point makes what is behind it: the project's default TensorBoard where the experiment has none, and
        a TensorBoard run. API: TensorboardService.WriteTensorboardRunData.
        """
        points = values.check_points(metrics, step)
        if points:
            self._series.write(points, step=step, time=time)

    def log_artifact(
        self,
        source: Path_,
        *,
        name: str | None = None,
        kind: str = "system.Artifact",
        metadata: Mapping[str, Any] | None = None,
    ) -> Artifact:
        """Keep a file or folder, which is uploaded to the staging bucket, or a gs:// URI as it is.

        `kind` is a schema of the metadata store: system.Artifact, system.Dataset, system.Model, ... Raises
        InvalidArgument for a path that does not exist.
        """
        return self._artifacts.file(source, name=name, kind=kind, metadata=metadata)

    def log_model(self, model: Any, *, name: str = "model") -> Artifact:
        """Keep a scikit-learn or XGBoost model, a model's file or folder, or its gs:// URI."""
        if isinstance(model, str) or hasattr(model, "__fspath__"):
            return self._artifacts.file(model, name=name, kind="system.Model", metadata=None)
        return self._artifacts.model(model, name=name)

    def end(self, *, state: str = "COMPLETE") -> Run:
        """Say how it ended: COMPLETE, FAILED, CANCELLED. Raises InvalidArgument."""
        if state not in STATES:
            raise InvalidArgument(f"state is {state!r}", field="state", value=state, allowed=", ".join(STATES))
        self._update(lambda metadata: metadata.update({STATE: state}))
        return self.handle

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        failed = exc is not None and not (isinstance(exc, SystemExit) and exc.code in (None, 0))
        try:
            self.end(state="FAILED" if failed else "COMPLETE")
        except GcpMlopsError as error:
            if exc is None:
                raise
            # what went wrong in the block says more than that it could not be written down
            _log.warning("run %s could not be marked FAILED: %s", self.name, error)

    def _merge(self, key: str, given: Mapping[str, Value]) -> None:
        def change(metadata: dict[str, Any]) -> None:
            metadata[key] = {**metadata.get(key, {}), **given}
            values.check_size(metadata, self.name)

        if given:
            self._update(change)

    def _update(self, change: Any) -> None:
        self._context = self._place.graph.update(self._context, change, what=f"run {self.name} of {self.experiment}")

    @cached_property
    def _artifacts(self) -> Artifacts:
        return self._place.artifacts(self._context)

    def __repr__(self) -> str:
        return f"ActiveRun({self.experiment!r}, {self.name!r})"
