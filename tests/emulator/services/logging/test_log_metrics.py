"""Log-based metrics: what is counted, with which labels and buckets."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.logging_v2 import types
from google.cloud.logging_v2.types import LogEntry

from gcpmlops.emulator.services.logging.log_metrics import PREFIX, LogMetrics
from gcpmlops.emulator.services.logging.metrics import MetricsServiceV2
from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes

START = 1_777_637_400  # 2026-05-01T12:10:00Z
LABELS = [{"key": "model", "value_type": "STRING"}, {"key": "code", "value_type": "INT64"}]
DISTRIBUTION = {"metric_kind": "DELTA", "value_type": "DISTRIBUTION", "unit": "ms", "labels": LABELS}


class Added:
    """Points that keeps what it is given."""

    def __init__(self) -> None:
        self.points: list[tuple[Any, Any]] = []

    def add(self, points: Any) -> None:
        self.points += points


@pytest.fixture
def added() -> Added:
    return Added()


@pytest.fixture
def service(log: Any, added: Added) -> MetricsServiceV2:
    metrics = LogMetrics(log.context, log.entries, added)  # type: ignore[arg-type]
    return MetricsServiceV2(log.context, metrics, MetricTypes(log.context.store))


def _create(service: MetricsServiceV2, **fields: Any) -> types.LogMetric:
    metric = {"name": "m", "filter": "severity>=ERROR", **fields}
    return service.create_log_metric(types.CreateLogMetricRequest(parent="projects/p1", metric=metric))


def _json(log: Any, *payloads: dict[str, Any], **fields: Any) -> None:
    fields = {"severity": 500, "log_name": "projects/p1/logs/a", **fields}
    log.entries.append([LogEntry.pb(LogEntry(json_payload=payload, **fields)) for payload in payloads])


def test_a_counter_counts_excluded_entries_too(log: Any, added: Added, service: MetricsServiceV2) -> None:
    made = _create(service)
    assert made.metric_descriptor.type == f"{PREFIX}m"
    log.entries.keeps = lambda entry: entry.text_payload != "noise"
    log.write("a", "noise", severity=500, resource={"type": "ml_job", "labels": {"job_id": "7"}})
    log.write("fine")
    log.write("elsewhere", severity=500, log_name="projects/p2/logs/x")
    ((series, point),) = added.points
    assert (series.metric, series.kind, series.value_type) == (f"{PREFIX}m", "DELTA", "INT64")
    assert series.resource_labels == (("job_id", "7"), ("project_id", "p1"))
    assert (point.value, point.end) == (2, START * 1_000_000)


def test_entries_out_of_time_are_not_counted(log: Any, added: Added, service: MetricsServiceV2) -> None:
    _create(service)
    now = log.context.clock.now()
    for by in (timedelta(hours=-25), timedelta(minutes=11)):
        log.write("a", severity=500, timestamp=now + by)
    assert added.points == []
    log.write("a", severity=500, timestamp=now - timedelta(hours=23))
    assert len(added.points) == 1


def test_a_distribution_with_labels(log: Any, added: Added, service: MetricsServiceV2) -> None:
    made = _create(
        service,
        metric_descriptor=DISTRIBUTION,
        value_extractor='REGEXP_EXTRACT(jsonPayload.took, "(\\\\d+) ms")',
        label_extractors={
            "model": "EXTRACT(jsonPayload.model)",
            "code": 'REGEXP_EXTRACT(jsonPayload.status, "^(\\d+)")',
        },
        bucket_options={"explicit_buckets": {"bounds": [10, 100]}},
    )
    assert [label.key for label in made.metric_descriptor.labels] == ["model", "code"]
    took = [5, 10, 99, 100]
    _json(log, *({"took": f"{ms} ms", "model": "a", "status": "200 OK"} for ms in took))
    _json(log, {"took": "30 ms"}, {"took": "no time"})
    (first, point), (second, other) = added.points
    assert first.metric_labels == (("code", "200"), ("model", "a"))
    assert second.metric_labels == (("code", "0"), ("model", ""))
    assert (point.value.count, list(point.value.bucket_counts)) == (4, [1, 2, 1])
    assert point.value.mean == pytest.approx(53.5)
    assert point.value.sum_of_squared_deviation == pytest.approx(sum((ms - 53.5) ** 2 for ms in took))
    assert other.value.count == 1


def test_life_of_a_metric(log: Any, added: Added, service: MetricsServiceV2) -> None:
    _create(service, name="nginx/requests")
    name = "projects/p1/metrics/nginx%2Frequests"
    assert service.get_log_metric(types.GetLogMetricRequest(metric_name=name)).name == "nginx/requests"
    off = {"filter": "severity>=ERROR", "disabled": True, "description": "d"}
    service.update_log_metric(types.UpdateLogMetricRequest(metric_name=name, metric=off))
    log.write("a", severity=500)
    assert added.points == []
    other_kind = {"filter": "a", "metric_descriptor": DISTRIBUTION, "value_extractor": "EXTRACT(insertId)"}
    other_kind["label_extractors"] = {"model": "EXTRACT(trace)", "code": "EXTRACT(trace)"}
    with pytest.raises(exceptions.InvalidArgument, match="make a new metric"):
        service.update_log_metric(types.UpdateLogMetricRequest(metric_name=name, metric=other_kind))
    listed = service.list_log_metrics(types.ListLogMetricsRequest(parent="projects/p1")).metrics
    assert [metric.description for metric in listed] == ["d"]
    kind = f"{PREFIX}nginx/requests"
    types_ = MetricTypes(log.context.store)
    assert types_.find("p1", kind) is not None
    service.delete_log_metric(types.DeleteLogMetricRequest(metric_name=name))
    assert types_.find("p1", kind) is None
    with pytest.raises(exceptions.NotFound):
        service.get_log_metric(types.GetLogMetricRequest(metric_name=name))


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"filter": "severity>="}, "ends too early"),
        ({"name": "/m"}, "metric.name"),
        ({"value_extractor": "EXTRACT(insertId)"}, "only allowed for"),
        ({"metric_descriptor": {"metric_kind": "GAUGE"}}, "DELTA"),
        ({"metric_descriptor": {"metric_kind": "DELTA", "value_type": "DISTRIBUTION"}}, "required for"),
        ({"label_extractors": {"a": "EXTRACT(insertId)"}}, "label_extractors"),
        (
            {
                "metric_descriptor": {"labels": [{"key": "a"}]},
                "label_extractors": {"a": 'REGEXP_EXTRACT(insertId, "x")'},
            },
            "one group",
        ),
        ({"metric_descriptor": {"labels": [{"key": "a"}]}, "label_extractors": {"a": "FIRST(x)"}}, "expected EXTRACT"),
        (
            {
                "metric_descriptor": {"metric_kind": "DELTA", "value_type": "DISTRIBUTION"},
                "value_extractor": "EXTRACT(jsonPayload.x)",
                "bucket_options": {"explicit_buckets": {"bounds": [2, 1]}},
            },
            "bounds must rise",
        ),
    ],
)
def test_metrics_that_cannot_be(service: MetricsServiceV2, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=wrong):
        _create(service, **fields)
