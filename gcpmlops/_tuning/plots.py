"""Pictures of a search, drawn by optuna.visualization from a study that is rebuilt from the trials (extra `plots`)."""

from __future__ import annotations

import html
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _extras, _plots
from gcpmlops._tuning.trials import Trial, Trials
from gcpmlops.exceptions import FailedPrecondition

if TYPE_CHECKING:
    import plotly.graph_objects

_PURPOSE = "a plot of a search"


def history(job: Any, trials: Trials, metric: str | None) -> plotly.graph_objects.Figure:
    """Value by trial, and the best so far."""
    name, _ = trials.metric(metric)
    _enough(job, trials, name, 1)
    with _quiet() as optuna:
        figure = optuna.visualization.plot_optimization_history(_study(optuna, job, trials, name), target_name=name)
    for drawn in figure.data:  # Optuna counts its trials from 0, Vertex AI from 1
        drawn.x = [number + 1 for number in drawn.x]
    return _titled(figure, f"{job.display_name}: {name} by trial")


def parallel_coordinates(job: Any, trials: Trials, metric: str | None) -> plotly.graph_objects.Figure:
    """A line for each trial through the parameters that all of them have."""
    name, _ = trials.metric(metric)
    scored = _enough(job, trials, name, 1)
    # Optuna leaves out trials that lack a parameter: conditional ones would take most trials with them
    shared = sorted(set.intersection(*(set(trial.parameters) for trial in scored)))
    with _quiet() as optuna:
        study = _study(optuna, job, trials, name)
        figure = optuna.visualization.plot_parallel_coordinate(study, params=shared or None, target_name=name)
    return _titled(figure, f"{job.display_name}: parameters and {name}")


def importances(job: Any, trials: Trials, metric: str | None) -> plotly.graph_objects.Figure:
    """The share of each parameter in how far the results differ."""
    name, _ = trials.metric(metric)
    scored = _enough(job, trials, name, 2)
    if len({trial.metrics[name] for trial in scored}) < 2:
        raise FailedPrecondition(f"all trials of {job.display_name} have the same {name}: nothing made a difference")
    _extras.need("sklearn", extra="plots", purpose=_PURPOSE)
    with _quiet() as optuna:
        study = _study(optuna, job, trials, name)
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        figure = optuna.visualization.plot_param_importances(study, evaluator=evaluator, target_name=name)
    return _titled(figure, f"{job.display_name}: what {name} depends on")


def report(job: Any, trials: Trials, path: Path, metric: str | None) -> Path:
    """All three and the table, in one HTML file that needs no network; what cannot be drawn yet says why."""
    parts: list[Any] = [_summary(job, trials, metric), history(job, trials, metric)]
    for draw in (parallel_coordinates, importances):
        try:
            parts.append(draw(job, trials, metric))
        except FailedPrecondition as exc:
            parts.append(f"<p>{html.escape(exc.message)}</p>")
    parts.append(trials._repr_html_())
    return _plots.page(path, str(job.display_name), parts)


def _summary(job: Any, trials: Trials, metric: str | None) -> str:
    best = trials.best(metric)
    ended = f"{len(trials.ended())} of {job.max_trial_count} trials, {job.state.name}"
    return f"<p>{html.escape(ended)}</p><p>Best: {html.escape(str(best))}</p>"


def _enough(job: Any, trials: Trials, metric: str, least: int) -> list[Trial]:
    scored = trials.scored(metric)
    if len(scored) < least:
        have = f"{len(scored)} of {len(trials)} trials"
        raise FailedPrecondition(
            f"{job.display_name}: {have} succeeded with {metric}; the plot needs {least}",
            resource=str(job.name),
            next_step="Wait for more: `gcpmlops tuning wait`; or see `gcpmlops tuning trials`.",
        )
    return scored


@contextmanager
def _quiet() -> Iterator[Any]:
    """Optuna without its log lines about a study that only exists to be drawn, and its notes on experimental parts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optuna = _extras.need("optuna", extra="plots", purpose=_PURPOSE)  # its tqdm misses widgets in notebooks
        _extras.need("plotly", extra="plots", purpose=_PURPOSE)
        level = optuna.logging.get_verbosity()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        try:
            yield optuna
        finally:
            optuna.logging.set_verbosity(level)


def _study(optuna: Any, job: Any, trials: Trials, metric: str) -> Any:
    """An Optuna study with all trials, so that numbers agree; those without the metric count as failed."""
    _, most = trials.metric(metric)
    study = optuna.create_study(direction="maximize" if most else "minimize", study_name=str(job.display_name))
    known = dict(_distributions(optuna, job.study_spec.parameters))
    scored = {trial.id for trial in trials.scored(metric)}
    for trial in trials:
        used = {name: known[name] for name in trial.parameters if name in known}
        ended = {"value": trial.metrics[metric]} if trial.id in scored else {"state": optuna.trial.TrialState.FAIL}
        params = {name: trial.parameters[name] for name in used}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=used, **ended))
    return study


def _distributions(optuna: Any, specs: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    for spec in specs:
        yield spec.parameter_id, _distribution(optuna.distributions, spec)
        yield from _distributions(optuna, [each.parameter_spec for each in spec.conditional_parameter_specs])


def _distribution(kinds: Any, spec: Any) -> Any:
    """Discrete values are a range: they have an order, which an axis shows."""
    log = spec.scale_type.name == "UNIT_LOG_SCALE"
    if "categorical_value_spec" in spec:
        return kinds.CategoricalDistribution(list(spec.categorical_value_spec.values))
    if "integer_value_spec" in spec:
        return kinds.IntDistribution(
            int(spec.integer_value_spec.min_value), int(spec.integer_value_spec.max_value), log=log
        )
    if "discrete_value_spec" in spec:
        values = list(spec.discrete_value_spec.values)
        return kinds.FloatDistribution(min(values), max(values), log=log)
    return kinds.FloatDistribution(spec.double_value_spec.min_value, spec.double_value_spec.max_value, log=log)


def _titled(figure: Any, title: str) -> plotly.graph_objects.Figure:
    figure.update_layout(title=html.escape(title), template=_plots.TEMPLATE)
    return figure
