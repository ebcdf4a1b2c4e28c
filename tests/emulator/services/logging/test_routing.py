"""Sinks and log-based metrics through the official clients."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import bigquery, monitoring_v3, pubsub_v1
from google.cloud.logging_v2.services.config_service_v2 import ConfigServiceV2Client
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.services.metrics_service_v2 import MetricsServiceV2Client
from google.cloud.logging_v2.types import LogEntry

from gcpmlops.emulator.server import Running


@pytest.fixture
def project(emulator: Running, google_environment: dict[str, str]) -> str:
    return f"projects/{emulator.project}"


@pytest.fixture
def key() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


def _write(project: str, log: str, *payloads: dict[str, Any], **fields: Any) -> None:
    entries = [LogEntry(json_payload=payload, **fields) for payload in payloads]
    LoggingServiceV2Client().write_log_entries(log_name=f"{project}/logs/{log}", entries=entries)


def _sink(project: str, key: str, destination: str, **fields: Any) -> None:
    sink = {"name": key, "destination": destination, "filter": f'log_id("{key}")', **fields}
    ConfigServiceV2Client().create_sink(parent=project, sink=sink)


def _until(look: Callable[[], Any]) -> Any:
    """What is found, at last: sinks work behind the writers' backs."""
    end = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < end, "it has not come"
        time.sleep(0.05)
    return found


def test_to_a_topic(project: str, key: str) -> None:
    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    topic, subscription = f"{project}/topics/{key}", f"{project}/subscriptions/{key}"
    publisher.create_topic(name=topic)
    subscriber.create_subscription(name=subscription, topic=topic)
    _sink(project, key, f"pubsub.googleapis.com/{topic}")
    _write(project, key, {"n": 1}, severity=500, labels={"a": "b"})
    answer = _until(lambda: subscriber.pull(subscription=subscription, max_messages=10).received_messages)
    message = answer[0].message
    shown = json.loads(message.data)
    assert (shown["jsonPayload"], shown["severity"], shown["labels"]) == ({"n": 1}, "ERROR", {"a": "b"})
    assert message.attributes["logging.googleapis.com/timestamp"] == shown["timestamp"]
    ConfigServiceV2Client().delete_sink(sink_name=f"{project}/sinks/{key}")
    publisher.delete_topic(topic=topic)
    subscriber.delete_subscription(subscription=subscription)


def test_to_a_dataset_whose_tables_grow(project: str, key: str) -> None:
    client = bigquery.Client()
    client.create_dataset(key)
    options = {"use_partitioned_tables": True}
    _sink(project, key, f"bigquery.googleapis.com/{project}/datasets/{key}", bigquery_options=options)
    _write(project, key, {"loss": 0.5}, severity=400)
    table = f"{key}.{key}"
    assert _until(lambda: _rows(client, f"SELECT jsonPayload.loss FROM {table}")) == [(0.5,)]
    _write(project, key, {"loss": 0.25, "model": {"name": "a"}}, {"loss": "none"})
    sql = f"SELECT jsonPayload.model.name, jsonPayload.loss FROM {table} WHERE jsonPayload.loss = 0.25"
    assert _until(lambda: _rows(client, sql)) == [("a", 0.25)]
    errors = _until(lambda: _rows(client, f"SELECT schemaErrorDetail, sink FROM {key}.export_errors"))
    assert errors == [("loss: STRING, where the table has FLOAT", key)]
    assert client.get_table(table).time_partitioning.field == "timestamp"
    ConfigServiceV2Client().delete_sink(sink_name=f"{project}/sinks/{key}")


def _rows(client: bigquery.Client, sql: str) -> list[tuple[Any, ...]]:
    try:
        return [tuple(row) for row in client.query(sql).result()]
    except (exceptions.NotFound, exceptions.BadRequest):  # the table, or a column, is not there yet
        return []


def test_a_missing_destination_is_told_in_the_log(project: str, key: str) -> None:
    _sink(project, key, f"pubsub.googleapis.com/{project}/topics/{key}-gone")
    _write(project, key, {"n": 1})
    text = f'log_id("logging.googleapis.com/sink_error") resource.labels.name="{key}"'
    listed = LoggingServiceV2Client().list_log_entries
    (error,) = _until(lambda: list(listed(resource_names=[project], filter=text)))
    assert error.labels["error_code"] == "topic_not_found"
    assert error.resource.type == "logging_sink"
    ConfigServiceV2Client().delete_sink(sink_name=f"{project}/sinks/{key}")


def test_a_metric_is_read_in_monitoring(project: str, key: str) -> None:
    metric = {"name": key, "filter": f'log_id("{key}") AND jsonPayload.n>1'}
    MetricsServiceV2Client().create_log_metric(parent=project, metric=metric)
    _write(project, key, {"n": 1}, {"n": 2}, {"n": 3})
    client = monitoring_v3.MetricServiceClient()
    kind = f"logging.googleapis.com/user/{key}"
    descriptor = client.get_metric_descriptor(name=f"{project}/metricDescriptors/{kind}")
    assert (descriptor.type, descriptor.unit) == (kind, "1")
    now = datetime.now(UTC).timestamp()
    interval = {"end_time": {"seconds": int(now) + 1}, "start_time": {"seconds": int(now) - 600}}
    found = client.list_time_series(
        request={"name": project, "filter": f'metric.type="{kind}"', "interval": interval, "view": 0}
    )
    assert sum(point.value.int64_value for series in found for point in series.points) == 2


def test_what_is_not_built_says_so(project: str) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match="CopyLogEntries"):
        ConfigServiceV2Client().copy_log_entries({"name": f"{project}/locations/global/buckets/_Default"})
    with pytest.raises(exceptions.MethodNotImplemented, match="log buckets"):
        _sink(project, "elsewhere", f"logging.googleapis.com/{project}/locations/eu/buckets/b")
