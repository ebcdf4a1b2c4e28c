"""client.monitoring: messages as they are built, and against the emulator."""

import http.server
import json
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
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
    # no errors are no data: they have to close the incident; Google takes that with a duration only
    assert spec.evaluation_missing_data.name == "EVALUATION_MISSING_DATA_INACTIVE"
    at_once, *_ = conditions(ErrorRate(endpoint="flights", duration=0))
    assert at_once.condition_threshold.evaluation_missing_data.name == "EVALUATION_MISSING_DATA_UNSPECIFIED"


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


@pytest.fixture(scope="module")
def hook():
    """A webhook's server: what was posted to it."""
    posted: queue.Queue = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            posted.put((self.path, json.loads(body)["incident"]))

        def log_message(self, *args: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", posted
        server.shutdown()


def test_one_policy_of_a_name_and_only_changes_are_sent(client: Client, unique, monkeypatch) -> None:
    monitoring, name = client.monitoring, unique("errors")
    first = monitoring.ensure_alert(name, ErrorRate(endpoint=ENDPOINT, minimum_requests=10), labels={"team": "a"})
    assert (first.kind, first.severity, first.enabled, len(first.conditions)) == ("error_rate", "WARNING", True, 2)
    calls = []
    update = client.clients.alert_policies.update_alert_policy
    monkeypatch.setattr(
        client.clients.alert_policies,
        "update_alert_policy",
        lambda request, **more: calls.append(list(request["update_mask"]["paths"])) or update(request=request, **more),
    )
    alert = ErrorRate(endpoint=ENDPOINT, minimum_requests=10)
    assert monitoring.ensure_alert(name, alert, labels={"team": "a"}).name == first.name
    assert calls == []
    changed = monitoring.ensure_alert(name, alert, labels={"team": "a"}, severity="CRITICAL")
    assert (changed.name, changed.severity, calls) == (first.name, "CRITICAL", [["severity"]])
    other = monitoring.ensure_alert(name, ErrorRate(endpoint=ENDPOINT, above=0.1), severity="CRITICAL")
    assert (other.name, len(other.conditions)) == (first.name, 1)
    assert [each.name for each in monitoring.list_alerts() if each.display_name == name] == [first.name]
    other.delete()
    with pytest.raises(exceptions.NotFound, match="list-alerts"):
        monitoring.get_alert(name)


def test_two_at_once_leave_one_policy(client: Client, unique) -> None:
    name = unique("race")
    with ThreadPoolExecutor(4) as pool:
        made = [pool.submit(client.monitoring.ensure_alert, name, Drift(model=name)) for _ in range(4)]
        assert len({each.result().name for each in made}) <= 4
    last = client.monitoring.ensure_alert(name, Drift(model=name))
    assert [each.name for each in client.monitoring.list_alerts() if each.display_name == name] == [last.name]
    last.delete()


def test_what_a_policy_needs_has_to_be_there(client: Client, unique) -> None:
    monitoring = client.monitoring
    with pytest.raises(exceptions.NotFound, match="ensure-metric"):
        monitoring.ensure_alert(unique("x"), Threshold(metric="nobody/made/this", above=1))
    with pytest.raises(exceptions.NotFound, match="list-channels"):
        monitoring.ensure_alert(unique("x"), Drift(), channels=["nobody"])
    with pytest.raises(exceptions.InvalidArgument, match="severity"):
        monitoring.ensure_alert(unique("x"), Drift(), severity="BAD")
    with pytest.raises(exceptions.InvalidArgument, match="auto_close"):
        monitoring.ensure_alert(unique("x"), Drift(), auto_close="1m")


def test_an_alert_is_tested_and_the_webhook_is_told(client: Client, unique, hook, tmp_path) -> None:
    monitoring, name, (url, posted) = client.monitoring, unique("drift"), hook
    channel = monitoring.ensure_channel(name, Webhook(url=url, token="secret"))
    assert monitoring.ensure_channel(name, Webhook(url=url, token="secret")).name == channel.name
    assert "secret" not in f"{channel.labels}{channel!r}{channel._repr_html_()}"
    with pytest.raises(exceptions.InvalidArgument, match="which can't change"):
        monitoring.ensure_channel(name, Email(address="me@example.com"))
    policy = monitoring.ensure_alert(name, Drift(model=name), channels=[channel, name])
    assert policy.channels == (channel.name,)
    done = monitoring.test_alert(name, timeout=60)
    assert done.incident.state == "OPEN"
    assert done.incident.labels["feature"] == done.mark
    assert (done.policy, done.value, done.channels) == (name, 1.3, (channel.name,))
    path, told = posted.get(timeout=30)
    assert path == "/hook?auth_token=secret"
    assert (told["policy_name"], told["state"]) == (name, "open")
    (incident,) = policy.incidents(state="OPEN")
    assert incident.name == done.incident.name
    assert [moment.what for moment in incident.timeline] == ["gcpmlops/drift was 1.3", f"opened: {name}"]
    assert monitoring.get_incident(incident.id).opened == incident.opened
    assert monitoring.incidents(policy=name, state="CLOSED") == []
    page = monitoring.render_incident(incident.id, tmp_path / "incident.html").read_text()
    assert f"The feature <b>{done.mark}</b>" in page
    snooze = monitoring.snooze(policy, hours=2, why="the holidays")
    assert snooze.until - monitoring.now() > timedelta(hours=1)
    assert any(moment.what.startswith("snoozed until") for moment in incident.timeline)
    with pytest.raises(exceptions.InvalidArgument, match="reason"):
        monitoring.snooze(policy, hours=2, why=" ")
    policy.delete()
    monitoring.delete_channel(name)


def test_what_no_value_can_violate(client: Client, unique) -> None:
    monitoring = client.monitoring
    for alert, said in (
        (ErrorRate(endpoint=ENDPOINT), "written by Google alone"),
        (Absence(metric="quality"), "no condition on values"),
        (StaleData(table="d.t", older_than="1d"), "--unmarked"),
    ):
        policy = monitoring.ensure_alert(unique("untestable"), alert)
        with pytest.raises(exceptions.FailedPrecondition, match=said):
            monitoring.test_alert(policy)
        policy.delete()


def test_the_age_of_a_table(client: Client, unique) -> None:
    name = unique("age").replace("-", "_")
    client.bigquery.create_dataset(name)
    client.bigquery.query(f"CREATE TABLE {name}.t AS SELECT TIMESTAMP '2020-01-01 00:00:00' AS at")
    age = client.monitoring.check_data_age(f"{name}.t", column="at")
    (found,) = client.monitoring.read("data_age", labels={"table": f"{name}.t"})
    assert found.last == age > 5 * 365 * 86400
    client.bigquery.query(f"DELETE FROM {name}.t WHERE TRUE")
    with pytest.raises(exceptions.FailedPrecondition, match="no row"):
        client.monitoring.check_data_age(f"{name}.t", column="at")
    client.bigquery.delete_dataset(name, force=True)


def test_the_dashboard_of_a_life(client: Client, unique, tmp_path) -> None:
    monitoring, name = client.monitoring, unique("life")
    policy = monitoring.ensure_alert(name, Quality(model=name, metric="roc_auc", below=0.6))
    made = monitoring.ensure_dashboard(name, endpoint=ENDPOINT, model=name, alerts=[policy])
    tiles = made.proto.mosaic_layout.tiles
    cells = [
        (x, y)
        for tile in tiles
        for x in range(tile.x_pos, tile.x_pos + tile.width)
        for y in range(tile.y_pos, tile.y_pos + tile.height)
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == made.proto.mosaic_layout.columns - 1
    same = monitoring.ensure_dashboard(name, endpoint=ENDPOINT, model=name, alerts=[policy])
    assert (same.name, same.proto.etag) == (made.name, made.proto.etag)
    more = monitoring.ensure_dashboard(name, endpoint=ENDPOINT, model=name, metrics=("roc_auc", "brier"))
    assert more.name == made.name
    assert "Brier by version" in more.widgets
    assert [each.name for each in monitoring.list_dashboards() if each.display_name == name] == [made.name]
    at = monitoring.now()
    labels = {"model": name, "version": "3", "metric": "roc_auc", "slice": "all"}
    values = enumerate((0.75, 0.7421))
    monitoring.write_all([Point("quality", value, labels, at=at - timedelta(minutes=9 - n)) for n, value in values])
    page = monitoring.render_dashboard(name, tmp_path / "life.html", since="1h").read_text()
    assert '<p class="value">0.742' in page
    assert "version 3" in page
    assert page.count('<section class="tile') == len([w for w in more.widgets if w]) - 4
    with pytest.raises(exceptions.InvalidArgument, match="nothing to show"):
        monitoring.ensure_dashboard(unique("none"))
    monitoring.delete_dashboard(name)
    policy.delete()
    with pytest.raises(exceptions.NotFound, match="list-dashboards"):
        monitoring.get_dashboard(name)
