"""Gates: what a model must reach before it serves, and by how much it did or did not."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from gcpmlops import _html
from gcpmlops.evaluation import comparison
from gcpmlops.evaluation.bootstrap import Drawing
from gcpmlops.evaluation.fairness import MEASURES
from gcpmlops.evaluation.result import EvaluationResult, find
from gcpmlops.evaluation.values import NEITHER, Estimate, direction, is_number, number, plain
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument


@dataclass(frozen=True)
class Gate:
    """One demand. Raises InvalidArgument where it is not one.

    `metric` or `fairness` says what is looked at; `minimum` and `maximum` bound it. `tolerance` bounds how much worse
    than the champion it may be (0: no worse). With `slices` (columns, expressions or names such as carrier=UA) it holds
    in each of those parts instead of the whole. `sensitive` picks the column of a fairness measure; all without it.
    `certain` demands it of the interval's worse end, not only of the value.
    """

    metric: str = ""
    fairness: str = ""
    minimum: float | None = None
    maximum: float | None = None
    tolerance: float | None = None
    slices: tuple[str, ...] = ()
    sensitive: str = ""
    certain: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "slices", _listed(self.slices))
        if not isinstance(self.certain, bool):
            raise InvalidArgument(field="certain", value=self.certain, allowed="true or false")
        for name in ("metric", "fairness", "sensitive"):
            if not isinstance(getattr(self, name), str):
                raise InvalidArgument(field=name, value=getattr(self, name), allowed="a name")
        if bool(self.metric) == bool(self.fairness):
            raise InvalidArgument("a gate is on a metric or on fairness", field="metric", allowed="one of the two")
        for name in ("minimum", "maximum", "tolerance"):
            _check_number(name, getattr(self, name))
        if self.minimum is self.maximum is self.tolerance is None:
            raise InvalidArgument(
                f"the gate on {self.metric or self.fairness} bounds nothing",
                field="minimum",
                allowed="minimum, maximum or tolerance",
            )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            message = f"the minimum of {number(self.minimum)} is above the maximum of {number(self.maximum)}"
            raise InvalidArgument(message, field="minimum", value=self.minimum, allowed="at most the maximum")
        if self.fairness:
            self._check_fairness()
        elif self.tolerance is not None and self.metric.partition(":")[0] in NEITHER:
            message = f"{self.metric} has no better or worse to compare with a champion's"
            raise InvalidArgument(message, field="tolerance", allowed="minimum and maximum")

    def _check_fairness(self) -> None:
        if self.fairness not in MEASURES:
            near = difflib.get_close_matches(self.fairness.lower(), MEASURES, n=1, cutoff=0.4)
            raise InvalidArgument(
                f"there is no fairness measure {self.fairness!r}",
                field="fairness",
                value=self.fairness,
                allowed=", ".join(MEASURES),
                next_step=f"{f'Did you mean {near[0]!r}? ' if near else ''}There are: {', '.join(MEASURES)}",
            )
        if self.tolerance is not None or self.slices:
            raise InvalidArgument(field="fairness", value=self.fairness, allowed="minimum, maximum, sensitive, certain")

    @property
    def title(self) -> str:
        """What it demands, in words."""
        bounds = [
            *([f"≥ {number(self.minimum)}"] if self.minimum is not None else []),
            *([f"≤ {number(self.maximum)}"] if self.maximum is not None else []),
            *([f"at most {number(self.tolerance)} worse than the champion"] if self.tolerance is not None else []),
        ]
        return f"{self.metric or self.fairness} {' and '.join(bounds)}{', certain' if self.certain else ''}"


def _listed(given: Any) -> tuple[str, ...]:
    """One name or several; a YAML file may say anything. Raises InvalidArgument."""
    if given is None:
        return ()
    names = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not all(isinstance(name, str) and name for name in names):
        raise InvalidArgument(field="slices", value=given, allowed="columns, expressions, or names such as carrier=UA")
    return names


def _check_number(name: str, value: Any) -> None:
    if value is None:
        return
    if not is_number(value) or not np.isfinite(value):
        raise InvalidArgument(field=name, value=value, allowed="a number")
    if name == "tolerance" and value < 0:
        raise InvalidArgument(field=name, value=value, allowed="0 or more: how much worse it may be")


@dataclass(frozen=True)
class GateResult:
    """A gate at one place. `margin` is the distance to its bound: negative where it failed, by that much."""

    gate: Gate
    where: str
    passed: bool
    value: float | None
    bound: float | None
    margin: float | None
    reason: str = ""
    detail: str = ""
    """What the value comes from: the champion's and the model's own."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        found = {"gate": self.gate.title, **{key: value for key, value in vars(self).items() if key != "gate"}}
        return plain(found)  # type: ignore[no-any-return]

    def __str__(self) -> str:
        how = self.reason or f"{number(self.value)}, {'by' if self.passed else 'short by'} {number(_size(self.margin))}"
        how += f"; {self.detail}" if self.detail else ""
        return f"{'passed' if self.passed else 'FAILED'}  {self.gate.title} ({self.where}): {how}"


def _size(margin: float | None) -> float | None:
    return None if margin is None else abs(margin)


@dataclass(frozen=True)
class Verdict:
    """Every gate at every place. `skipped` says which slices and groups were too small to be judged."""

    model: str
    results: tuple[GateResult, ...]
    skipped: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True where all gates passed."""
        return not self.failed

    @property
    def failed(self) -> tuple[GateResult, ...]:
        """The gates that failed."""
        return tuple(result for result in self.results if not result.passed)

    def require(self) -> Verdict:
        """Itself. Raises FailedPrecondition that lists the gates that failed, and by how much."""
        if self.failed:
            lines = "\n".join(f"  {result}" for result in self.failed)
            message = f"{self.model} fails {len(self.failed)} of {len(self.results)} gates:\n{lines}"
            raise FailedPrecondition(message, resource=self.model)
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        results = [result.to_dict() for result in self.results]
        return {"model": self.model, "passed": self.passed, "results": results, "skipped": list(self.skipped)}

    def __str__(self) -> str:
        return "\n".join([*map(str, self.results), *(f"skipped {each}" for each in self.skipped)])

    def _repr_html_(self) -> str:
        columns = ("gate", "where", "passed", "value", "bound", "margin", "")
        rows = [
            (
                *(each.gate.title, each.where, "passed" if each.passed else "FAILED", number(each.value)),
                *(number(each.bound), number(each.margin), each.reason),
            )
            for each in self.results
        ]
        return _html.grid(f"{self.model}: {'passed' if self.passed else 'FAILED'}", columns, rows)


def check(result: EvaluationResult, gates: Sequence[Gate], champion: EvaluationResult | None) -> Verdict:
    """Judge the model. Raises InvalidArgument for a metric, slice or column that was not evaluated."""
    if not gates:
        raise InvalidArgument("there are no gates", field="gates", allowed="one or more")
    given: Sequence[Any] = gates
    strange = [gate for gate in given if not isinstance(gate, Gate)]
    if strange:
        message = f"{type(strange[0]).__name__} is no gate"
        raise InvalidArgument(
            message, field="gates", value=strange[0], allowed="Gate(...), such as Gate('f1', minimum=0.7)"
        )
    if champion is not None and any(gate.tolerance is not None for gate in gates):
        comparison.check_pair(champion, result)
    skipped: dict[str, None] = {}
    found = [each for gate in gates for each in _judge(gate, result, champion, skipped)]
    return Verdict(result.name, tuple(found), tuple(skipped))


def _judge(
    gate: Gate, result: EvaluationResult, champion: EvaluationResult | None, skipped: dict[str, None]
) -> Iterator[GateResult]:
    if gate.fairness:
        yield from _fair(gate, result, skipped)
        return
    find(result.metrics, gate.metric)
    if gate.tolerance is not None and champion is None:
        message = f"the gate on {gate.metric} compares with a champion, and none was given"
        raise InvalidArgument(message, field="champion", allowed="the champion's evaluation on the same rows")
    places = list(_places(gate, result, skipped))
    for where, estimate, rows in places:
        yield from _bounds(gate, where, estimate)
        if gate.tolerance is not None and champion is not None:
            yield _against(gate, where, result, champion, rows)
    if not places:  # nothing judged is nothing passed
        reason = "none of its slices was big enough to be measured"
        yield GateResult(gate, ", ".join(gate.slices), False, None, None, None, reason)


def _places(
    gate: Gate, result: EvaluationResult, skipped: dict[str, None]
) -> Iterator[tuple[str, Estimate, tuple[str, str]]]:
    """(place, the metric there, the slice's `by` and name)."""
    if not gate.slices:
        yield "overall", result.metrics[gate.metric], ("", "")
        return
    for wanted in gate.slices:
        parts = [each for each in result.slices if wanted in (each.by, each.name)]
        if not parts:
            known = list(dict.fromkeys(each.by for each in result.slices))
            near = difflib.get_close_matches(wanted, [*known, *(each.name for each in result.slices)], n=1)
            message = f"the gate on {gate.metric} names the slice {wanted!r}, which was not evaluated"
            hint = f"Did you mean {near[0]!r}? " if near else ""
            allowed = ", ".join(known) or "none was cut"
            next_step = f"{hint}Evaluated: {allowed}"
            raise InvalidArgument(message, field="slices", value=wanted, allowed=allowed, next_step=next_step)
        for part in parts:
            if part.metrics:
                yield part.name, part.metrics[gate.metric], (part.by, part.name)
            else:
                skipped[f"{part.name}: {part.reason}"] = None


def _fair(gate: Gate, result: EvaluationResult, skipped: dict[str, None]) -> Iterator[GateResult]:
    parts = [each for each in result.fairness if gate.sensitive in ("", each.sensitive)]
    if not parts:
        known = ", ".join(each.sensitive for each in result.fairness)
        message = f"the gate on {gate.fairness} has no groups of {gate.sensitive or 'any column'} to compare"
        raise InvalidArgument(message, field="sensitive", value=gate.sensitive, allowed=known or "none was evaluated")
    for part in parts:
        left_out = [group.rows for group in part.groups if group.reason]
        if left_out:
            of = f"{len(left_out):,} of {len(part.groups):,} groups of {part.sensitive}"
            skipped[f"{of}: {sum(left_out):,} rows, left out of the measures"] = None
        if part.reason:
            yield GateResult(gate, part.sensitive, False, None, None, None, part.reason)
        else:
            for found in _bounds(gate, part.sensitive, part.measures[gate.fairness]):
                yield replace(found, detail="; ".join(filter(None, (found.detail, part.extremes(gate.fairness)))))


def _bounds(gate: Gate, where: str, estimate: Estimate) -> Iterator[GateResult]:
    for bound, sign, end in ((gate.minimum, 1, estimate.low), (gate.maximum, -1, estimate.high)):
        if bound is not None:
            found = _result(gate, where, end if gate.certain else estimate.value, bound, sign, estimate)
            certain = gate.certain and found.value is not None
            yield replace(found, detail=f"the interval's worse end of {number(estimate.value)}") if certain else found


def _result(
    gate: Gate, where: str, value: float | None, bound: float, sign: int, estimate: Estimate | None = None
) -> GateResult:
    if value is None:
        no_interval = estimate is not None and estimate.value is not None
        why = f": {estimate.reason}" if estimate is not None and estimate.reason else ""
        reason = "it has no interval here" if no_interval else f"it is not defined here{why}"
        return GateResult(gate, where, False, None, bound, None, reason)
    margin = sign * (value - bound)
    return GateResult(gate, where, margin >= 0, value, bound, margin)


def _against(
    gate: Gate, where: str, result: EvaluationResult, champion: EvaluationResult, part: tuple[str, str]
) -> GateResult:
    """The gain over the champion must not be below -tolerance; `value` is the gain."""
    kept = not gate.certain and part[1] in ("", *(each.name for each in champion.slices if each.metrics))
    change = (_kept if kept else _paired)(gate, result, champion, part)
    value = change.gain
    if gate.certain and value is not None:
        value = change.low if direction(gate.metric) > 0 else None if change.high is None else -change.high
    found = _result(gate, where, value, 0.0 - (gate.tolerance or 0.0), 1, Estimate(change.gain))
    return replace(found, detail=f"champion {number(change.champion)}, {result.name} {number(change.challenger)}")


def _paired(
    gate: Gate, result: EvaluationResult, champion: EvaluationResult, part: tuple[str, str]
) -> comparison.Difference:
    """On the same rows."""
    from gcpmlops.evaluation import slices

    sides = comparison.side(champion), comparison.side(result)
    if part[1]:
        rows = next(rows for name, rows in slices.cut(sides[1].examples.frame, part[0]) if name == part[1])
        sides = tuple(each._replace(examples=each.examples.take(rows)) for each in sides)  # type: ignore[assignment]
    settings = result.settings
    drawing = Drawing(settings["resamples"] if gate.certain else 0, settings["confidence"], settings["seed"])
    return comparison.differences(sides, [gate.metric], drawing)[gate.metric]


def _kept(
    gate: Gate, result: EvaluationResult, champion: EvaluationResult, part: tuple[str, str]
) -> comparison.Difference:
    """From the values that were found."""
    places = [each.slice(part[1]).metrics if part[1] else each.metrics for each in (champion, result)]
    before, after = (find(metrics, gate.metric).value for metrics in places)
    change = None if before is None or after is None else after - before
    return comparison.Difference(gate.metric, before, after, change)
