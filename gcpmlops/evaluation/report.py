"""One HTML file: verdict, metrics, comparison, curves, slices, bias and how it was measured."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from gcpmlops import _html, _plots
from gcpmlops.evaluation import figures
from gcpmlops.evaluation.comparison import Comparison
from gcpmlops.evaluation.fairness import RATES, Fairness
from gcpmlops.evaluation.gates import Verdict
from gcpmlops.evaluation.result import EvaluationResult
from gcpmlops.evaluation.values import number

_ROWS = 200  # of a table


def write(path: Path, result: EvaluationResult, comparison: Comparison | None, verdict: Verdict | None) -> Path:
    """Write it. Raises InvalidArgument, MissingExtra."""
    return _plots.page(path, f"Evaluation of {result.name}", list(_parts(result, comparison, verdict)))


def _parts(result: EvaluationResult, comparison: Comparison | None, verdict: Verdict | None) -> Iterator[Any]:
    yield f"<p>{escape(result.kind)}, {result.rows:,} rows, target {escape(str(result.settings.get('target')))}</p>"
    if verdict is not None:
        yield from _verdict(verdict)
    yield "<h2>Metrics</h2>" + result._repr_html_()
    if comparison is not None:
        yield "<h2>Champion and challenger</h2>" + comparison._repr_html_()
    yield "<h2>Curves</h2>"
    yield from figures.of(result, comparison.champion if comparison else None)
    if result.slices:
        yield from _slices(result)
    for each in result.fairness:
        yield from _fairness(each)
    yield "<h2>How it was measured</h2>" + _html.card("settings", result.settings)


def _verdict(verdict: Verdict) -> Iterator[Any]:
    failed = len(verdict.failed)
    said = f"{failed} of {len(verdict.results)} gates failed" if failed else f"all {len(verdict.results)} gates passed"
    yield f"<h2>Gates: {said}</h2>" + verdict._repr_html_()
    if any(each.margin is not None for each in verdict.results):
        yield figures.gates(verdict)
    if verdict.skipped:
        yield "<p>Not judged: " + "; ".join(map(escape, verdict.skipped[:_ROWS])) + "</p>"


def _slices(result: EvaluationResult) -> Iterator[Any]:
    metric = figures.headline(result)
    rows = [
        (each.name, f"{each.rows:,}", f"{each.share:.1%}", str(each.metrics.get(metric, "")), each.reason)
        for each in result.slices[:_ROWS]
    ]
    yield "<h2>Slices</h2>"
    yield from figures.slices(result, metric)
    yield _html.grid(f"{len(result.slices)} slices", ("slice", "rows", "share", metric, ""), rows)


def _fairness(found: Fairness) -> Iterator[Any]:
    yield f"<h2>Fairness: {escape(found.sensitive)}</h2>"
    if found.reason:
        yield f"<p>Not compared: {escape(found.reason)}</p>"
    else:
        yield figures.fairness(found)
        measures = [(name, number(e.value), number(e.low), number(e.high)) for name, e in found.measures.items()]
        yield _html.grid("between groups", ("measure", "value", "low", "high"), measures)
    rows = [
        (each.name, f"{each.rows:,}", f"{each.positives:,}", *_rates(each), each.reason)
        for each in found.groups[:_ROWS]
    ]
    columns = ("group", "rows", "positives", *map(figures._words, RATES), "")
    yield _html.grid(f"{len(found.groups)} groups", columns, rows)


def _rates(group: Any) -> Iterator[str]:
    return (str(group.rates.get(rate, "")) for rate in RATES)
