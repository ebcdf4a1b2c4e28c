"""A worker for `search`: stdin has lines "FUNCTION SEED", stdout gets the best value and the seconds per suggestion.

Runs as a file in two environments, with this project and with torch: it imports Optuna and numpy, and what the sampler
needs. ``python _sampling.py SAMPLER``
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

TRIALS = 30


@dataclass(frozen=True)
class Function:
    """To be minimised within the bounds; ``minimum`` is its least value there."""

    value: Callable[[Sequence[float]], float]
    bounds: Sequence[tuple[float, float]]
    minimum: float


def _branin(x: Sequence[float]) -> float:
    bend = x[1] - 5.1 / (4 * math.pi**2) * x[0] ** 2 + 5 / math.pi * x[0] - 6
    return bend**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x[0]) + 10


_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_SLOPES = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_CENTRES = np.array(
    [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
)


def _hartmann6(x: Sequence[float]) -> float:
    return -float(_WEIGHTS @ np.exp(-(_SLOPES * np.square(np.array(x) - _CENTRES)).sum(axis=1)))


def _ackley5(x: Sequence[float]) -> float:
    at = np.array(x)
    return float(
        20 - 20 * np.exp(-0.2 * np.sqrt(np.square(at).mean())) + math.e - np.exp(np.cos(2 * math.pi * at).mean())
    )


def _rosenbrock4(x: Sequence[float]) -> float:
    at = np.array(x)
    return float((100 * np.square(at[1:] - at[:-1] ** 2) + np.square(1 - at[:-1])).sum())


FUNCTIONS = {
    "Branin": Function(_branin, [(-5, 10), (0, 15)], 0.397887),
    "Hartmann6": Function(_hartmann6, [(0, 1)] * 6, -3.322368),
    "Ackley5": Function(_ackley5, [(-32.768, 32.768)] * 5, 0.0),
    "Rosenbrock4": Function(_rosenbrock4, [(-5, 10)] * 4, 0.0),
}


def sampler(name: str, seed: int) -> Any:
    if name == "ours":
        from gcpmlops.emulator.runtimes.search.gp import GaussianProcessSampler

        return GaussianProcessSampler(seed=seed)
    return getattr(optuna.samplers, name)(seed=seed)


def search(name: str, function: Function, seed: int) -> tuple[float, float]:
    """The best value, and the mean time of a suggestion (of all trials, those without a model too)."""
    study = optuna.create_study(sampler=sampler(name, seed))
    spent = 0.0
    for _ in range(TRIALS):
        started = time.perf_counter()
        trial = study.ask()
        x = [trial.suggest_float(f"x{i}", *bounds) for i, bounds in enumerate(function.bounds)]
        spent += time.perf_counter() - started
        study.tell(trial, function.value(x))
    return study.best_value, spent / TRIALS


def main() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search(sys.argv[1], FUNCTIONS["Branin"], seed=-1 % 2**31)  # imports and caches
    for line in sys.stdin:
        function, seed = line.split()
        print(*search(sys.argv[1], FUNCTIONS[function], int(seed)), flush=True)


if __name__ == "__main__":
    main()
