"""Model-based suggestions: the observations become an Optuna study, whose sampler is asked for one more trial."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from gcpmlops.emulator.runtimes.search import space as spaces
from gcpmlops.emulator.runtimes.search.gp import GaussianProcessSampler
from gcpmlops.emulator.runtimes.search.space import Categorical, Discrete, Double, Integer, Parameter, Point, Value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcpmlops.emulator.runtimes.search.search import Observation, Search

optuna.logging.set_verbosity(optuna.logging.WARNING)

_DIRECTIONS = {True: StudyDirection.MAXIMIZE, False: StudyDirection.MINIMIZE}


def suggest(search: Search, observations: Sequence[Observation], fixed: Mapping[str, Value], seed: int) -> Point:
    """One point. Infeasible observations count as bad as the worst that was seen."""
    directions = [_DIRECTIONS[goal.maximize] for goal in search.objectives]
    sampler = GaussianProcessSampler(seed=seed)
    study = optuna.create_study(storage=optuna.storages.InMemoryStorage(), sampler=sampler, directions=directions)
    worst = _worst(search, observations)
    study.add_trials([trial for each in observations if (trial := _trial(search, each, worst)) is not None])
    asked = study.ask()

    def pick(key: str, parameter: Parameter) -> Value:
        if parameter.id in fixed:
            return fixed[parameter.id]
        return _value(parameter, _ask(asked, key, _distribution(parameter)))

    return spaces.choose(search.space, pick)


def _ask(trial: optuna.Trial, key: str, distribution: BaseDistribution) -> Value:
    if isinstance(distribution, CategoricalDistribution):
        return str(trial.suggest_categorical(key, distribution.choices))
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(key, distribution.low, distribution.high, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)  # noqa: S101 - the only other kind made here
    return trial.suggest_float(key, distribution.low, distribution.high, log=distribution.log)


def _worst(search: Search, observations: Sequence[Observation]) -> list[float] | None:
    complete = [each.values for each in observations if each.values is not None and search.complete(each)]
    if not complete:
        return None
    return [
        (min if goal.maximize else max)(values[goal.metric_id] for values in complete) for goal in search.objectives
    ]


def _trial(search: Search, observation: Observation, worst: list[float] | None) -> FrozenTrial | None:
    """None for parameters of another space, from which a model can't learn."""
    try:
        found = spaces.nodes(search.space, observation.parameters)
    except LookupError:
        return None
    params = {key: _internal(parameter, value) for key, (parameter, value) in found.items()}
    distributions = {key: _distribution(parameter) for key, (parameter, _) in found.items()}
    if observation.active:
        return create_trial(state=TrialState.RUNNING, params=params, distributions=distributions)
    if not search.complete(observation):
        state = TrialState.FAIL if worst is None else TrialState.COMPLETE
        return create_trial(state=state, values=worst, params=params, distributions=distributions)
    values = observation.values or {}
    return create_trial(
        values=[values[goal.metric_id] for goal in search.objectives],
        params=params,
        distributions=distributions,
        constraints=search.violations(observation) or None,
    )


def _distribution(parameter: Parameter) -> BaseDistribution:
    if isinstance(parameter, Categorical):
        return CategoricalDistribution(parameter.values)
    if isinstance(parameter, Discrete):
        return IntDistribution(0, len(parameter.values) - 1)
    log = parameter.scale != "LINEAR"
    if isinstance(parameter, Integer):
        return IntDistribution(parameter.min, parameter.max, log=log)
    return FloatDistribution(parameter.min, parameter.max, log=log)


def _internal(parameter: Parameter, value: Value) -> Value:
    """Discrete values by their index, reverse scales mirrored."""
    if isinstance(parameter, Discrete):
        return min(range(len(parameter.values)), key=lambda i: abs(parameter.values[i] - float(value)))
    return _mirrored(parameter, value)


def _value(parameter: Parameter, internal: Value) -> Value:
    if isinstance(parameter, Discrete):
        return parameter.values[int(internal)]
    return _mirrored(parameter, internal)


def _mirrored(parameter: Parameter, value: Value) -> Value:
    if isinstance(parameter, Categorical) or isinstance(value, str):
        return value
    if isinstance(parameter, Double | Integer) and parameter.scale == "REVERSE_LOG":
        value = parameter.min + parameter.max - value
    if isinstance(parameter, Integer):
        return int(value)
    return max(parameter.min, min(parameter.max, float(value))) if isinstance(parameter, Double) else float(value)
