"""Cloud Monitoring's data: Google's clients over gRPC, plain REST, and gcloud's groups for dashboards and uptime."""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3

from .conftest import Shell, until

pytestmark = pytest.mark.xdist_group("e2e-monitoring")
needs_gcloud = pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")


@pytest.fixture
def metric(unique: Callable[[str], str]) -> str:
    return f"custom.googleapis.com/{unique('metric').replace('-', '_')}"


def point(metric: str, value: float, end: datetime, **own: str) -> Any:
    return monitoring_v3.TimeSeries(
        metric={"type": metric, "labels": own},
        resource={"type": "global"},
        points=[{"interval": {"end_time": end}, "value": {"double_value": value}}],
    )


def test_metrics_written_and_read_by_googles_client(
    emulator: Any, google_environment: dict[str, str], metric: str
) -> None:
    client, name = monitoring_v3.MetricServiceClient(), f"projects/{emulator.project}"
    end = datetime.now(UTC).replace(microsecond=0)
    for minute in range(10):
        at = end - timedelta(minutes=9 - minute)
        series = [point(metric, float(minute), at, model="a"), point(metric, 10.0 * minute, at, model="b")]
        client.create_time_series(name=name, time_series=series)
    request = {
        "name": name,
        "filter": f'metric.type = "{metric}"',
        "interval": {"start_time": end - timedelta(minutes=10), "end_time": end},
        "aggregation": {
            "alignment_period": {"seconds": 300},
            "per_series_aligner": "ALIGN_MEAN",
            "cross_series_reducer": "REDUCE_SUM",
        },
    }
    (line,) = client.list_time_series(request=request)
    assert [each.value.double_value for each in line.points] == [77.0, 22.0]
    with pytest.raises(exceptions.InvalidArgument, match="must be written in order") as error:
        client.create_time_series(
            name=name, time_series=[point(metric, 1.0, end, model="a"), point(metric, 1.0, end, model="new")]
        )
    (detail,) = error.value.details
    assert detail.Unpack(counts := monitoring_v3.CreateTimeSeriesSummary.pb()())
    assert (counts.total_point_count, counts.success_point_count) == (2, 1)
    models = {each.metric.labels["model"] for each in client.list_time_series(request={**request, "aggregation": {}})}
    assert models == {"a", "b", "new"}
    (described,) = client.list_metric_descriptors(request={"name": name, "filter": f'metric.type = "{metric}"'})
    assert [label.key for label in described.labels] == ["model"]
    client.delete_metric_descriptor(name=described.name)
    with pytest.raises(exceptions.NotFound):
        client.list_time_series(request=request)
    with pytest.raises(exceptions.MethodNotImplemented, match="QueryTimeSeries"):
        list(monitoring_v3.QueryServiceClient().query_time_series(request={"name": name, "query": "fetch"}))
    with pytest.raises(exceptions.MethodNotImplemented, match="CreateService"):
        monitoring_v3.ServiceMonitoringServiceClient().create_service(parent=name, service={"display_name": "a"})


def call(emulator: Any, method: str, path: str, body: Any = None) -> Any:
    """A REST call on the plain port, with a token of the emulator; status and answer."""
    token = json.load(
        urllib.request.urlopen(
            urllib.request.Request(
                f"{emulator.endpoint}/computeMetadata/v1/instance/service-accounts/default/token",
                headers={"Metadata-Flavor": "Google", "Host": "metadata.google.internal"},
            )
        )
    )["access_token"]
    request = urllib.request.Request(
        f"{emulator.endpoint}/monitoring.googleapis.com{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_rest(emulator: Any, metric: str) -> None:
    base, now = f"/v3/projects/{emulator.project}", datetime.now(UTC)
    written = {
        "metric": {"type": metric, "labels": {"model": "a"}},
        "points": [{"interval": {"endTime": now.isoformat()}, "value": {"int64Value": "7"}}],
    }
    assert call(emulator, "POST", f"{base}/timeSeries", {"timeSeries": [written]}) == (200, {})
    query = {
        "filter": f'metric.type = "{metric}"',
        "interval.startTime": (now - timedelta(minutes=1)).isoformat(),
        "interval.endTime": now.isoformat(),
    }
    status, found = call(emulator, "GET", f"{base}/timeSeries?{urlencode(query)}")
    assert (status, found["timeSeries"][0]["points"][0]["value"]) == (200, {"int64Value": "7"})
    assert found["timeSeries"][0]["resource"] == {"type": "global", "labels": {"project_id": emulator.project}}
    status, refused = call(emulator, "POST", f"{base}/timeSeries", {"timeSeries": [written]})
    assert (status, refused["error"]["status"]) == (400, "INVALID_ARGUMENT")
    (detail,) = refused["error"]["details"]
    assert (detail["totalPointCount"], detail["errors"][0]["pointCount"]) == (1, 1)
    status, refused = call(
        emulator, "GET", f"/v1/projects/{emulator.project}/location/global/prometheus/api/v1/query?query=up"
    )
    assert (status, "PromQL" in refused["error"]["message"]) == (501, True)


@needs_gcloud
@pytest.mark.gcloud
def test_gcloud_dashboards(shell: Shell, unique: Callable[[str], str]) -> None:
    name = unique("flights")
    query = {"timeSeriesFilter": {"filter": 'metric.type = "custom.googleapis.com/flights/auc"'}}
    chart = {"title": "AUC", "xyChart": {"dataSets": [{"timeSeriesQuery": query}]}}
    dashboard = {"displayName": name, "gridLayout": {"columns": "2", "widgets": [chart]}}
    file = shell.cwd / "dashboard.json"
    file.write_text(json.dumps(dashboard))

    def dashboards(*command: object) -> Any:
        return json.loads(shell.tool("gcloud", "monitoring", "dashboards", *command, "--format=json").stdout)

    made = dashboards("create", f"--config-from-file={file}")
    assert made["gridLayout"]["widgets"][0]["xyChart"]["dataSets"][0]["timeSeriesQuery"] == query
    file.write_text(json.dumps(made | {"displayName": f"{name} 2"}))
    assert dashboards("update", made["name"], f"--config-from-file={file}")["displayName"] == f"{name} 2"
    assert made["name"] in {each["name"] for each in dashboards("list")}
    stale = shell.tool(
        "gcloud", "monitoring", "dashboards", "update", made["name"], f"--config-from-file={file}", code=1
    )
    assert "changed meanwhile" in stale.stderr
    shell.tool("gcloud", "monitoring", "dashboards", "delete", made["name"], "--quiet")
    assert made["name"] not in {each["name"] for each in dashboards("list")}


@needs_gcloud
@pytest.mark.gcloud
def test_gcloud_uptime(emulator: Any, google_environment: dict[str, str], shell: Shell, unique: Any) -> None:
    """Of the emulator's own port, which answers the metadata server's question to everybody."""

    def uptime(*command: object) -> Any:
        return json.loads(shell.tool("gcloud", "monitoring", "uptime", *command, "--format=json").stdout or "null")

    port = emulator.endpoint.rpartition(":")[2]
    made = uptime(
        "create",
        unique("emulator"),
        "--resource-type=uptime-url",
        f"--resource-labels=host=127.0.0.1,project_id={emulator.project}",
        f"--port={port}",
        "--path=/nowhere",
        "--status-codes=404",
        "--protocol=http",
    )
    check = made["name"].rpartition("/")[2]
    client, now = monitoring_v3.MetricServiceClient(), datetime.now(UTC)
    text = 'metric.type = "monitoring.googleapis.com/uptime_check/http_status"'
    request = {
        "name": f"projects/{emulator.project}",
        "filter": f'{text} AND metric.labels.check_id = "{check}"',
        "interval": {"start_time": now - timedelta(minutes=5), "end_time": now + timedelta(minutes=5)},
    }
    found = until(lambda: list(client.list_time_series(request=request)), why="no check was made")
    assert {each.metric.labels["checker_location"] for each in found} >= {"usa-iowa", "eur-belgium"}
    assert uptime("describe", check)["httpCheck"]["path"] == "/nowhere"
    assert check in {each["name"].rpartition("/")[2] for each in uptime("list-configs")}
    assert {each["ipAddress"] for each in uptime("list-ips")} == {"127.0.0.1"}
    shell.tool("gcloud", "monitoring", "uptime", "delete", check, "--quiet")
