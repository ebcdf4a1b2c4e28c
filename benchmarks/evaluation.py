"""Bootstrap and paired permutation of the AUC on 100,000 rows, beside scikit-learn's roc_auc_score in a loop.

The loop is measured on fewer resamples, in turn with ours, and given by resample: it costs the same each time.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks._measure import Line, medians, seconds
from gcpmlops.evaluation import Evaluation, bootstrap
from gcpmlops.evaluation.bootstrap import Drawing, RocAuc

_ROWS, _RESAMPLES, _LOOP, _ROUNDS = 100_000, 1_000, 25, 3
_UNIT = "resamples/s"
_PEER = f"scikit-learn in a loop, by {_LOOP} resamples"
_RNG = np.random.default_rng(0)
_TARGETS = _RNG.random(_ROWS) < 0.3


def lines() -> Iterator[Line]:
    scores = np.clip(0.3 + 0.1 * _TARGETS + _RNG.normal(0, 0.15, _ROWS), 0, 1)
    for name, given in (("no ties", scores), ("scores of 3 digits", scores.round(3))):
        yield _bootstrap(name, given)
    yield _permutation(scores)
    yield Line("bootstrap of AUC: memory at its peak", _peak(scores), None, "MiB", 64, absolute=True)


def _bootstrap(name: str, scores: Any) -> Line:
    def ours() -> object:
        return bootstrap.resample([RocAuc(_TARGETS, scores)], _ROWS, Drawing(_RESAMPLES))

    def loop() -> None:
        generator = np.random.default_rng(0)
        for _ in range(_LOOP):
            drawn = generator.integers(_ROWS, size=_ROWS)
            roc_auc_score(_TARGETS[drawn], scores[drawn])

    title = f"bootstrap of AUC, {_ROWS:,} rows x {_RESAMPLES:,} resamples, {name}"
    return _line(title, ours, loop, 5)


def _permutation(scores: Any) -> Line:
    """The difference of two models under swaps of their predictions; compare() draws its bootstrap as well."""
    import pandas as pd

    other = np.clip(scores + np.random.default_rng(1).normal(0, 0.02, _ROWS), 0, 1)
    frame = pd.DataFrame({"y": _TARGETS.astype(int), "a": scores, "b": other})
    evaluation = Evaluation(None, None)  # type: ignore[arg-type]  # the rows are at hand
    models = [evaluation.classification(frame, target="y", score=name, resamples=0) for name in "ab"]

    def ours() -> object:
        return evaluation.compare(*models, metrics=["roc_auc"], resamples=_RESAMPLES)

    def loop() -> None:
        generator = np.random.default_rng(0)
        for _ in range(_LOOP):
            drawn = generator.integers(_ROWS, size=_ROWS)
            _ = [roc_auc_score(_TARGETS[drawn], each[drawn]) for each in (scores, other)]
            swap = generator.integers(2, size=_ROWS).astype(bool)
            pairs = (np.where(swap, scores, other), np.where(swap, other, scores))
            _ = [roc_auc_score(_TARGETS, each) for each in pairs]

    title = f"paired bootstrap and permutation of AUC, {_ROWS:,} rows x {_RESAMPLES:,} resamples"
    return _line(title, ours, loop, 5)


def _line(title: str, ours: Callable[[], object], loop: Callable[[], object], target: float) -> Line:
    times = medians({"ours": lambda: seconds(ours), "loop": lambda: seconds(loop)}, _ROUNDS, warm=0)
    speeds = _RESAMPLES / times["ours"], _LOOP / times["loop"]
    return Line(title, speeds[0], speeds[1], _UNIT, target, at_least=True, peer_name=_PEER)


def _peak(scores: Any) -> float:
    """Of what is allocated beside the rows."""
    tracemalloc.start()
    bootstrap.resample([RocAuc(_TARGETS, scores)], _ROWS, Drawing(20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20
