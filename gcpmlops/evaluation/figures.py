"""Plotly figures of an evaluation's plain values."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from gcpmlops import _extras, _plots
from gcpmlops.evaluation.fairness import RATES, Fairness
from gcpmlops.evaluation.gates import Verdict
from gcpmlops.evaluation.result import EvaluationResult
from gcpmlops.evaluation.values import Estimate, direction

_MOST = 40  # bars of one picture
_HEADLINES = ("roc_auc", "roc_auc_ovr", "accuracy", "rmse")


def of(result: EvaluationResult, champion: EvaluationResult | None) -> Iterator[Any]:
    """ROC, precision-recall, calibration, confusion, thresholds, residuals: what the kind of model has."""
    named = {result.name: result.curves} | ({f"{champion.name} (champion)": champion.curves} if champion else {})
    if result.kind == "multiclass":
        named = dict(result.curves["classes"])
    yield from _curves(named)
    calibrated = {result.name: result.curves} if result.kind == "multiclass" else named
    yield from _calibration(calibrated)
    if "confusion" in result.curves:
        yield _confusion(result.curves["confusion"])
    if "thresholds" in result.curves:
        yield _thresholds(result.curves["thresholds"])
    if "residuals" in result.curves:
        yield from _residuals(result.curves)


def _go() -> Any:
    return _extras.need("plotly.graph_objects", extra="plots", purpose="a report with plots")


def _figure(traces: Sequence[Any], title: str, x: str = "", y: str = "", **layout: Any) -> Any:
    figure = _go().Figure(list(traces))
    return figure.update_layout(
        title=html.escape(title), template=_plots.TEMPLATE, xaxis_title=x, yaxis_title=y, height=460, **layout
    )


def _line(name: str, x: Any, y: Any, **more: Any) -> Any:
    return _go().Scatter(x=x, y=y, name=html.escape(name), mode="lines", **more)


def _diagonal(ends: Sequence[float]) -> Any:
    return _go().Scatter(x=ends, y=ends, mode="lines", line={"dash": "dot", "color": "#999"}, showlegend=False)


def _curves(named: Mapping[str, Mapping[str, Any]]) -> Iterator[Any]:
    kinds = (
        ("roc", "ROC", "false_positive_rate", "true_positive_rate"),
        ("pr", "Precision and recall", "recall", "precision"),
    )
    for key, title, x, y in kinds:
        lines = [_line(name, each[key][x], each[key][y]) for name, each in named.items() if key in each]
        if lines:
            yield _figure([*lines, *([_diagonal((0, 1))] if key == "roc" else [])], title, _words(x), _words(y))


def _calibration(named: Mapping[str, Mapping[str, Any]]) -> Iterator[Any]:
    found = {name: each["calibration"] for name, each in named.items() if each.get("calibration", {}).get("rows")}
    if found:
        lines = [
            _line(name, c["mean_score"], c["fraction_positive"], customdata=c["rows"]).update(
                mode="lines+markers", hovertemplate="%{x:.3f} → %{y:.3f}, %{customdata} rows"
            )
            for name, c in found.items()
        ]
        yield _figure([*lines, _diagonal((0, 1))], "Calibration", "mean score", "share of positives")


def _confusion(confusion: Mapping[str, Any]) -> Any:
    labels = [html.escape(label) for label in confusion["labels"]]
    map_ = _go().Heatmap(
        z=confusion["matrix"], x=labels, y=labels, colorscale="Blues", texttemplate="%{z:,}", showscale=False
    )
    axis = {"type": "category"}
    return _figure(
        [map_], "Confusion", "the model said", "the truth", xaxis=axis, yaxis={**axis, "autorange": "reversed"}
    )


def _thresholds(curve: Mapping[str, Any]) -> Any:
    lines = [_line(name, curve["threshold"], curve[name]) for name in ("precision", "recall")]
    return _figure(lines, "By threshold", "threshold", "")


def _residuals(curves: Mapping[str, Any]) -> Iterator[Any]:
    shown = curves["residuals"]
    dots = {"mode": "markers", "marker": {"size": 4, "opacity": 0.5}}
    ends = (min(shown["target"]), max(shown["target"]))
    go = _go()
    predicted = go.Scatter(x=shown["target"], y=shown["prediction"], showlegend=False, **dots)
    yield _figure([predicted, _diagonal(ends)], "Prediction and truth", "target", "prediction")
    rest = go.Scatter(x=shown["prediction"], y=shown["residual"], **dots)
    yield _figure([rest], "Residuals", "prediction", "prediction - target")
    edges, rows = curves["histogram"]["edges"], curves["histogram"]["rows"]
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    yield _figure([go.Bar(x=middles, y=rows)], "Distribution of residuals", "prediction - target", "rows")


def headline(result: EvaluationResult) -> str:
    """The metric that slices are drawn by."""
    return next((name for name in _HEADLINES if name in result.metrics), next(iter(result.metrics)))


def slices(result: EvaluationResult, metric: str) -> Iterator[Any]:
    """A picture for each column or expression: the metric of each part, the whole as a line."""
    for by in dict.fromkeys(each.by for each in result.slices):
        parts = [each for each in result.slices if each.by == by and each.metrics][:_MOST]
        kept = [each for each in parts if each.metrics[metric].value is not None]
        if not kept:
            continue
        ascending = direction(metric) >= 0
        kept.sort(key=lambda each: each.metrics[metric].value or 0.0, reverse=not ascending)
        bars = _intervals([each.name for each in kept], [each.metrics[metric] for each in kept])
        bars.update(customdata=[each.rows for each in kept], hovertemplate="%{x}: %{y:.4f}, %{customdata:,} rows")
        figure = _figure([bars], f"{metric} by {by}", "", metric, xaxis={"type": "category"})
        whole = result.metrics[metric].value
        if whole is not None:
            figure.add_hline(y=whole, line_dash="dot", annotation_text="all rows")
        yield figure


def fairness(found: Fairness) -> Any:
    """The rates of each group."""
    groups = [group for group in found.groups if group.rates][:_MOST]
    bars = [_intervals([g.name for g in groups], [g.rates[rate] for g in groups], _words(rate)) for rate in RATES]
    return _figure(bars, f"Rates by {found.sensitive}", "", "rate", xaxis={"type": "category"}, scattermode="group")


def _intervals(names: Sequence[str], estimates: Sequence[Estimate], legend: str = "") -> Any:
    def arm(end: float | None, value: float | None) -> float:
        return 0.0 if end is None or value is None else abs(end - value)

    error = {
        "type": "data",
        "symmetric": False,
        "array": [arm(each.high, each.value) for each in estimates],
        "arrayminus": [arm(each.low, each.value) for each in estimates],
    }
    return _go().Scatter(
        x=[html.escape(name) for name in names],
        y=[each.value for each in estimates],
        error_y=error,
        mode="markers",
        marker={"size": 9},
        name=legend,
        showlegend=bool(legend),
    )


def gates(verdict: Verdict) -> Any:
    """How far each gate is from its bound, the worst first."""
    known = sorted((each for each in verdict.results if each.margin is not None), key=lambda each: each.margin or 0.0)
    names = [html.escape(f"{each.gate.title} ({each.where})") for each in known[:_MOST]]
    colours = ["#2a9d5c" if each.passed else "#c8362f" for each in known[:_MOST]]
    bars = _go().Bar(x=[each.margin for each in known[:_MOST]], y=names, orientation="h", marker_color=colours)
    return _figure(
        [bars],
        "Gates: distance to the bound",
        "below 0: failed",
        "",
        yaxis={"autorange": "reversed", "automargin": True},
    )


def _words(name: str) -> str:
    return name.replace("_", " ")
