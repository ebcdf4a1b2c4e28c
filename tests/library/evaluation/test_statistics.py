"""The bootstrap's weighted statistics are scikit-learn's metrics with sample_weight."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from gcpmlops.evaluation import bootstrap
from gcpmlops.evaluation.binary import Binary
from gcpmlops.evaluation.bootstrap import Drawing, PrAuc, RocAuc
from gcpmlops.evaluation.examples import Examples
from gcpmlops.evaluation.multiclass import Multiclass
from gcpmlops.evaluation.regression import Forecasting
from gcpmlops.exceptions import InvalidArgument

ROWS, RNG = 300, np.random.default_rng(1)
FRAME = pd.DataFrame({"x": range(ROWS)})
Y = RNG.random(ROWS) < 0.3
WEIGHTS = next(iter(bootstrap.counts(ROWS, 4, seed=3)))


def values(task, examples, weights):
    return {
        name: column
        for statistic in task.statistics(examples)
        for name, column in zip(statistic.names, statistic(weights).T, strict=True)
    }


@pytest.mark.parametrize("digits", [1, 2, 12], ids=["many ties", "some ties", "no ties"])
def test_ranking_with_ties(digits: int) -> None:
    scores = RNG.random(ROWS).round(digits)
    for statistic, peer in ((RocAuc, metrics.roc_auc_score), (PrAuc, metrics.average_precision_score)):
        expected = [peer(Y, scores, sample_weight=row) for row in WEIGHTS]
        assert statistic(Y, scores)(WEIGHTS)[:, 0] == pytest.approx(expected)


def test_binary() -> None:
    scores = RNG.random(ROWS).round(2)
    found = values(Binary(0.4), Examples(Y, scores, FRAME, (0, 1)), WEIGHTS)
    called = scores >= 0.4
    peers = {
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "precision": metrics.precision_score,
        "recall": metrics.recall_score,
        "f1": metrics.f1_score,
        "mcc": metrics.matthews_corrcoef,
    }
    for name, peer in peers.items():
        assert found[name] == pytest.approx([peer(Y, called, sample_weight=row) for row in WEIGHTS]), name
    for name, peer in {"log_loss": metrics.log_loss, "brier": metrics.brier_score_loss}.items():
        assert found[name] == pytest.approx([peer(Y, scores, sample_weight=row) for row in WEIGHTS]), name


def test_multiclass() -> None:
    targets, scores = RNG.integers(3, size=ROWS), RNG.dirichlet([1, 1, 1], ROWS)
    found = values(Multiclass(("a", "b", "c")), Examples(targets, scores, FRAME, ("a", "b", "c")), WEIGHTS)
    called = scores.argmax(axis=1)
    for row, weights in enumerate(WEIGHTS):
        weighted = {"sample_weight": weights}
        assert found["accuracy"][row] == pytest.approx(metrics.accuracy_score(targets, called, **weighted))
        for average in ("macro", "weighted"):
            expected = metrics.f1_score(targets, called, average=average, **weighted)
            assert found[f"f1_{average}"][row] == pytest.approx(expected)
        assert found["log_loss"][row] == pytest.approx(metrics.log_loss(targets, scores, **weighted))
        each = [metrics.roc_auc_score(targets == n, scores[:, n], **weighted) for n in range(3)]
        assert found["roc_auc_ovr"][row] == pytest.approx(np.mean(each))


def test_forecasting() -> None:
    truth = RNG.normal(10, 2, ROWS)
    said = truth + RNG.normal(0, 1, ROWS)
    more = {"scale": np.full(ROWS, 2.0), "0.9": said + 1}
    found = values(Forecasting(quantiles=(0.9,)), Examples(truth, said, FRAME, more=more), WEIGHTS)
    peers = {
        "mae": metrics.mean_absolute_error,
        "rmse": metrics.root_mean_squared_error,
        "r2": metrics.r2_score,
        "mape": metrics.mean_absolute_percentage_error,
    }
    for name, peer in peers.items():
        assert found[name] == pytest.approx([peer(truth, said, sample_weight=row) for row in WEIGHTS]), name
    assert found["mase"] == pytest.approx(found["mae"] / 2)
    pinball = [metrics.mean_pinball_loss(truth, said + 1, alpha=0.9, sample_weight=row) for row in WEIGHTS]
    assert found["pinball:0.9"] == pytest.approx(pinball)


@pytest.mark.parametrize("task", ["binary", "multiclass", "forecasting"])
def test_points_are_the_statistics_of_whole_rows(task: str) -> None:
    truth = RNG.normal(10, 2, ROWS)
    more = {"scale": np.full(ROWS, 2.0), "0.9": truth + 1}
    kind, examples = {
        "binary": (Binary(0.5), Examples(Y, RNG.random(ROWS), FRAME, (0, 1))),
        "multiclass": (
            Multiclass(("a", "b")),
            Examples(Y.astype(int), RNG.dirichlet([1, 1], ROWS), FRAME, ("a", "b")),
        ),
        "forecasting": (Forecasting(quantiles=(0.9,)), Examples(truth, truth + 0.3, FRAME, more=more)),
    }[task]
    points = kind.points(examples)
    found = values(kind, examples, np.ones((1, ROWS)))
    assert set(points) == set(found)
    assert {name: value[0] for name, value in found.items()} == pytest.approx(points)


@pytest.mark.parametrize("seed", range(12))
def test_slices_are_measured_as_scikit_learn_does(seed: int) -> None:
    """Few rows, ties, one class, nothing called: the same values, and undefined in the same places."""
    rng, rows = np.random.default_rng(seed), 1 + 2 * seed
    frame = pd.DataFrame({"x": range(rows)})
    binary = Examples(rng.random(rows) < rng.choice([0, 0.5, 1]), rng.random(rows).round(1), frame, (0, 1))
    several = Examples(rng.integers(1 + seed % 3, size=rows), rng.dirichlet([1, 1, 1], rows), frame)
    for task, examples in ((Binary(0.5), binary), (Binary(1), binary), (Multiclass(("a", "b", "c")), several)):
        found, peer = task.slice_points(examples), task.points(examples)
        assert found == pytest.approx(peer, nan_ok=True)
        assert all(task.undefined(name, examples) for name, value in peer.items() if np.isnan(value))


@pytest.mark.parametrize("task", ["binary", "multiclass", "forecasting"])
def test_what_swaps_change_is_the_difference_of_both_sides(task: str) -> None:
    """Rows of two models, stacked: either model's half of a swap, measured on its own."""
    half = ROWS // 2
    swap = RNG.integers(2, size=(5, half)).astype(float)
    sides = np.hstack([swap, 1 - swap])
    targets = {"binary": Y, "multiclass": RNG.integers(3, size=ROWS), "forecasting": RNG.normal(10, 2, ROWS)}[task]
    targets = np.concatenate([targets[:half], targets[:half]])
    examples, kind = {
        "binary": (Examples(targets, RNG.random(ROWS).round(1), FRAME, (0, 1)), Binary(0.5)),
        "multiclass": (Examples(targets, RNG.dirichlet([1, 1, 1], ROWS), FRAME), Multiclass(("a", "b", "c"))),
        "forecasting": (
            Examples(targets, RNG.normal(10, 2, ROWS), FRAME, more={"scale": np.ones(ROWS)}),
            Forecasting(),
        ),
    }[task]
    for statistic in kind.statistics(examples):
        assert statistic.change(sides) == pytest.approx(statistic(1 - sides) - statistic(sides)), statistic.names


def test_intervals_repeat_by_seed_and_cover() -> None:
    scores = np.clip(RNG.random(ROWS) + Y * 0.3, 0, 1)
    first, again, other = (
        bootstrap.resample([RocAuc(Y, scores)], ROWS, Drawing(300, seed=seed))["roc_auc"] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    low, high = bootstrap.interval(first) or (1, 0)
    assert low < metrics.roc_auc_score(Y, scores) < high
    assert 0.05 < high - low < 0.25


def test_blocks_do_not_change_the_number_of_resamples() -> None:
    assert sum(len(block) for block in bootstrap.counts(100_000, 7, seed=0)) == 7
    assert all((block.sum(axis=1) == 50).all() for block in bootstrap.counts(50, 9000, seed=0))


def test_settings() -> None:
    for resamples, confidence in ((-1, 0.9), (1, 0.9), (10.5, 0.9), (10, 0), (10, 1)):
        with pytest.raises(InvalidArgument):
            Drawing(resamples, confidence)
