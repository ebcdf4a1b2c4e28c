"""Cloud Monitoring in this process, on a clock that stands still until it is advanced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from google.api import metric_pb2
from google.cloud import monitoring_v3
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import ManualClock, TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.registry import Api, BoundApi
from gcpmlops.emulator.kernel.rest import RestApi
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.catalog import PACKAGES
from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.prediction_metrics import PredictionMetrics
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.replica_gauges import ReplicaGauges, Seen
from gcpmlops.emulator.services.monitoring.service import MetricService
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

START = datetime(2026, 5, 1, 12, tzinfo=UTC)
BEFORE = START - timedelta(seconds=1)
ENDPOINT = "projects/p1/locations/us-central1/endpoints/7"
ONLINE = "aiplatform.googleapis.com/prediction/online/"


CUSTOM = "custom.googleapis.com/"
_FIELDS = {
    bool: "bool_value",
    int: "int64_value",
    float: "double_value",
    str: "string_value",
    dict: "distribution_value",
}


def one_point(
    metric: str,
    value: Any,
    end: datetime,
    start: datetime | None = None,
    kind: str = "GAUGE",
    resource: dict[str, Any] | None = None,
    **own: str,
) -> Any:
    """A `TimeSeries` of a user-defined metric with labels of its `own`."""
    interval = {"end_time": end} | ({"start_time": start} if start else {})
    return monitoring_v3.TimeSeries(
        metric={"type": metric if "googleapis.com" in metric else CUSTOM + metric, "labels": own},
        resource=resource or {"type": "global"},
        metric_kind=kind,
        points=[{"interval": interval, "value": {_FIELDS[type(value)]: value}}],
    )


def kind_of(line: Any) -> tuple[str, str]:
    """Metric kind and value type of a time series."""
    kind, value = metric_pb2.MetricDescriptor.MetricKind, metric_pb2.MetricDescriptor.ValueType
    return kind.Name(line.metric_kind), value.Name(line.value_type)


@dataclass
class Monitoring:
    """The service, what feeds it, and its REST form."""

    clock: ManualClock
    points: Points
    metrics: PredictionMetrics
    replicas: list[Seen]
    service: MetricService
    rest: RestApi

    def record(self, model: str = "1", status: int = 200, ms: float = 10.0, count: int = 1) -> None:
        """A request of a moment ago."""
        seconds = ms / 1000
        self.metrics.record(
            endpoint=ENDPOINT,
            deployed_model_id=model,
            status=status,
            seconds=seconds,
            model_seconds=seconds / 2 if status != 503 else 0,
            predictions=count,
        )

    def pass_by(self, seconds: float) -> datetime:
        """The time goes on."""
        return self.clock.advance(timedelta(seconds=seconds))

    def list(self, metric: str, more: str = "", since: datetime = BEFORE, **fields: Any) -> list[Any]:
        """Time series of a metric from after `since` until now."""
        return list(self.response(metric, more, since, **fields).time_series)

    def response(
        self, metric: str, more: str = "", since: datetime = BEFORE, until: datetime | None = None, **fields: Any
    ) -> Any:
        text = f'metric.type = "{ONLINE}{metric}"{more}'
        return self.service.list_time_series(
            monitoring_v3.ListTimeSeriesRequest(
                name="projects/p1",
                filter=text,
                interval={"start_time": since, "end_time": until or self.clock.now()},
                **fields,
            )
        )

    def write(self, metric: str, value: Any, **fields: Any) -> None:
        """A point of now, by CreateTimeSeries."""
        self.service.create_time_series(
            monitoring_v3.CreateTimeSeriesRequest(
                name="projects/p1", time_series=[one_point(metric, value, self.clock.now(), **fields)]
            )
        )

    def read(self, metric: str, more: str = "", since: datetime = BEFORE, **fields: Any) -> list[Any]:
        """Time series of a user-defined metric from after `since` until now."""
        request = monitoring_v3.ListTimeSeriesRequest(
            name="projects/p1",
            filter=f'metric.type = "{CUSTOM}{metric}"{more}',
            interval={"start_time": since, "end_time": self.clock.now()},
            **fields,
        )
        return list(self.service.list_time_series(request).time_series)

    def get(self, path: str, **query: Any) -> Any:
        """A REST call."""
        _, body = self.rest("GET", path, urlencode(query, doseq=True), b"")
        assert isinstance(body, bytes)
        return json.loads(body)


def display_names(endpoint: str, model: str) -> tuple[str, str]:
    """Of a deployed model and its endpoint."""
    return f"model {model}", "flights"


@pytest.fixture
def monitoring(tmp_path: Path) -> Iterator[Monitoring]:
    with running(tmp_path) as made:
        yield made


@contextmanager
def running(folder: Path) -> Iterator[Monitoring]:
    """A new one, with its data in `folder`."""
    clock = ManualClock(START)
    store = Store(folder / "state.db", now=clock.now)
    pool = ThreadPoolExecutor(1)
    operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
    context = Context(store, clock, operations, Locks(), Settings(data_dir=folder), Agenda(TravelClock(), pool))
    points = Points(store)
    metrics = PredictionMetrics(points, clock, display_names)
    replicas: list[Seen] = []
    gauges = ReplicaGauges(points, clock, display_names, lambda: replicas)
    service = MetricService(context, points, MetricTypes(store), Reading(points))
    rest = RestApi([BoundApi(Api(*PACKAGES["monitoring"], lambda: [service]))], operations)
    gauges.start()
    yield Monitoring(clock, points, metrics, replicas, service, rest)
    gauges.close()
    metrics.close()
    pool.shutdown()
    store.close()
