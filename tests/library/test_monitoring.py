"""client.monitoring: messages as they are built, and against the emulator."""

from datetime import UTC, datetime, timedelta

import pytest

from gcpmlops import Client, exceptions
from gcpmlops._monitoring.alert_file import AlertFile
from gcpmlops._monitoring.markdown import to_html
from gcpmlops._monitoring.points import BATCH, Point, batches
from gcpmlops.monitoring import (
    Absence,
    Drift,
    Email,
    ErrorRate,
    Latency,
    LogMatch,
    NoTraffic,
    PubSub,
    Quality,
    StaleData,
    Threshold,
    Webhook,
)

ENDPOINT = "projects/p/locations/us-central1/endpoints/12"


def conditions(alert):
    return alert.conditions(lambda name: ENDPOINT)


def test_error_rate_is_a_ratio_of_like_with_like() -> None:
    found, busy = conditions(ErrorRate(endpoint="flights", above=0.02, by_model=True, minimum_requests=60))
    spec = found.condition_threshold
    assert spec.denominator_filter in spec.filter
    assert 'response_code = monitoring.regex.full_match("[45]..")' in spec.filter
    assert spec.aggregations == spec.denominator_aggregations
    assert list(spec.aggregations[0].group_by_fields) == ["metric.labels.deployed_model_id"]
    assert (spec.threshold_value, spec.comparison.name) == (0.02, "COMPARISON_GT")
    assert busy.condition_threshold.threshold_value == pytest.approx(59.5 / 300)


def test_every_kind_has_conditions_and_a_runbook() -> None:
    (latency,) = conditions(Latency(endpoint="flights", above_ms=250, percentile=99, duration="10m"))
    step = latency.condition_threshold.aggregations[0]
    assert step.cross_series_reducer.name == "REDUCE_PERCENTILE_99"
    assert latency.condition_threshold.duration == timedelta(minutes=10)
    absent, zero = conditions(NoTraffic(endpoint="flights", duration="1h"))
    assert absent.condition_absent.duration == zero.condition_threshold.duration == timedelta(hours=1)
    (drift,) = conditions(Drift(model="late", feature="distance", above=0.2))
    assert 'metric.labels.feature = "distance"' in drift.condition_threshold.filter
    (quality,) = conditions(Quality(model='a"b', metric="roc_auc", below=0.7))
    assert quality.condition_threshold.comparison.name == "COMPARISON_LT"
    assert r'metric.labels.model = "a\"b"' in quality.condition_threshold.filter
    stale, silent = conditions(StaleData(table="d.t", older_than="2d", checked_every="1h"))
    assert stale.condition_threshold.threshold_value == 172_800
    assert silent.condition_absent.duration == timedelta(hours=2)
    (match,) = conditions(LogMatch(filter="severity>=ERROR", labels={"run": "EXTRACT(jsonPayload.run)"}))
    assert match.condition_matched_log.label_extractors["run"].startswith("EXTRACT")
    for alert in (ErrorRate(endpoint="x"), Latency(endpoint="x", above_ms=1), NoTraffic(endpoint="x"), Drift()):
        assert "1." in alert.runbook()


@pytest.mark.parametrize(
    ("alert", "field"),
    [
        (ErrorRate(endpoint="x", above=5), "above"),
        (Latency(endpoint="x", above_ms=1, percentile=90), "percentile"),
        (Latency(endpoint="x", above_ms=1, window="30s"), "window"),
        (NoTraffic(endpoint="x", duration="2d"), "duration"),
        (Quality(model="m", metric="roc_auc"), "above"),
        (Quality(model="m", metric="roc_auc", below=0.5, above=0.7), "above"),
        (Threshold(metric="q", above=float("nan")), "above"),
        (Threshold(metric="not a metric", above=1), "metric"),
        (Threshold(metric="q", above=1, align="median"), "align"),
        (Absence(metric="q", duration="90s"), "duration"),
    ],
)
def test_what_can_not_be(alert, field: str) -> None:
    with pytest.raises(exceptions.InvalidArgument) as caught:
        conditions(alert)
    assert caught.value.field == field


def test_channels_as_google_has_them() -> None:
    assert Webhook(url="https://h/p?a=1", token="t").labels("p") == (
        "webhook_tokenauth",
        {"url": "https://h/p?a=1&auth_token=t"},
    )
    kind, labels = Webhook(url="https://h", username="u", password="s").labels("p")
    assert (kind, labels["password"]) == ("webhook_basicauth", "s")
    assert PubSub(topic="alerts").labels("p")[1] == {"topic": "projects/p/topics/alerts"}
    for bad in (Webhook(url="h/p"), Webhook(url="https://h", username="u"), PubSub(topic="a/b"), Email(address="me")):
        with pytest.raises(exceptions.InvalidArgument):
            bad.labels("p")
    assert "secret" not in repr(Webhook(url="https://h", token="secret"))


def test_batches_hold_no_series_twice() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    points = [Point("q", n, {"n": str(n % 250)}, at=start + timedelta(minutes=n // 250)) for n in range(500)]
    found = list(batches(reversed(points)))
    assert [len(batch) for batch in found] == [BATCH, 50, BATCH, 50]
    assert all(len({point.labels["n"] for point in batch}) == len(batch) for batch in found)
    assert [point.at for point in found[0]] == [start] * BATCH


def test_a_file_of_alerts(tmp_path) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(
        "channels:\n  on call: {kind: pubsub, topic: alerts}\n"
        "alerts:\n  'flights: errors':\n    kind: error_rate\n    endpoint: flights\n    above: 0.02\n"
        "    severity: CRITICAL\n    channels: [on call]\n"
    )
    channels, alerts = AlertFile(path).read()
    assert channels == {"on call": PubSub(topic="alerts")}
    assert alerts == [
        (
            "flights: errors",
            ErrorRate(endpoint="flights", above=0.02),
            {"severity": "CRITICAL", "channels": ["on call"]},
        )
    ]
    for text, said in (
        ("alerts:\n  a:\n    kind: latency\n    endpoint: x\n    abov_ms: 1\n", r":5: unknown key 'abov_ms'"),
        ("alerts:\n  a:\n    kind: slow\n", r":3: kind is 'slow'"),
        ("alerts:\n  a:\n    kind: quality\n    model: m\n", r"quality needs metric"),
        ("alerts:\n  a:\n    kind: drift\n    above: high\n", r":4: above is 'high'"),
        ("alerts:\n  a:\n    kind: no_traffic\n    endpoint: x\n    duration: 1s\n", r":5: duration"),
    ):
        path.write_text(text)
        with pytest.raises(exceptions.InvalidArgument, match=said):
            AlertFile(path).read()


def test_little_markdown() -> None:
    assert to_html("**a** `b` <c>\n\n1. x\n2. y") == (
        "<p><b>a</b> <code>b</code> &lt;c&gt;</p>\n<ol><li>x</li><li>y</li></ol>"
    )


def test_values_and_what_is_read(client: Client, unique) -> None:
    monitoring, name = client.monitoring, unique("queue").replace("-", "_")
    metric = monitoring.ensure_metric(name, unit="{rows}", labels={"lane": "which"}, description="how long")
    assert (metric.type, metric.kind) == (f"custom.googleapis.com/gcpmlops/{name}", "GAUGE")
    assert list(monitoring.ensure_metric(name, unit="{rows}", labels={"why": "?"}).labels) == ["lane", "why"]
    with pytest.raises(exceptions.FailedPrecondition, match="not a GAUGE of INT64"):
        monitoring.ensure_metric(name, value_type="INT64")
    now = monitoring.now()
    points = [
        Point(name, minute + lane, {"lane": str(lane)}, at=now - timedelta(minutes=10 - minute))
        for minute in range(10)
        for lane in (0, 10)
    ]
    assert monitoring.write_all(points) == 20
    found = monitoring.read(name, since="1h")
    assert sorted(each.last for each in found) == [9.0, 19.0]
    assert len(found.rows()) == 20
    assert set(found.rows()[0]) >= {"time", "value", "lane"}
    (total,) = monitoring.read(name, since="1h", align="max", reduce="sum", every="1h")
    assert total.last == 28.0
    (only,) = monitoring.read(name, since="1h", align="mean", labels={"lane": "10"}, every="30m")
    assert only.last == pytest.approx(14.5, abs=5)
    assert name in found._repr_html_()


@pytest.mark.parametrize("value", [True, "3", float("nan"), None])
def test_a_value_that_is_none(client: Client, value) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="a finite number"):
        client.monitoring.write("quality", value, labels={"model": "m"})


def test_nothing_is_written_when_one_point_is_wrong(client: Client, unique) -> None:
    monitoring, model = client.monitoring, unique("model")
    good, at = {"model": model, "metric": "auc"}, monitoring.now()
    for bad, said in (
        (Point("quality", 1, {"modell": "x"}), "Did you mean 'model'"),
        (Point("quality", 1, good, at=datetime(2026, 1, 1)), "no time zone"),
        (Point("quality", 1, good, since=at), "since"),
        (Point("nothing/here", 1), "ensure-metric"),
    ):
        with pytest.raises(exceptions.GcpMlopsError, match=said):
            monitoring.write_all([Point("quality", 0.5, good, at=at), bad])
    assert len(monitoring.read("quality", since="1d", labels={"model": model})) == 0
