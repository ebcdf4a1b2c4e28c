"""A Gaussian-process sampler for Optuna that needs numpy only."""

from __future__ import annotations

import math
import secrets
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState
from threadpoolctl import ThreadpoolController

from gcpmlops.emulator.runtimes.search.coding import Coding
from gcpmlops.emulator.runtimes.search.descent import Array, Mask
from gcpmlops.emulator.runtimes.search.proposal import proposed, scattered

_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_FEWEST = 2  # values, for a model
_TCHEBYCHEFF = 0.05  # weight of the sum beside the maximum, as in ParEGO


class GaussianProcessSampler(BaseSampler):
    """Bayesian search by the expected improvement under Gaussian processes, averaged over their hyperparameters.

    What it suggests follows from the seed, the trial's number and the study's other trials, nothing else: a sampler
    made anew goes on where another one stopped.

    * The first trials are spread over the space: ``n_startup_trials``, by default one per parameter and 2, 5 to 10.
    * Running trials count as if they had returned what is expected of them, so parallel suggestions differ.
    * Failed trials, values that are no numbers, and trials that violate a constraint count as the worst value seen.
    * Pruned trials count with their last intermediate value.
    * Several objectives become one by random weights, drawn for each trial (ParEGO).
    * Parameters that not all finished trials have (conditional ones) are sampled by Optuna's TPE, one by one.
    """

    def __init__(self, *, seed: int | None = None, n_startup_trials: int | None = None) -> None:
        self._seed = secrets.randbits(63) if seed is None else seed
        self._startup = n_startup_trials
        self._independent = TPESampler(seed=seed)

    def reseed_rng(self) -> None:
        """Nothing to do for what follows from the trial's number."""
        self._independent.reseed_rng()

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The parameters that all finished trials have in common, but those with one value only."""
        trials = [other for other in study.get_trials(deepcopy=False, states=_FINISHED) if other.params]
        return {name: found for name, found in sorted(_common(trials).items()) if not found.single()}

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        rng = np.random.default_rng([self._seed, trial.number])
        coding = Coding(search_space)
        others = [other for other in study.get_trials(deepcopy=False) if other.number != trial.number]
        others = [other for other in others if _within(search_space, other)]
        finished = [other for other in others if other.state in _FINISHED]
        running = _rows(coding, [other for other in others if other.state not in _FINISHED])
        points = _rows(coding, finished)
        losses = _losses(study.directions, finished)
        good = np.isfinite(losses.sum(axis=1))
        startup = min(max(len(coding) + 2, 5), 10) if self._startup is None else self._startup
        if len(finished) < startup or good.sum() < _FEWEST:
            return coding.decode(scattered(coding, np.concatenate([points, running]), rng))
        values = _single(losses, good, rng)
        with _algebra().limit(limits=1, user_api="blas"):
            return coding.decode(proposed(coding, points, values, running, rng))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._independent.sample_independent(study, trial, param_name, param_distribution)


@cache
def _algebra() -> ThreadpoolController:
    """Matrices are small here: further threads would only wait for one another, for seconds on a busy machine."""
    return ThreadpoolController()


def _common(trials: Sequence[FrozenTrial]) -> dict[str, BaseDistribution]:
    """What all of them sampled from the same distribution."""
    if not trials:
        return {}
    first, *others = [trial.distributions for trial in trials]
    return {name: found for name, found in first.items() if all(other.get(name) == found for other in others)}


def _within(space: dict[str, BaseDistribution], trial: FrozenTrial) -> bool:
    return all(trial.distributions.get(name) == found for name, found in space.items())


def _rows(coding: Coding, trials: Sequence[FrozenTrial]) -> Array:
    if not trials:
        return np.empty((0, len(coding.groups)))
    return np.stack([coding.encode(trial.params) for trial in trials])


def _losses(directions: Sequence[StudyDirection], trials: Sequence[FrozenTrial]) -> Array:
    """Values to be minimised (trials, objectives); NaN for what counts as the worst."""
    signs = np.array([-1.0 if direction == StudyDirection.MAXIMIZE else 1.0 for direction in directions])
    rows = [_values(trial, len(signs)) for trial in trials]
    return signs * np.array(rows, dtype=np.float64).reshape(len(rows), len(signs))


def _values(trial: FrozenTrial, objectives: int) -> Sequence[float]:
    nothing = [math.nan] * objectives
    if trial.state == TrialState.PRUNED and trial.intermediate_values and objectives == 1:
        return [trial.intermediate_values[max(trial.intermediate_values)]]
    if trial.state != TrialState.COMPLETE or trial.values is None or _violates(trial):
        return nothing
    values: Sequence[float] = trial.values
    return values


def _violates(trial: FrozenTrial) -> bool:
    return any(violation > 0 for violation in (trial.constraints or {}).values())


def _single(losses: Array, good: Mask, rng: np.random.Generator) -> Array:
    """One finite value for each trial."""
    low, high = losses[good].min(axis=0), losses[good].max(axis=0)
    losses = np.clip(np.where(np.isnan(losses), np.inf, losses), low, high)
    losses[~good] = high
    if losses.shape[1] == 1:
        return losses[:, 0]
    shares = (losses - low) / np.maximum(high - low, 1e-300) * rng.dirichlet(np.ones(losses.shape[1]))
    single: Array = shares.max(axis=1) + _TCHEBYCHEFF * shares.sum(axis=1)
    return single
