"""Replica counts are gauges: how it is when somebody looks."""

from __future__ import annotations

from .conftest import ENDPOINT, Monitoring, kind_of


def values(monitoring: Monitoring, metric: str) -> list[int]:
    """Oldest first."""
    return [point.value.int64_value for line in monitoring.list(metric) for point in reversed(line.points)]


def test_counts_are_looked_at_when_somebody_asks(monitoring: Monitoring) -> None:
    assert values(monitoring, "replicas") == []
    monitoring.pass_by(2)
    monitoring.replicas.append((ENDPOINT, "1", 1, 3))
    assert values(monitoring, "replicas") == [1]
    monitoring.replicas[0] = (ENDPOINT, "1", 2, 3)
    monitoring.pass_by(1)
    assert values(monitoring, "replicas") == [1, 2]
    monitoring.pass_by(1)
    assert values(monitoring, "replicas") == [1, 2]  # nothing new
    monitoring.pass_by(60)
    assert values(monitoring, "replicas") == [1, 2, 2]
    (line,) = monitoring.list("target_replicas")
    assert kind_of(line) == ("GAUGE", "INT64")
    assert line.points[0].interval.start_time == line.points[0].interval.end_time
    monitoring.replicas.clear()  # undeployed
    monitoring.pass_by(60)
    assert values(monitoring, "target_replicas") == [3, 3, 3]


def test_gauges_are_aligned(monitoring: Monitoring) -> None:
    for count in (1, 5, 2):
        monitoring.pass_by(10)
        monitoring.replicas[:] = [(ENDPOINT, "1", count, count)]
        monitoring.list("replicas")
    for aligner, expected in (("ALIGN_MAX", 5), ("ALIGN_NEXT_OLDER", 2)):
        wanted = {"alignment_period": {"seconds": 60}, "per_series_aligner": aligner}
        (line,) = monitoring.list("replicas", aggregation=wanted)
        assert [point.value.int64_value for point in line.points] == [expected]
