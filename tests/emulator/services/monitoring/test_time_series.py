"""Queries over time series: filters, intervals, alignment, reduction, pages; the same over REST."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3

from .conftest import ONLINE, START, Monitoring, kind_of, running

Aligner = monitoring_v3.Aggregation.Aligner
Reducer = monitoring_v3.Aggregation.Reducer


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    """Two models for three minutes, a request a second each; the second model is slow and fails each tenth."""
    with running(tmp_path_factory.mktemp("served")) as monitoring:
        for second in range(180):
            monitoring.pass_by(1)
            monitoring.record("1", ms=10)
            monitoring.record("2", ms=50, status=500 if second % 10 == 9 else 200)
            monitoring.metrics.flush()
        yield monitoring


def by_model(lines: list[Any]) -> dict[str, list[Any]]:
    return {line.metric.labels["deployed_model_id"]: [point.value for point in line.points] for line in lines}


def aggregation(aligner: str, reducer: str = "REDUCE_NONE", *fields: str, period: int = 60) -> dict[str, Any]:
    return {
        "alignment_period": timedelta(seconds=period),
        "per_series_aligner": aligner,
        "cross_series_reducer": reducer,
        "group_by_fields": fields,
    }


def test_an_interval_excludes_its_start_and_includes_its_end(served: Monitoring) -> None:
    since = START + timedelta(seconds=170)
    lines = served.list("response_count", ' metric.labels.deployed_model_id="1"', since)
    ends = [point.interval.end_time for point in lines[0].points]
    assert ends == [START + timedelta(seconds=s) for s in range(180, 170, -1)]
    end = START + timedelta(seconds=180)
    assert not served.list("response_count", since=end, until=end + timedelta(seconds=5))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (' AND metric.labels.deployed_model_id = "2"', {"2"}),
        (' AND metric.label.deployed_model_id != "2"', {"1"}),
        (' resource.type = "aiplatform.googleapis.com/Endpoint" resource.labels.endpoint_id = "7"', {"1", "2"}),
        (' resource.labels.endpoint_id = "8"', set()),
        (' metric.labels.deployed_model_id = one_of("1", "3")', {"1"}),
        (' metric.labels.response_code = starts_with("5")', {"2"}),
        (' metric.labels.model_display_name = ends_with(" 1")', {"1"}),
        (' metric.labels.model_display_name != has_substring("1")', {"2"}),
        (' resource.labels.location = monitoring.regex.full_match("us-(central|east)\\\\d")', {"1", "2"}),
        (' NOT resource.labels.location = starts_with("europe-") AND project = "p1"', {"1", "2"}),
        (' metric.labels.deployed_model_id = "1" OR metric.labels.response_code = "5xx"', {"1", "2"}),
    ],
)
def test_filters(served: Monitoring, more: str, expected: set[str]) -> None:
    assert {line.metric.labels["deployed_model_id"] for line in served.list("response_count", more)} == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must specify a metric type"),
        ('resource.type = "x"', "must specify a metric type"),
        (f'metric.type = "{ONLINE}response_count" AND', "ends too early"),
        (f'metric.type = "{ONLINE}response_count" AND metrics.labels.a = "b"', "no field 'metrics.labels.a'"),
        (
            f'metric.type = "{ONLINE}error_count" metric.labels.a = monitoring.regex.full_match("(")',
            "regular expression",
        ),
        (f'metric.type = "{ONLINE}error_count" metric.labels.a = starts_with("a", "b")', "takes 1 value"),
    ],
)
def test_bad_filters(monitoring: Monitoring, text: str, message: str) -> None:
    request = monitoring_v3.ListTimeSeriesRequest(name="projects/p1", filter=text, interval={"end_time": START})
    with pytest.raises(exceptions.InvalidArgument, match=message):
        monitoring.service.list_time_series(request)


def test_a_metric_that_is_not_there(monitoring: Monitoring) -> None:
    with pytest.raises(exceptions.NotFound, match="prediction/online/none"):
        monitoring.list("none")


def test_several_metrics_by_a_prefix(served: Monitoring) -> None:
    request = monitoring_v3.ListTimeSeriesRequest(
        name="projects/p1",
        filter=f'metric.type = starts_with("{ONLINE}")',
        interval={"start_time": START, "end_time": served.clock.now()},
        view="HEADERS",
    )
    kinds = [line.metric.type.removeprefix(ONLINE) for line in served.service.list_time_series(request).time_series]
    assert sorted(set(kinds)) == ["error_count", "prediction_count", "prediction_latencies", "response_count"]
    assert len(kinds) == 1 + 2 + 6 + 3


def test_counts_are_aligned(served: Monitoring) -> None:
    lines = served.list("prediction_count", aggregation=aggregation("ALIGN_DELTA"))
    values = {model: [value.int64_value for value in points] for model, points in by_model(lines).items()}
    assert values == {"1": [60, 60, 60], "2": [54, 54, 54]}
    ends = [point.interval.end_time for point in lines[0].points]
    assert ends == [START + timedelta(minutes=n) for n in (3, 2, 1)]
    assert lines[0].points[0].interval.start_time == START + timedelta(minutes=2)
    (rate,) = served.list(
        "error_count", aggregation=aggregation("ALIGN_RATE", period=90), since=START + timedelta(seconds=60)
    )
    assert kind_of(rate) == ("GAUGE", "DOUBLE")
    assert [point.value.double_value for point in rate.points] == pytest.approx([9 / 90, 3 / 90])


@pytest.mark.parametrize(
    ("aligner", "expected"), [("ALIGN_SUM", 54), ("ALIGN_MIN", 1), ("ALIGN_MAX", 1), ("ALIGN_COUNT", 54)]
)
def test_aligners_of_whole_numbers(served: Monitoring, aligner: str, expected: int) -> None:
    lines = served.list("prediction_count", aggregation=aggregation(aligner))
    assert [value.int64_value for value in by_model(lines)["2"]] == [expected] * 3


def test_quantiles(served: Monitoring) -> None:
    more = ' AND metric.labels.latency_type = "total"'
    for aligner in ("ALIGN_PERCENTILE_50", "ALIGN_PERCENTILE_99"):
        values = by_model(served.list("prediction_latencies", more, aggregation=aggregation(aligner)))
        assert [v.double_value for v in values["1"]] == pytest.approx([10] * 3, rel=0.2)
        assert [v.double_value for v in values["2"]] == pytest.approx([50] * 3, rel=0.2)
    both = aggregation("ALIGN_DELTA", "REDUCE_PERCENTILE_95", period=180)
    (line,) = served.list("prediction_latencies", more, aggregation=both)
    assert line.points[0].value.double_value == pytest.approx(50, rel=0.2)
    mean = aggregation("ALIGN_SUM", "REDUCE_MEAN", period=180)
    (line,) = served.list("prediction_latencies", more, aggregation=mean)
    assert line.points[0].value.double_value == pytest.approx(30)


def test_reducing_keeps_what_it_groups_by(served: Monitoring) -> None:
    per_model = aggregation("ALIGN_SUM", "REDUCE_SUM", "metric.labels.deployed_model_id", "resource.label.endpoint_id")
    lines = served.list("response_count", aggregation=per_model)
    values = {model: [v.int64_value for v in points] for model, points in by_model(lines).items()}
    assert values == {"1": [60] * 3, "2": [60] * 3}
    assert dict(lines[0].resource.labels) == {"endpoint_id": "7", "project_id": "p1"}
    (everything,) = served.list("response_count", aggregation=aggregation("ALIGN_SUM", "REDUCE_SUM", period=180))
    assert [point.value.int64_value for point in everything.points] == [360]
    assert not everything.metric.labels
    (count,) = served.list("response_count", aggregation=aggregation("ALIGN_SUM", "REDUCE_COUNT", period=180))
    assert count.points[0].value.int64_value == 3
    second = {
        "aggregation": aggregation("ALIGN_SUM", "REDUCE_SUM"),
        "secondary_aggregation": aggregation("ALIGN_MAX", period=180),
    }
    (line,) = served.list("response_count", **second)
    assert [point.value.int64_value for point in line.points] == [120]


@pytest.mark.parametrize(
    ("metric", "wanted", "error", "message"),
    [
        ("prediction_latencies", aggregation("ALIGN_RATE"), exceptions.InvalidArgument, "ALIGN_RATE takes DELTA"),
        ("prediction_count", aggregation("ALIGN_PERCENTILE_99"), exceptions.InvalidArgument, "DISTRIBUTION, not"),
        ("prediction_count", aggregation("ALIGN_NEXT_OLDER"), exceptions.InvalidArgument, "takes GAUGE"),
        ("prediction_count", aggregation("ALIGN_SUM", period=30), exceptions.InvalidArgument, "at least 60 s"),
        ("prediction_count", {"cross_series_reducer": "REDUCE_SUM"}, exceptions.InvalidArgument, "per_series_aligner"),
        (
            "prediction_count",
            aggregation("ALIGN_SUM", "REDUCE_SUM", "location"),
            exceptions.InvalidArgument,
            "expected",
        ),
        ("prediction_count", aggregation("ALIGN_INTERPOLATE"), exceptions.InvalidArgument, "INTERPOLATE takes GAUGE"),
    ],
)
def test_aggregation_that_can_not_be(served: Monitoring, metric: str, wanted: Any, error: Any, message: str) -> None:
    with pytest.raises(error, match=message):
        served.list(metric, aggregation=wanted)


def test_pages_of_points_and_of_headers(served: Monitoring) -> None:
    seen: dict[str, int] = {}
    token = ""
    for _ in range(8):
        page = served.response("prediction_count", page_size=50, page_token=token)
        for line in page.time_series:
            model = line.metric.labels["deployed_model_id"]
            seen[model] = seen.get(model, 0) + len(line.points)
        token = page.next_page_token
        if not token:
            break
    assert seen == {"1": 180, "2": 162}
    headers = served.response("prediction_count", view="HEADERS", page_size=1)
    assert len(headers.time_series) == 1
    assert headers.next_page_token
    assert not headers.time_series[0].points


def test_an_interval_has_an_end_after_its_start(monitoring: Monitoring) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="later than the end"):
        monitoring.list("error_count", since=START + timedelta(seconds=1))
    request = monitoring_v3.ListTimeSeriesRequest(name="projects/p1", filter=f'metric.type = "{ONLINE}error_count"')
    with pytest.raises(exceptions.InvalidArgument, match="end_time"):
        monitoring.service.list_time_series(request)
    request.name = "folders/1"
    with pytest.raises(exceptions.MethodNotImplemented, match="folders/1"):
        monitoring.service.list_time_series(request)
    request.name = "p1"
    with pytest.raises(exceptions.InvalidArgument, match="projects/"):
        monitoring.service.list_time_series(request)


def test_descriptors(served: Monitoring) -> None:
    service = served.service
    listed = service.list_metric_descriptors(monitoring_v3.ListMetricDescriptorsRequest(name="projects/p1"))
    found = [each.type for each in listed.metric_descriptors]
    kinds = [kind.removeprefix(ONLINE) for kind in found]
    assert found == sorted(found)
    assert {"replicas", "prediction_latencies"} < set(kinds)
    active = monitoring_v3.ListMetricDescriptorsRequest(
        name="projects/p1", filter=f'metric.type = starts_with("{ONLINE}")', active_only=True
    )
    assert len(service.list_metric_descriptors(active).metric_descriptors) == 4
    name = f"projects/p1/metricDescriptors/{ONLINE}prediction_latencies"
    one = service.get_metric_descriptor(monitoring_v3.GetMetricDescriptorRequest(name=name))
    assert (one.unit, [label.key for label in one.labels][-1]) == ("ms", "latency_type")
    with pytest.raises(exceptions.NotFound, match="nothing"):
        service.get_metric_descriptor(monitoring_v3.GetMetricDescriptorRequest(name=name.replace(ONLINE, "nothing/")))
    resources = service.list_monitored_resource_descriptors(
        monitoring_v3.ListMonitoredResourceDescriptorsRequest(name="projects/p1")
    )
    endpoint, listed_types = (
        "aiplatform.googleapis.com/Endpoint",
        [each.type for each in resources.resource_descriptors],
    )
    assert {endpoint, "global", "generic_task"} < set(listed_types)
    resource = resources.resource_descriptors[listed_types.index(endpoint)]
    again = monitoring_v3.GetMonitoredResourceDescriptorRequest(name=resource.name)
    assert service.get_monitored_resource_descriptor(again) == resource
    (line,) = served.list("error_count")
    assert set(line.resource.labels) == {label.key for label in resource.labels} | {"project_id"}


def test_rest(served: Monitoring) -> None:
    query = {
        "filter": f'metric.type = "{ONLINE}prediction_count"',
        "interval.startTime": "2026-05-01T12:00:00Z",
        "interval.endTime": "2026-05-01T12:03:00Z",
        "aggregation.alignmentPeriod": "180s",
        "aggregation.perSeriesAligner": "ALIGN_SUM",
        "aggregation.crossSeriesReducer": "REDUCE_SUM",
        "aggregation.groupByFields": ["metric.labels.deployed_model_id", "resource.type"],
    }
    found = served.get("/v3/projects/p1/timeSeries", **query)["timeSeries"]
    assert [line["points"][0]["value"]["int64Value"] for line in found] == ["180", "162"]
    described = served.get(f"/v3/projects/p1/metricDescriptors/{ONLINE}error_count")
    assert (described["metricKind"], described["valueType"]) == ("DELTA", "INT64")
    assert served.get("/v3/projects/p1/metricDescriptors", pageSize=2)["nextPageToken"]
    with pytest.raises(exceptions.MethodNotImplemented, match="UpdateAlertPolicy"):
        served.rest("PATCH", "/v3/projects/p1/alertPolicies/7", "", b"{}")
    with pytest.raises(exceptions.MethodNotImplemented, match="QueryTimeSeries"):
        served.rest("POST", "/v3/projects/p1/timeSeries:query", "", b"{}")
