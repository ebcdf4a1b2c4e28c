"""Two sides, feature by feature."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from gcpmlops import statistics
from gcpmlops._drift import problems
from gcpmlops._drift.problems import Limits
from gcpmlops._drift.result import DataProblem, Distribution, FeatureDrift
from gcpmlops._drift.sides import Kind, Profile, Side
from gcpmlops.exceptions import InvalidArgument

if TYPE_CHECKING:
    from gcpmlops.statistics import Floats

KINDS = ("number", "category", "time", "none")
_SHOWN = 200  # categories of a distribution that is kept; the distance is over all


@dataclass(frozen=True)
class Settings:
    """How features are compared; see `Drift.compare`."""

    thresholds: Mapping[str, float]
    default: float
    bins: int
    binning: str
    limits: Limits

    def threshold(self, name: str) -> float:
        """Of a feature."""
        return self.thresholds.get(name, self.default)


@dataclass(frozen=True)
class Chosen:
    """The features to compare, with both sides' kinds; what was left out, and why."""

    kinds: Mapping[str, tuple[Kind, Kind | str | None]]
    skipped: Mapping[str, str]

    def alike(self) -> dict[str, Kind]:
        """Those that have one kind on both sides: a column without values is as the other side has it."""
        found: dict[str, Kind] = {}
        for name, (was, now) in self.kinds.items():
            if now is not None and (was == now or "none" in (was, now)):
                found[name] = cast("Kind", now) if was == "none" else was
        return found


def choose(
    baseline: Mapping[str, Kind | str],
    current: Mapping[str, Kind | str],
    features: Sequence[str] | None,
    categorical: Sequence[str],
) -> Chosen:
    """Raises InvalidArgument for a feature that the baseline doesn't have, or that cannot be compared."""
    for name in (*(features or ()), *categorical):
        if name not in baseline:
            close = difflib.get_close_matches(name, baseline, 1)
            more = f" (is it {close[0]!r}?)" if close else ""
            raise InvalidArgument(
                f"the baseline has no column {name!r}{more}", field="features", value=name, allowed=", ".join(baseline)
            )
    kinds: dict[str, tuple[Kind, Kind | str | None]] = {}
    skipped = {name: "the baseline does not have it" for name in current if name not in baseline and not features}
    for name in features if features is not None else baseline:
        was, now = baseline[name], current.get(name)
        if was not in KINDS:
            if features is not None:
                message = f"{name} holds {was}, which cannot be compared"
                raise InvalidArgument(message, field="features", value=name, allowed="numbers, categories, times")
            skipped[name] = f"{was} cannot be compared"
        elif was == "time" and features is None and name not in categorical:
            skipped[name] = "time moves on by itself: name it in features to compare it"
        elif name in categorical:
            kinds[name] = ("category", "category" if now in KINDS[:3] else now)
        else:
            kinds[name] = (cast("Kind", was), now)
    return Chosen(kinds, skipped)


def settled(baseline: Side, current: Side, chosen: Chosen) -> Chosen:
    """A column without values has no kind of its own, whatever type it bears: it did not change that."""
    changed = {name: both for name, both in chosen.kinds.items() if both[1] in KINDS and both[0] != both[1]}
    kinds: dict[str, tuple[Kind, Kind | str | None]] = dict(chosen.kinds)
    for at, side in enumerate((baseline, current)):
        asked = {name: cast("Kind", both[at]) for name, both in changed.items() if both[at] != "none"}
        for name, profile in side.profiles(asked).items() if asked else ():
            if not profile.present:
                was, now = kinds[name]
                kinds[name] = ("none", now) if at == 0 else (was, "none")
    return Chosen(kinds, chosen.skipped)


def compared(baseline: Side, current: Side, chosen: Chosen, settings: Settings) -> Iterator[FeatureDrift]:
    """Every feature, in order."""
    kinds = chosen.alike()
    looks = [side.profiles(kinds) for side in (baseline, current)]
    counts = _counts(baseline, current, kinds, looks, settings)
    for name, (was, now) in chosen.kinds.items():
        found = tuple(problems.of_kind(name, was, now))
        if found:
            yield _unmeasured(name, was, settings.threshold(name), found)
            continue
        first, second = looks[0][name], looks[1][name]
        distribution, constant = counts.get(name, (None, None))
        found = tuple(problems.of_values(name, first, second, distribution, constant, settings.limits))
        yield _measured(name, kinds[name], first, second, distribution, settings.threshold(name), found)


def _counts(
    baseline: Side, current: Side, kinds: Mapping[str, Kind], looks: Sequence[Mapping[str, Profile]], settings: Settings
) -> dict[str, tuple[Distribution, str | None]]:
    """Each feature's distribution, and the current side's value where there is but one."""
    edges = _edges(baseline, kinds, looks, settings)
    both = [side.histograms(edges, kinds) for side in (baseline, current)]
    found: dict[str, tuple[Distribution, str | None]] = {}
    for name, each in edges.items():
        pair = tuple(map(float, both[0][name])), tuple(map(float, both[1][name]))
        constant = problems.constant_of(kinds[name], looks[1][name], None)
        found[name] = Distribution(*pair, edges=tuple(each.tolist())), constant
    names = [name for name, kind in kinds.items() if kind == "category"]
    labelled = [side.categories(names) for side in (baseline, current)]
    for name in names:
        first, second = labelled[0][name], labelled[1][name]
        was, now = statistics.aligned(first, second)
        labels = tuple(dict.fromkeys([*first, *second]))
        constant = problems.constant_of("category", looks[1][name], second)
        found[name] = Distribution(tuple(was.tolist()), tuple(now.tolist()), labels=labels), constant
    return found


def _edges(
    baseline: Side, kinds: Mapping[str, Kind], looks: Sequence[Mapping[str, Profile]], settings: Settings
) -> dict[str, Floats]:
    """Shared by both sides: over the range of both, or by the baseline's quantiles where it has values."""
    numbers = {name: kind for name, kind in kinds.items() if kind in ("number", "time")}
    ranges = {name: _range(looks[0][name], looks[1][name]) for name in numbers}
    known = {name: kind for name, kind in numbers.items() if looks[0][name].low is not None}
    quantiles = baseline.quantile_edges(known, settings.bins) if settings.binning == "quantile" and known else {}
    return {
        name: quantiles[name] if name in quantiles else statistics.equal_width_edges(*ends, settings.bins)
        for name, ends in ranges.items()
        if ends is not None
    }


def _range(first: Profile, second: Profile) -> tuple[float, float] | None:
    lows = [each.low for each in (first, second) if each.low is not None]
    highs = [each.high for each in (first, second) if each.high is not None]
    return (min(lows), max(highs)) if lows else None


def _measured(
    name: str,
    kind: Kind,
    first: Profile,
    second: Profile,
    counts: Distribution | None,
    threshold: float,
    found: tuple[DataProblem, ...],
) -> FeatureDrift:
    distance = _distance(counts, first, second) if counts else None
    return FeatureDrift(
        name=name,
        kind=kind,
        statistic=_statistic(kind),
        distance=distance,
        threshold=threshold,
        drifted=not found and distance is not None and distance > threshold,
        stability=_value(statistics.population_stability(counts.baseline, counts.current)) if counts else None,
        baseline_count=first.present,
        current_count=second.present,
        baseline_missing=first.missing_rate,
        current_missing=second.missing_rate,
        distribution=counts and _shown(counts),
        problems=found,
    )


def _statistic(kind: Kind) -> str:
    return "l_infinity" if kind == "category" else "jensen_shannon"


def _distance(counts: Distribution, first: Profile, second: Profile) -> float | None:
    if counts.edges:
        return _value(statistics.jensen_shannon(counts.baseline, counts.current))
    totals = first.present, second.present
    return _value(statistics.l_infinity(counts.baseline, counts.current, totals=totals))


def _unmeasured(name: str, kind: Kind, threshold: float, found: tuple[DataProblem, ...]) -> FeatureDrift:
    return FeatureDrift(name, kind, _statistic(kind), None, threshold, False, None, 0, 0, 0.0, 0.0, problems=found)


def _shown(counts: Distribution) -> Distribution:
    if len(counts.labels) <= _SHOWN:
        return counts
    order = sorted(range(len(counts.labels)), key=lambda n: -(counts.baseline[n] + counts.current[n]))
    kept, rest = order[:_SHOWN], order[_SHOWN:]
    sides = [(*(side[n] for n in kept), sum(side[n] for n in rest)) for side in (counts.baseline, counts.current)]
    return Distribution(sides[0], sides[1], labels=(*(counts.labels[n] for n in kept), f"{len(rest):,} others"))


def _value(number: float) -> float | None:
    return None if math.isnan(number) else number
