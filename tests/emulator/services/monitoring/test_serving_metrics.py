"""The library's view of what deployed models did, over the real queries."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api.distribution_pb2 import Distribution

from gcpmlops._endpoints.serving_metrics import Served, ServingMetrics, _quantile

from .conftest import ENDPOINT, START, Monitoring


class Clients:
    """Answers the library's one call in this process."""

    def __init__(self, monitoring: Monitoring) -> None:
        self.metrics = self
        self.idempotent: dict[str, Any] = {}
        self.calls = 0
        self._service = monitoring.service

    def now(self) -> datetime:
        return datetime.now(UTC)

    def list_time_series(self, request: Any) -> Iterator[Any]:
        self.calls += 1
        return iter(self._service.list_time_series(request).time_series)


@pytest.fixture
def clients(monitoring: Monitoring) -> Clients:
    return Clients(monitoring)


@pytest.mark.parametrize("seconds", [1, 30])  # shorter and longer than what Monitoring aligns
def test_window(monitoring: Monitoring, clients: Clients, seconds: int) -> None:
    monitoring.record("1", ms=400)  # before the window
    start = monitoring.clock.now()
    for second in range(10):
        monitoring.pass_by(seconds)
        monitoring.record("1", ms=10)
        monitoring.record("1", ms=20)
        monitoring.record("2", ms=100, status=400 if second == 3 else 503 if second == 4 else 200)
        monitoring.metrics.flush()
    end = monitoring.clock.now()
    monitoring.pass_by(1)
    monitoring.record("2", ms=400)  # after it
    found = ServingMetrics(clients).window(ENDPOINT, start=start, end=end)  # type: ignore[arg-type]
    assert {model: (one.requests, one.errors) for model, one in found.items()} == {"1": (20, 0), "2": (10, 2)}
    assert found["2"].error_rate == pytest.approx(0.2)
    assert found["1"].latency_p50_s == pytest.approx(0.010, rel=0.2)
    assert found["1"].latency_p99_s == pytest.approx(0.020, rel=0.2)
    assert found["2"].latency_p95_s == pytest.approx(0.100, rel=0.2)
    assert clients.calls == 2


def test_nothing_was_served(monitoring: Monitoring, clients: Clients) -> None:
    metrics = ServingMetrics(clients)  # type: ignore[arg-type]
    assert metrics.window(ENDPOINT, start=START, end=START + timedelta(hours=1)) == {}
    assert metrics.last_request(ENDPOINT, START) is None
    assert Served(0, 0).error_rate == 0.0


@pytest.mark.parametrize("ago", [timedelta(seconds=20), timedelta(hours=3), timedelta(days=20)])
def test_last_request(monitoring: Monitoring, clients: Clients, ago: timedelta) -> None:
    now = datetime.now(UTC)
    monitoring.clock.advance(now - timedelta(days=25) - monitoring.clock.now())
    monitoring.record("1")
    monitoring.metrics.flush()
    monitoring.clock.advance(now - ago - monitoring.clock.now())
    monitoring.record("2", status=500)
    metrics = ServingMetrics(clients)  # type: ignore[arg-type]
    assert metrics.last_request(ENDPOINT, now - timedelta(days=30)) == now - ago
    assert clients.calls <= 5
    assert metrics.last_request(ENDPOINT, now - ago) is None


def test_quantiles_of_every_kind_of_buckets() -> None:
    options = Distribution.BucketOptions
    linear = options(linear_buckets=options.Linear(num_finite_buckets=4, width=10, offset=0))
    explicit = options(explicit_buckets=options.Explicit(bounds=[0, 10, 20, 30, 40]))
    for buckets in (linear, explicit):
        value = Distribution(count=4, bucket_options=buckets, bucket_counts=[0, 1, 2, 1])
        assert _quantile([value], 0.5) == pytest.approx(0.015)
        assert _quantile([value, value], 1) == pytest.approx(0.030)
    beyond = Distribution(count=1, bucket_options=explicit, bucket_counts=[0, 0, 0, 0, 0, 1])
    assert _quantile([beyond], 0.5) == pytest.approx(0.040)
    assert _quantile([], 0.5) is None
