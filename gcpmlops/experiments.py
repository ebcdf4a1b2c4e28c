"""Experiments of Vertex AI: runs as context managers, parameters, metrics, time series, artifacts, comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html
from gcpmlops._experiments import graph, values
from gcpmlops._experiments.artifacts import Artifact
from gcpmlops._experiments.comparison import Comparison
from gcpmlops._experiments.graph import Graph
from gcpmlops._experiments.runs import ActiveRun, Place, Run
from gcpmlops._experiments.series import Point
from gcpmlops.clients import Clients
from gcpmlops.exceptions import AlreadyExists, InvalidArgument, NotFound
from gcpmlops.types import Labels, check_labels

if TYPE_CHECKING:
    from gcpmlops.storage import Storage

__all__ = ["ActiveRun", "Artifact", "Comparison", "Experiment", "Experiments", "Point", "Run"]

_LIST_HINT = "See them with `gcpmlops experiments list`."


@dataclass(frozen=True)
class Experiment:
    """An experiment as it was when asked for; `proto` is Google's Context of schema system.Experiment."""

    proto: _google.context.Context = field(repr=False)
    _experiments: Experiments = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """Its name, which is its context's id."""
        return str(self.proto.name).rpartition("/")[2]

    @property
    def resource_name(self) -> str:
        """The full name of its context."""
        return str(self.proto.name)

    @property
    def description(self) -> str:
        """What it is for."""
        return str(self.proto.description)

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.proto.labels)

    @property
    def created(self) -> datetime | None:
        """When it was made."""
        created: datetime | None = self.proto.create_time
        return created

    @property
    def tensorboard(self) -> str | None:
        """The TensorBoard that holds its time series, where it has one."""
        return graph.plain(self.proto).get("backing_tensorboard_resource")

    def run(self, name: str | None = None, *, resume: bool = False) -> ActiveRun:
        """Start a run in it."""
        return self._experiments.run(self.name, name, resume=resume)

    def runs(self) -> Sequence[Run]:
        """Its runs, newest first."""
        return self._experiments.runs(self.name)

    def compare(self, *, metrics: Sequence[str] = ()) -> Comparison:
        """Its runs side by side."""
        return self._experiments.compare(self.name, metrics=metrics)

    def delete(self) -> None:
        """Delete it, its runs and their time series."""
        self._experiments.delete(self.name)

    def __repr__(self) -> str:
        return f"Experiment({self.name!r})"

    def _repr_html_(self) -> str:
        shown = {"name": self.resource_name, "description": self.description, "created": self.created}
        return _html.card(self.name, shown)


class Experiments:
    """`client.experiments`. API: Vertex AI v1 MetadataService, TensorboardService for time series.

    Resources are laid out as Google's SDK lays them out: `aiplatform.get_experiment_df` sees these runs, and the SDK's
    are seen here.
    """

    def __init__(self, clients: Clients, storage: Storage) -> None:
        self._clients = clients
        self._storage = storage
        self._graph = Graph(clients)

    def create(self, name: str, *, description: str = "", labels: Labels | None = None) -> Experiment:
        """A new experiment (CreateContext). Raises AlreadyExists, InvalidArgument."""
        fields: dict[str, Any] = {"display_name": values.check_experiment(name), "description": description}
        made = self._graph.create(
            name,
            schema=graph.EXPERIMENT,
            metadata={"experiment_deleted": False},
            what=f"experiment {name}",
            labels=check_labels(labels),
            **fields,
        )
        return Experiment(made, self)

    def ensure(self, name: str, *, description: str | None = None, labels: Labels | None = None) -> Experiment:
        """The experiment, made if need be; a description and labels that are given are set."""
        found = self._find(name)
        if found is None:
            try:
                return self.create(name, description=description or "", labels=labels)
            except AlreadyExists:  # somebody else was faster
                return self.get(name)
        wanted: dict[str, Any] = {"description": description} if description is not None else {}
        wanted |= {"labels": check_labels(labels)} if labels is not None else {}
        if all(getattr(found, key) == value for key, value in wanted.items()):
            return found
        return Experiment(self._graph.update(found.proto, lambda _: None, what=f"experiment {name}", **wanted), self)

    def get(self, name: str) -> Experiment:
        """The experiment, by name or full resource name. Raises NotFound."""
        name = _last(name)
        context = self._graph.get(values.check_experiment(name), what=f"experiment {name}", next_step=_LIST_HINT)
        return self._checked(context, name)

    def list(self, *, filter: str | None = None) -> list[Experiment]:  # noqa: A002 - the API calls it so
        """The location's experiments (ListContexts); `filter` as in the API: `display_name="flights"`."""
        found = self._graph.contexts(graph.EXPERIMENT, where=filter)
        return [Experiment(each, self) for each in found if graph.TENSORBOARD_LINK not in graph.plain(each)]

    def run(
        self,
        experiment: str | None = None,
        name: str | None = None,
        *,
        resume: bool = False,
        params: Mapping[str, Any] | None = None,
        description: str | None = None,
    ) -> ActiveRun:
        """Start a run: `with client.experiments.run("flights", "deep-trees") as run: run.log_metrics({"auc": 0.7})`.

        The experiment is made if need be. Without names the experiment and the run are those of the settings
        (`Config.experiment`, `Config.experiment_run`): in a job of an experiment, its own, which goes on. Without a
        name of the run anywhere it is the time. `resume` goes on with a run that exists, and makes it otherwise.
        An exception in the block makes the run FAILED and goes on. Raises AlreadyExists, InvalidArgument, ConfigError.
        """
        config = self._clients.config
        where = self.ensure(_last(experiment or config.require("experiment")), description=description)
        own = experiment is None or where.name == _last(config.experiment or "")
        if name is None and own and config.experiment_run:
            name, resume = _last(config.experiment_run).removeprefix(f"{where.name}-"), True
        name = values.check_run(where.name, name or f"run-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}")
        place = self._place(where)
        run = ActiveRun(place, self._resumed(where, name) if resume else self._started(where, name))
        if params:
            run.log_params(params)
        return run

    def get_run(self, experiment: str, name: str) -> Run:
        """A run. Raises NotFound."""
        where = self.get(experiment)
        values.check_run(where.name, name)
        hint = f"See them with `gcpmlops experiments runs {where.name}`."
        context = self._graph.get(f"{where.name}-{name}", what=f"run {name} of {where.name}", next_step=hint)
        if context.schema_title != graph.RUN:
            raise NotFound(f"{context.name} is a {context.schema_title}, not a run", resource=str(context.name))
        return Run(context, where.name, self._place(where))

    def runs(self, experiment: str, *, filter: str | None = None) -> Sequence[Run]:  # noqa: A002 - the API calls it so
        """The experiment's runs, newest first (ListContexts). Raises NotFound."""
        where = self.get(experiment)
        place = self._place(where)
        found = self._graph.contexts(graph.RUN, parent=where.resource_name, where=filter)
        runs = [Run(each, where.name, place) for each in found]
        return sorted(runs, key=lambda run: run.proto.create_time, reverse=True)

    def compare(
        self,
        experiment: str,
        *,
        runs: Sequence[str] = (),
        metrics: Sequence[str] = (),
        time_series: bool = True,
    ) -> Comparison:
        """Runs side by side, oldest first: `.to_dataframe()`, `.plot()`, `.report("runs.html")`.

        All runs, or those named; all metrics, or those named. Without `time_series` what was logged by step is not
        read, which is faster. Raises NotFound, InvalidArgument for a run or metric that is not there.
        """
        if isinstance(metrics, str) or isinstance(runs, str):
            raise InvalidArgument("metrics and runs are lists", field="metrics", allowed='["auc", "loss"]')
        found = {run.name: run for run in reversed(self.runs(experiment))}
        missing = [name for name in runs if name not in found]
        if missing:
            hint = f"Its runs: {', '.join(found) or 'none'}"
            raise NotFound(f"{experiment} has no run {missing[0]}", resource=missing[0], next_step=hint)
        chosen = [found[name] for name in runs] if runs else [*found.values()]
        return Comparison(_last(experiment), chosen, tuple(metrics), time_series).check()

    def delete_run(self, experiment: str, name: str) -> None:
        """Delete a run and its time series; artifacts stay (DeleteContext, DeleteTensorboardRun). Raises NotFound."""
        self._delete_run(self.get_run(experiment, name))

    def delete(self, name: str) -> None:
        """Delete an experiment, its runs and their time series; artifacts stay. Raises NotFound."""
        found = self.get(name)
        for run in self.runs(found.name):
            self._delete_run(run)
        self._graph.delete(found.proto, what=f"experiment {found.name}")

    def _delete_run(self, run: Run) -> None:
        run._place.series(run.proto).delete()
        self._graph.delete(run.proto, what=f"run {run.name} of {run.experiment}")

    def _started(self, experiment: Experiment, name: str) -> Any:
        try:
            context = self._graph.create(
                f"{experiment.name}-{name}",
                schema=graph.RUN,
                metadata={graph.PARAMS: {}, graph.METRICS: {}, graph.STATE: "RUNNING"},
                what=f"run {name} of {experiment.name}",
                display_name=name,
            )
        except AlreadyExists as exc:
            hint = f"Go on with it: resume=True; or `gcpmlops experiments delete-run {experiment.name} {name}`."
            raise AlreadyExists(exc.message, resource=exc.resource, next_step=hint) from exc
        self._graph.adopt(experiment.proto, context, what=f"run {name} of {experiment.name}")
        return context

    def _resumed(self, experiment: Experiment, name: str) -> Any:
        what = f"run {name} of {experiment.name}"
        context = self._graph.find(f"{experiment.name}-{name}", what=what)
        if context is None:
            return self._started(experiment, name)
        return self._graph.update(context, lambda metadata: metadata.update({graph.STATE: "RUNNING"}), what=what)

    def _place(self, experiment: Experiment) -> Place:
        return Place(self._clients, self._storage, self._graph, experiment.proto)

    def _find(self, name: str) -> Experiment | None:
        context = self._graph.find(values.check_experiment(name), what=f"experiment {name}")
        return None if context is None else self._checked(context, name)

    def _checked(self, context: Any, name: str) -> Experiment:
        if context.schema_title != graph.EXPERIMENT or graph.TENSORBOARD_LINK in graph.plain(context):
            kind = context.schema_title if context.schema_title != graph.EXPERIMENT else "job's own TensorBoard context"
            raise InvalidArgument(
                f"{name} is a {kind}, not an experiment",
                field="experiment",
                value=name,
                resource=str(context.name),
                next_step=_LIST_HINT,
            )
        return Experiment(context, self)


def _last(name: str) -> str:
    """Full resource names count by their last part."""
    return name.rpartition("/")[2]
