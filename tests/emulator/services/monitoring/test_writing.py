"""CreateTimeSeries and the descriptors of users' own metrics: what is stored, what is refused, and with which words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_v3

from .conftest import CUSTOM, ONLINE, START, Monitoring, kind_of, one_point, running

_NOT_WRITTEN = r"One or more TimeSeries could not be written: timeSeries\[0\]"
BUCKETS = {"explicit_buckets": {"bounds": [1.0, 2.0]}}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    with running(tmp_path_factory.mktemp("written")) as monitoring:
        yield monitoring


def summary(error: exceptions.GoogleAPICallError) -> Any:
    """The CreateTimeSeriesSummary in an error."""
    (found,) = error.details
    return found


@pytest.mark.parametrize(
    ("name", "value", "kind", "expected"),
    [
        ("up", True, "GAUGE", ("GAUGE", "BOOL")),
        ("rows", 2**62, "GAUGE", ("GAUGE", "INT64")),
        ("loss", -1, "GAUGE", ("GAUGE", "INT64")),
        ("auc", 0.75, "GAUGE", ("GAUGE", "DOUBLE")),
        ("trips", 7, "CUMULATIVE", ("CUMULATIVE", "INT64")),
        (
            "delay",
            {"count": 3, "mean": 1.0, "bucket_options": BUCKETS, "bucket_counts": [1, 1, 1]},
            "GAUGE",
            ("GAUGE", "DISTRIBUTION"),
        ),
    ],
)
def test_a_value_of_each_type(shared: Monitoring, name: str, value: Any, kind: str, expected: tuple[str, str]) -> None:
    shared.pass_by(10)
    start = START if kind == "CUMULATIVE" else None
    shared.write(name, value, start=start, kind=kind, model="flights")
    (line,) = shared.read(name)
    assert kind_of(line) == expected
    assert dict(line.metric.labels) == {"model": "flights"}
    assert dict(line.resource.labels) == {"project_id": "p1"}
    (point,) = line.points
    assert point == one_point(name, value, shared.clock.now(), start=start or shared.clock.now()).points[0]
    made = shared.service.get_metric_descriptor(
        monitoring_v3.GetMetricDescriptorRequest(name=f"projects/p1/metricDescriptors/{CUSTOM}{name}")
    )
    assert [label.key for label in made.labels] == ["model"]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"value": 1}, "Value type for metric custom.googleapis.com/auc2 must be DOUBLE, but is INT64."),
        ({"value_type": "INT64"}, "INT64, but the point's value is DOUBLE"),
        ({"kind": "CUMULATIVE"}, "must be GAUGE, but is CUMULATIVE"),
        ({"end": -timedelta(hours=26)}, "cannot be written more than 25h10s in the past"),
        ({"end": timedelta(minutes=6)}, "cannot be written more than 5m in the future"),
        ({"end": timedelta(0)}, "must be written in order. One or more of the points specified had an older end time"),
        ({"end": timedelta(seconds=4)}, "more frequently than the maximum sampling period"),
        ({"start": timedelta(seconds=1), "end": timedelta(seconds=9)}, "must be equal to the end time"),
        ({"metric": "custom.googleapis.com/n", "kind": "DELTA"}, "GAUGE or CUMULATIVE"),
        ({"metric": "custom.googleapis.com/n", "value": "text"}, "BOOL, INT64, DOUBLE or DISTRIBUTION"),
        ({"metric": f"{ONLINE}error_count"}, "user-defined metrics are below custom"),
        ({"metric": "custom.googleapis.com/a b"}, "no metric type"),
        ({"resource": {"type": "gcs_bucket"}}, "about one of"),
        ({"resource": {"type": "global", "labels": {"zone": "a"}}}, "has no label 'zone'"),
        ({"metric": "custom.googleapis.com/n", "kind": "CUMULATIVE", "value": 3}, "must be before the end time"),
        ({"metric": "custom.googleapis.com/d", "value": {"count": 1, "bucket_counts": [1]}}, "bucket_options"),
        (
            {"metric": "custom.googleapis.com/d", "value": {"count": 3, "bucket_options": BUCKETS}},
            "sum of bucket_counts",
        ),
    ],
)
def test_what_is_refused(shared: Monitoring, change: dict[str, Any], text: str) -> None:
    name = "auc2"
    now = shared.pass_by(10)
    shared.write(name, 0.5)
    arguments: dict[str, Any] = {"metric": name, "value": 0.75, "end": timedelta(seconds=10)} | change
    for field in ("start", "end"):
        if field in arguments:
            arguments[field] += now
    series = one_point(**{key: value for key, value in arguments.items() if key != "value_type"})
    series.value_type = change.get("value_type", 0)
    request = monitoring_v3.CreateTimeSeriesRequest(name="projects/p1", time_series=[series])
    with pytest.raises(exceptions.InvalidArgument, match=_NOT_WRITTEN) as error:
        shared.service.create_time_series(request)
    assert text in str(error.value)
    counts = summary(error.value)
    assert (counts.total_point_count, counts.success_point_count, counts.errors[0].point_count) == (1, 0, 1)
    assert counts.errors[0].status.code == 3
    (line,) = shared.read(name, since=now - timedelta(seconds=1))
    assert [point.value.double_value for point in line.points] == [0.5]
    made = shared.service.list_metric_descriptors(monitoring_v3.ListMetricDescriptorsRequest(name="projects/p1"))
    assert not {f"{CUSTOM}n", f"{CUSTOM}d"} & {each.type for each in made.metric_descriptors}


def test_what_can_be_written_is_written(monitoring: Monitoring) -> None:
    now = monitoring.pass_by(60)
    given = [one_point("loss", float(n), now, fold=str(n)) for n in range(5)]
    given[1].points.append(given[1].points[0])
    given[3].metric.labels["fold"] = "0"
    with pytest.raises(exceptions.InvalidArgument) as error:
        monitoring.service.create_time_series(
            monitoring_v3.CreateTimeSeriesRequest(name="projects/p1", time_series=given)
        )
    assert "timeSeries[1] (example" in str(error.value)
    assert "timeSeries[3] (example" in str(error.value)
    counts = summary(error.value)
    assert (counts.total_point_count, counts.success_point_count, len(counts.errors)) == (5, 3, 2)
    assert {line.metric.labels["fold"] for line in monitoring.read("loss")} == {"0", "2", "4"}
    for several in ([], given * 41):
        with pytest.raises(exceptions.InvalidArgument, match="1 to 200"):
            monitoring.service.create_time_series(
                monitoring_v3.CreateTimeSeriesRequest(name="projects/p1", time_series=several)
            )


def test_a_counter_starts_anew_after_its_last_point(monitoring: Monitoring) -> None:
    first = monitoring.pass_by(60)
    monitoring.write("trips", 5, start=START, kind="CUMULATIVE")
    monitoring.pass_by(60)
    with pytest.raises(exceptions.InvalidArgument, match="had an older start time than the most recent point"):
        monitoring.write("trips", 6, start=START + timedelta(seconds=30), kind="CUMULATIVE")
    monitoring.write("trips", 2, start=first + timedelta(milliseconds=1), kind="CUMULATIVE")
    (line,) = monitoring.read("trips")
    assert [point.value.int64_value for point in line.points] == [2, 5]


def test_descriptors_are_made_changed_and_deleted(monitoring: Monitoring) -> None:
    service = monitoring.service

    def create(**fields: Any) -> Any:
        descriptor = {"type": f"{CUSTOM}auc", "metric_kind": "GAUGE", "value_type": "DOUBLE", **fields}
        return service.create_metric_descriptor(
            monitoring_v3.CreateMetricDescriptorRequest(name="projects/p1", metric_descriptor=descriptor)
        )

    made = create(labels=[{"key": "model"}], unit="1", description="AUC of a month")
    assert made.name == f"projects/p1/metricDescriptors/{CUSTOM}auc"
    again = create(labels=[{"key": "slice", "description": "carrier"}], display_name="AUC")
    assert [label.key for label in again.labels] == ["model", "slice"]
    assert (again.description, again.display_name) == ("AUC of a month", "AUC")
    for fields, text in (
        ({"value_type": "INT64"}, "DOUBLE already"),
        ({"metric_kind": "DELTA"}, "GAUGE or CUMULATIVE"),
        ({"type": "compute.googleapis.com/x"}, "below custom"),
        ({"labels": [{"key": "9"}]}, "no label key"),
        ({"labels": [{"key": f"k{n}"} for n in range(31)]}, "31 labels"),
        ({"type": f"{CUSTOM}b", "metric_kind": "CUMULATIVE", "value_type": "BOOL"}, "can't be BOOL"),
    ):
        with pytest.raises(exceptions.InvalidArgument, match=text):
            create(**fields)
    monitoring.pass_by(10)
    monitoring.write("auc", 0.5)
    (listed,) = service.list_metric_descriptors(
        monitoring_v3.ListMetricDescriptorsRequest(
            name="projects/p1", filter=f'metric.type = starts_with("{CUSTOM}")', active_only=True
        )
    ).metric_descriptors
    assert listed == again
    request = monitoring_v3.DeleteMetricDescriptorRequest(name=made.name)
    service.delete_metric_descriptor(request)
    with pytest.raises(exceptions.NotFound):
        service.delete_metric_descriptor(request)
    with pytest.raises(exceptions.NotFound, match="Cannot find metric"):
        monitoring.read("auc")
    monitoring.write("auc", 0.25)  # the same moment again: what was there is gone
    assert [point.value.double_value for line in monitoring.read("auc") for point in line.points] == [0.25]
    service.delete_metric_descriptor(request)
    monitoring.write("auc", 3, start=START - timedelta(seconds=60), kind="CUMULATIVE")  # and is another kind now
    delta = {"alignment_period": timedelta(seconds=60), "per_series_aligner": "ALIGN_DELTA"}
    (line,) = monitoring.read("auc", since=START - timedelta(seconds=60), aggregation=delta)
    assert line.points[0].value.int64_value == 3
    with pytest.raises(exceptions.PermissionDenied):
        service.delete_metric_descriptor(
            monitoring_v3.DeleteMetricDescriptorRequest(name=f"projects/p1/metricDescriptors/{ONLINE}error_count")
        )


def test_service_time_series_are_googles(monitoring: Monitoring) -> None:
    for metric, error in ((f"{ONLINE}error_count", exceptions.PermissionDenied), ("auc", exceptions.InvalidArgument)):
        with pytest.raises(error):
            monitoring.service.create_service_time_series(
                monitoring_v3.CreateTimeSeriesRequest(
                    name="projects/p1", time_series=[one_point(metric, 1, monitoring.clock.now())]
                )
            )
