"""Numbers: errors of regressions and of forecasts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gcpmlops.evaluation.bootstrap import Floats, Means, Statistic, ratio
from gcpmlops.evaluation.examples import Examples, numbers
from gcpmlops.evaluation.values import plain
from gcpmlops.exceptions import InvalidArgument

if TYPE_CHECKING:
    import pandas

_SHOWN = 2000  # points of the residual plot
_BINS = 40
SCALE = "scale"


@dataclass(frozen=True)
class Regression:
    """mae, rmse, r2, mape (not defined where a target is 0), smape (0 to 2), mean_error (prediction - target)."""

    kind: str = "regression"

    def points(self, examples: Examples) -> dict[str, float]:
        from sklearn import metrics

        truth, said = examples.targets, examples.predictions
        nan = float("nan")
        return {
            "mae": metrics.mean_absolute_error(truth, said),
            "rmse": metrics.root_mean_squared_error(truth, said),
            "r2": metrics.r2_score(truth, said) if np.ptp(truth) > 0 else nan,
            "mape": metrics.mean_absolute_percentage_error(truth, said) if np.all(truth != 0) else nan,
            "smape": float(np.mean(_symmetric(truth, said))),
            "mean_error": float(np.mean(said - truth)),
        }

    def slice_points(self, examples: Examples) -> dict[str, float]:
        return self.points(examples)

    def undefined(self, metric: str, examples: Examples) -> str:
        if metric == "mape" and not np.all(examples.targets != 0):
            return "a target is 0"
        if metric == "r2" and np.ptp(examples.targets) == 0:
            return "all targets are the same"
        return "the numbers are too large"

    def statistics(self, examples: Examples) -> Sequence[Statistic]:
        truth, said = examples.targets, examples.predictions
        error, centred = said - truth, truth - truth.mean()
        names = ["mae", "smape", "mean_error"]
        values = [np.abs(error), _symmetric(truth, said), error]
        if np.all(truth != 0):
            names.append("mape")
            values.append(np.abs(error / truth))
        return (Means(names, values), Means(("rmse", "r2"), (error**2, centred, centred**2), _of_squares))

    def curves(self, examples: Examples) -> Mapping[str, Any]:
        truth, said = examples.targets, examples.predictions
        chosen = np.sort(np.random.default_rng(0).permutation(len(truth))[:_SHOWN])
        with np.errstate(over="ignore", invalid="ignore"):
            error = said - truth
        shown = {"target": truth[chosen], "prediction": said[chosen], "residual": error[chosen]}
        return {"residuals": plain(shown), "histogram": plain(_histogram(error))}


@dataclass(frozen=True)
class Forecasting(Regression):
    """Regression's, mase, and for each quantile `pinball:Q` and `coverage:Q` (the share at or below the forecast)."""

    quantiles: tuple[float, ...] = ()
    kind: str = "forecasting"

    def points(self, examples: Examples) -> dict[str, float]:
        from sklearn.metrics import mean_pinball_loss

        truth = examples.targets
        found = super().points(examples)
        found["mase"] = float(np.mean(_scaled(examples)))
        for quantile in self.quantiles:
            said = examples.more[str(quantile)]
            found[f"pinball:{quantile}"] = mean_pinball_loss(truth, said, alpha=quantile)
            found[f"coverage:{quantile}"] = float(np.mean(truth <= said))
        return found

    def statistics(self, examples: Examples) -> Sequence[Statistic]:
        names, values = ["mase"], [_scaled(examples)]
        for quantile in self.quantiles:
            above = examples.targets - examples.more[str(quantile)]
            names += [f"pinball:{quantile}", f"coverage:{quantile}"]
            values += [np.maximum(quantile * above, (quantile - 1) * above), (above <= 0).astype(np.float64)]
        return (*super().statistics(examples), Means(names, values))


def _histogram(error: Floats) -> dict[str, Any]:
    """Rows in 40 ranges; in one where all errors are alike."""
    known = error[np.isfinite(error)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    size = max(abs(low), abs(high))
    if not np.isfinite(high / 2 - low / 2) or high / 2 - low / 2 <= 1e-9 * size or size == 0 or size > 1e300:
        air, most = max(size / 100, 0.5), float(np.finfo(np.float64).max)
        return {"rows": [len(known)], "edges": [max(low - air, -most), min(high + air, most)]}
    heights, edges = np.histogram(known, bins=_BINS, range=(low, high))
    return {"rows": heights, "edges": edges}


def _symmetric(truth: Floats, said: Floats) -> Floats:
    """2|error| / (|truth| + |prediction|); 0 where both are 0."""
    size = np.abs(truth) + np.abs(said)
    error: Floats = np.divide(2 * np.abs(said - truth), size, out=np.zeros_like(size), where=size > 0)
    return error


def _scaled(examples: Examples) -> Floats:
    return np.asarray(np.abs(examples.targets - examples.predictions) / examples.more[SCALE])


def _of_squares(means: Floats) -> Floats:
    squares, centre, spread = means.T
    return np.column_stack([np.sqrt(squares), 1 - ratio(squares, spread - centre**2)])


def naive_scale(
    frame: pandas.DataFrame,
    history: pandas.DataFrame,
    *,
    target: str,
    series: str | None,
    time: str | None,
    season: int,
) -> NDArray[np.float64]:
    """By row: the mean error of repeating the value `season` steps back, in the row's series of the history.

    Raises InvalidArgument for a series that is too short or constant.
    """
    missing = 0 if series is None else int(frame[series].isna().sum())
    if missing:
        message = f"column {series!r} is missing in {missing:,} of {len(frame):,} rows"
        raise InvalidArgument(message, field="series", value=series, allowed="the series of every row")
    ordered = history.sort_values(time) if time else history
    if series is None:
        return np.full(len(frame), _naive_error(numbers(ordered, target), season, "the data"))
    errors = {
        key: _naive_error(numbers(part, target), season, f"series {key!r}")
        for key, part in ordered.groupby(series, sort=False)
    }
    strange = [key for key in frame[series].unique() if key not in errors]
    if strange:
        raise InvalidArgument(f"the history has no series {strange[0]!r}", field="history", value=strange[0])
    return np.asarray(frame[series].map(errors), dtype=np.float64)


def _naive_error(values: Floats, season: int, what: str) -> float:
    error = float(np.mean(np.abs(values[season:] - values[:-season]))) if len(values) > season else 0.0
    if error == 0:
        raise InvalidArgument(
            f"{what} has no naive error to scale by: {len(values)} values, season {season}",
            field="season",
            value=season,
            allowed="a season shorter than each series, and series that vary; or a longer `history`",
        )
    return error
