"""What endpoints do becomes points: all of it, once, and readable at once."""

from __future__ import annotations

import threading
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.prediction_metrics import PredictionMetrics
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import micros
from gcpmlops.emulator.state.store import Store

from .conftest import ENDPOINT, ONLINE, START, Monitoring, kind_of


def count(monitoring: Monitoring, metric: str, more: str = "") -> int:
    return sum(point.value.int64_value for line in monitoring.list(metric, more) for point in line.points)


def test_a_request_can_be_read_at_once(monitoring: Monitoring) -> None:
    monitoring.pass_by(1)
    monitoring.record(ms=12, count=3)
    (predictions,) = monitoring.list("prediction_count")
    assert [point.value.int64_value for point in predictions.points] == [3]
    assert dict(predictions.metric.labels) == {
        "deployed_model_id": "1",
        "spot": "False",
        "model_display_name": "model 1",
        "endpoint_display_name": "flights",
    }
    assert predictions.resource.type == "aiplatform.googleapis.com/Endpoint"
    assert dict(predictions.resource.labels) == {
        "project_id": "p1",
        "resource_container": "p1",
        "location": "us-central1",
        "endpoint_id": "7",
    }
    assert kind_of(predictions) == ("DELTA", "INT64")
    assert not monitoring.list("error_count")


def test_nothing_is_counted_twice_however_often_it_is_read(monitoring: Monitoring) -> None:
    for n in range(5):  # the clock stands still between two of them
        if n % 2:
            monitoring.pass_by(0.3)
        monitoring.record()
        monitoring.record(status=400)
        assert count(monitoring, "response_count") == 2 * (n + 1)
    assert count(monitoring, "error_count") == 5
    assert count(monitoring, "response_count", ' AND metric.labels.response_code = "4xx"') == 5
    assert count(monitoring, "prediction_count") == 5


def test_points_of_a_time_series_do_not_overlap(monitoring: Monitoring) -> None:
    for _ in range(4):
        monitoring.record()
        monitoring.pass_by(0.1)
        monitoring.record()
        monitoring.metrics.flush()
    monitoring.pass_by(2)
    monitoring.record()
    (line,) = monitoring.list("prediction_count")
    spans = [(point.interval.start_time, point.interval.end_time) for point in reversed(line.points)]
    assert len(spans) == 5
    assert all(start < end for start, end in spans)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_latencies(monitoring: Monitoring) -> None:
    for ms in range(1, 101):
        monitoring.record(ms=ms)
    monitoring.record(ms=9, status=503)  # the model was never asked
    monitoring.pass_by(1)
    found = {
        line.metric.labels["latency_type"]: line.points[0].value.distribution_value
        for line in monitoring.list("prediction_latencies")
    }
    assert {kind: value.count for kind, value in found.items()} == {"total": 101, "model": 100, "overhead": 100}
    assert found["total"].mean == pytest.approx((5050 + 9) / 101)
    assert found["model"].mean == pytest.approx(25.25)
    assert sum(found["total"].bucket_counts) == 101
    variance = found["model"].sum_of_squared_deviation / 100
    assert variance == pytest.approx((100**2 - 1) / 12 / 4)


def test_durations_beyond_all_buckets_are_counted(monitoring: Monitoring) -> None:
    monitoring.record(ms=0.001)
    monitoring.record(ms=1e9)
    monitoring.pass_by(1)
    (line,) = monitoring.list("prediction_latencies", ' AND metric.labels.latency_type = "total"')
    counts = line.points[0].value.distribution_value.bucket_counts
    assert (counts[0], counts[-1], len(counts)) == (1, 1, 92)


def test_threads_lose_nothing(monitoring: Monitoring) -> None:
    threads = [threading.Thread(target=lambda: [monitoring.record() for _ in range(500)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        monitoring.metrics.flush()
    monitoring.pass_by(1)
    assert count(monitoring, "prediction_count") == 2000


def test_old_points_become_one_a_minute(monitoring: Monitoring) -> None:
    for second in range(0, 600, 7):
        monitoring.record(ms=10 + second)
        monitoring.pass_by(7)
    newest = START + timedelta(minutes=5, seconds=30)

    def seen() -> tuple[int, int, float]:
        (counted,) = monitoring.list("prediction_count")
        (taken,) = monitoring.list("prediction_latencies", ' AND metric.labels.latency_type = "total"')
        values = [point.value.distribution_value for point in taken.points]
        total = sum(value.count * value.mean for value in values)
        return sum(point.value.int64_value for point in counted.points), sum(value.count for value in values), total

    before = seen()
    monitoring.points.thin(micros(newest))
    assert seen() == (before[0], before[1], pytest.approx(before[2]))
    (line,) = monitoring.list("prediction_count")
    old = [point for point in line.points if point.interval.end_time <= newest.replace(second=0)]
    assert [point.value.int64_value for point in reversed(old)] == [1, 8, 9, 8, 9, 8]  # the first is that of 12:00:00
    assert len(line.points) == len(old) + sum(n * 7 > 300 for n in range(86))
    monitoring.points.thin(micros(newest))  # nothing is left to do
    assert seen()[0] == before[0]


def test_it_is_stored_by_itself_and_at_the_end(tmp_path: Path, monitoring: Monitoring) -> None:
    store = Store(tmp_path / "other.db", now=monitoring.clock.now)
    points = Points(store)
    written = threading.Event()
    add = points.add
    points.add = lambda rows: (add(rows), written.set())  # type: ignore[method-assign, assignment]
    metrics = PredictionMetrics(points, monitoring.clock, lambda *_: ("", ""))
    request = {"endpoint": ENDPOINT, "deployed_model_id": "1", "status": 200, "predictions": 1}
    metrics.record(**request, seconds=0.1, model_seconds=0.1)  # type: ignore[arg-type]
    assert written.wait(10)
    metrics.record(**request, seconds=0.1, model_seconds=0.1)  # type: ignore[arg-type]
    metrics.close()
    points.before_read.clear()
    text = f'metric.type = "{ONLINE}prediction_count"'
    (line,) = Reading(points).lines("p1", text, 0, 2**60)
    assert sum(point.value for point in line.points) == 2  # type: ignore[misc]
    store.close()
