"""Aligners over counters, gaps and resets, and the reducers, beside what the documentation says and plain Python."""

from __future__ import annotations

import math
import random
import statistics
from datetime import timedelta
from typing import Any

import pytest
from google.cloud import monitoring_v3

from gcpmlops.emulator.services.monitoring.lines import Line, aggregated
from gcpmlops.emulator.services.monitoring.series import Point, Series, labels

SECOND = 1_000_000


def line(points: list[Point], kind: Any = "GAUGE", value_type: Any = "DOUBLE", **own: str) -> Line:
    """Points oldest first."""
    return Line(Series("p1", "m", labels(own), "global", (), kind, value_type), points[::-1])


def gauge(*pairs: tuple[float, Any], **own: str) -> Line:
    return line([Point(int(s * SECOND), int(s * SECOND), value) for s, value in pairs], **own)


def counter(*points: tuple[float, float, int]) -> Line:
    """Start, end, value."""
    return line([Point(int(s * SECOND), int(e * SECOND), v) for s, e, v in points], "CUMULATIVE", "INT64")


def run(
    lines: list[Line], aligner: str, end: float, period: int = 60, reducer: str = "REDUCE_NONE", by: Any = ()
) -> Any:
    """Seconds and values, oldest first, of each line."""
    message = monitoring_v3.Aggregation(
        alignment_period=timedelta(seconds=period),
        per_series_aligner=aligner,
        cross_series_reducer=reducer,
        group_by_fields=by,
    )
    found = aggregated(lines, message, int(end * SECOND), "aggregation")
    return [[(p.end / SECOND, p.value) for p in reversed(each.points)] for each in found]


def test_a_counter_that_begins_anew() -> None:
    own = counter((0, 60, 6), (0, 120, 18), (0, 180, 20), (190, 240, 5), (190, 300, 11))
    assert run([own], "ALIGN_DELTA", 300) == [[(60.0, 6), (120.0, 12), (180.0, 2), (240.0, 5), (300.0, 6)]]
    (rates,) = run([own], "ALIGN_RATE", 300)
    assert [value for _, value in rates] == pytest.approx([0.1, 0.2, 2 / 60, 5 / 60, 0.1])


def test_a_counters_gap_is_spread_over_its_length() -> None:
    own = counter((0, 60, 10), (0, 240, 40))
    assert run([own], "ALIGN_DELTA", 240) == [[(60.0, 10), (120.0, 10), (180.0, 10), (240.0, 10)]]


def test_interpolation_and_the_next_older() -> None:
    own = gauge((30, 0.0), (90, 60.0), (210, 0.0))
    assert run([own], "ALIGN_INTERPOLATE", 240) == [[(60.0, 30.0), (120.0, 45.0), (180.0, 15.0)]]
    assert run([own], "ALIGN_NEXT_OLDER", 240) == [[(60.0, 0.0), (120.0, 60.0), (240.0, 0.0)]]


def test_percent_change_compares_means_of_ten_minutes() -> None:
    own = gauge(*((60.0 * n, 10.0 if n <= 60 else 15.0) for n in range(1, 121)))
    (found,) = run([own], "ALIGN_PERCENT_CHANGE", 7200, period=3600)
    assert found[-1] == (7200.0, pytest.approx(50.0))
    from_nothing = gauge(*((60.0 * n, 0.0 if n <= 60 else 1.0) for n in range(1, 121)))
    assert math.isinf(run([from_nothing], "ALIGN_PERCENT_CHANGE", 7200, period=3600)[0][-1][1])
    still = gauge(*((60.0 * n, 0.0) for n in range(1, 121)))
    assert run([still], "ALIGN_PERCENT_CHANGE", 7200, period=3600)[0][-1][1] == 0.0


PLAIN = {
    "MEAN": statistics.fmean,
    "MIN": min,
    "MAX": max,
    "SUM": math.fsum,
    "COUNT": len,
    "STDDEV": statistics.pstdev,
}


@pytest.mark.parametrize("name", PLAIN)
def test_against_plain_python(name: str) -> None:
    numbers = random.Random(name)
    own = [sorted((numbers.uniform(0, 600), numbers.gauss(0, 5)) for _ in range(80)) for _ in range(6)]
    lines = [gauge(*pairs, n=str(index), half=str(index % 2)) for index, pairs in enumerate(own)]

    def grouped(pairs: list[tuple[float, float]]) -> dict[float, float]:
        periods: dict[float, list[float]] = {}
        for second, value in pairs:
            periods.setdefault(600 - 60 * ((600 - math.ceil(second * 1e6) / 1e6) // 60), []).append(value)
        return {end: PLAIN[name](values) for end, values in sorted(periods.items())}

    aligned = run(lines, f"ALIGN_{name}", 600)
    for pairs, found in zip(own, aligned, strict=True):
        assert dict(found) == pytest.approx(grouped(pairs))
    reduced = run(lines, "ALIGN_MAX", 600, reducer=f"REDUCE_{name}", by=["metric.labels.half"])
    maxima = [dict(found) for found in run(lines, "ALIGN_MAX", 600)]
    for half, found in enumerate(reduced):
        by_end: dict[float, list[float]] = {}
        for values in maxima[half::2]:
            for end, value in values.items():
                by_end.setdefault(end, []).append(value)
        assert dict(found) == pytest.approx({end: PLAIN[name](values) for end, values in by_end.items()})


def test_reducing_percentiles_and_truth() -> None:
    lines = [gauge((60, float(n)), n=str(n)) for n in range(1, 11)]
    assert run(lines, "ALIGN_MEAN", 60, reducer="REDUCE_PERCENTILE_50") == [[(60.0, 5.5)]]
    assert run(lines, "ALIGN_MEAN", 60, reducer="REDUCE_PERCENTILE_95") == [[(60.0, pytest.approx(9.55))]]
    truth = [line([Point(60 * SECOND, 60 * SECOND, n > 2)], "GAUGE", "BOOL", n=str(n)) for n in range(4)]
    for reducer, expected in (("COUNT_TRUE", 1), ("COUNT_FALSE", 3), ("FRACTION_TRUE", 0.25), ("COUNT", 4)):
        assert run(truth, "ALIGN_NEXT_OLDER", 60, reducer=f"REDUCE_{reducer}") == [[(60.0, expected)]]
    several = line([Point(s * SECOND, s * SECOND, s < 30) for s in (10, 20, 40, 50)], "GAUGE", "BOOL")
    assert run([several], "ALIGN_FRACTION_TRUE", 60) == [[(60.0, 0.5)]]
    assert run([several], "ALIGN_COUNT_FALSE", 60) == [[(60.0, 2)]]


def test_a_star_groups_by_every_label() -> None:
    lines = [gauge((60, 1.0), a=str(n % 2), b=str(n)) for n in range(4)]
    assert len(run(lines, "ALIGN_MEAN", 60, reducer="REDUCE_SUM", by=["metric.label.*"])) == 4
    assert len(run(lines, "ALIGN_MEAN", 60, reducer="REDUCE_SUM", by=["metric.label.a", "resource.label.*"])) == 2


def test_large_whole_numbers_stay_exact() -> None:
    large = 2**62 + 1
    own = line([Point(30 * SECOND, 30 * SECOND, large)], "GAUGE", "INT64")
    for aligner in ("ALIGN_MAX", "ALIGN_SUM", "ALIGN_NEXT_OLDER"):
        assert run([own], aligner, 60, reducer="REDUCE_MAX") == [[(60.0, large)]]
