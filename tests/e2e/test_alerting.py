"""Alerting: official clients and gcloud set it up, a real web server, a mail server and a subscription are told."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from google.cloud import monitoring_v3

from gcpmlops import Client
from gcpmlops.emulator import launch
from gcpmlops.emulator.clock_client import EmulatorClock

from .conftest import Shell, until

pytestmark = pytest.mark.xdist_group("e2e-alerting")
METRIC = "custom.googleapis.com/flights/auc"
FILTER = f'metric.type = "{METRIC}" AND resource.type = "global"'


@dataclass
class Hook:
    """A web server that is told of incidents, and answers as its path says."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    def at(self, path: str) -> list[str]:
        """The states that one path was told, in order."""
        return [each["incident"]["state"] for where, each in self.told if where == path]


@pytest.fixture(scope="module")
def hook() -> Iterator[Hook]:
    made = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.told.append((self.path, json.loads(body)))
            self.send_response(500 if self.path == "/500" else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def mails() -> Iterator[Any]:
    """A mail server; what it got, in `.mails`."""

    class Box:
        mails: list[Any] = []  # noqa: RUF012 - one server

        async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
            self.mails.append(envelope)
            return "250 OK"

    class Server(Controller):
        def _trigger_server(self) -> None:
            """Its first connection goes to the port that it got."""
            self.port = self.handler.port = self.server.sockets[0].getsockname()[1]
            super()._trigger_server()

    controller = Server(Box(), hostname="127.0.0.1", port=0)
    controller.start()
    yield controller.handler
    controller.stop()


@pytest.fixture(scope="module")
def local(mails: Any) -> Iterator[Any]:
    """An emulator of its own, since its clock is moved."""
    with launch.ephemeral(project="alerting", arguments=["--smtp", f"127.0.0.1:{mails.port}"]) as state:
        yield state


@pytest.fixture(scope="module")
def clock(local: Any) -> EmulatorClock:
    return EmulatorClock(local)


@pytest.fixture(scope="module")
def clients(local: Any) -> Iterator[Any]:
    """Official clients."""
    key = f"{local.data_dir}/credentials.json"
    with Client(project=local.project, endpoint=local.endpoint, credentials_file=key) as client:
        client.clients.metrics.create_metric_descriptor(
            name="projects/alerting",
            metric_descriptor={"type": METRIC, "metric_kind": "GAUGE", "value_type": "DOUBLE", "display_name": "AUC"},
        )
        yield client.clients


def write(clients: Any, value: float, at: datetime, **labels: str) -> None:
    series = monitoring_v3.TimeSeries(
        metric={"type": METRIC, "labels": labels},
        resource={"type": "global"},
        points=[{"interval": {"end_time": at}, "value": {"double_value": value}}],
    )
    clients.metrics.create_time_series(name="projects/alerting", time_series=[series])


def policy(name: str, channels: list[str], **fields: Any) -> monitoring_v3.AlertPolicy:
    condition = {
        "display_name": "the model got worse",
        "condition_threshold": {
            "filter": f'{FILTER} AND metric.labels.name = "{name}"',
            "comparison": "COMPARISON_LT",
            "threshold_value": 0.7,
            "duration": {"seconds": 120},
            "aggregations": [{"alignment_period": {"seconds": 60}, "per_series_aligner": "ALIGN_MEAN"}],
        },
    }
    return monitoring_v3.AlertPolicy(
        display_name=name, combiner="OR", conditions=[condition], notification_channels=channels, **fields
    )


def channel(clients: Any, kind: str, **labels: str) -> str:
    made = clients.channels.create_notification_channel(
        name="projects/alerting", notification_channel={"type_": kind, "labels": labels, "display_name": kind}
    )
    name: str = made.name
    return name


def alerts(clients: Any, policy_name: str) -> list[dict[str, Any]]:
    found = clients.get_json("monitoring.googleapis.com", "v3/projects/alerting/alerts")["alerts"]
    return [each for each in found if each["policy"]["displayName"] == policy_name]


def test_an_incident_is_told_everywhere_and_closes(clients: Any, clock: Any, hook: Hook, mails: Any) -> None:
    topic = "projects/alerting/topics/incidents"
    clients.publisher.create_topic(name=topic)
    subscription = clients.subscriber.create_subscription(
        name="projects/alerting/subscriptions/incidents", topic=topic, ack_deadline_seconds=60
    )
    channels = [
        channel(clients, "webhook_tokenauth", url=f"{hook.url}/told?auth_token=1"),
        channel(clients, "email", email_address="me@example.com"),
        channel(clients, "pubsub", topic=topic),
    ]
    documentation = {"content": "# What to do\n\nRetrain ${metric.label.name}.", "mime_type": "text/markdown"}
    made = clients.alert_policies.create_alert_policy(
        name="projects/alerting",
        alert_policy=policy("auc", channels, severity="CRITICAL", documentation=documentation),
    )
    clock.freeze()
    for value in (0.9, 0.6, 0.6, 0.6, 0.8):
        write(clients, value, clock.now(), name="auc")
        clock.advance("1m")
    (alert,) = alerts(clients, "auc")
    opened, closed = (datetime.fromisoformat(alert[key]) for key in ("openTime", "closeTime"))
    assert (alert["state"], closed - opened) == ("CLOSED", timedelta(minutes=1))
    assert hook.at("/told?auth_token=1") == ["open", "closed"]
    incident = hook.told[0][1]["incident"]
    assert incident["condition"]["name"] == made.conditions[0].name
    assert incident["documentation"]["content"].endswith("Retrain auc.")
    assert incident["metric"]["displayName"] == "AUC"
    pulled = clients.subscriber.pull(subscription=subscription.name, max_messages=10)
    states = [json.loads(each.message.data)["incident"]["state"] for each in pulled.received_messages]
    assert sorted(states) == ["closed", "open"]
    subjects = [mail.content.decode().split("Subject: ")[1].splitlines()[0] for mail in mails.mails]
    assert [subject.split("]")[0] for subject in subjects] == ["[ALERT - Critical", "[RESOLVED - Critical"]
    assert mails.mails[0].rcpt_tos == ["me@example.com"]


def test_a_webhook_that_fails_is_logged(clients: Any, clock: Any, hook: Hook, local: Any) -> None:
    channels = [
        channel(clients, "webhook_tokenauth", url=f"{hook.url}/500"),
        channel(clients, "webhook_tokenauth", url="http://127.0.0.1:9/nobody"),
    ]
    clients.alert_policies.create_alert_policy(name="projects/alerting", alert_policy=policy("bad hook", channels))
    clock.freeze()
    for _ in range(3):
        write(clients, 0.1, clock.now(), name="bad hook")
        clock.advance("1m")
    clock.advance("1h")
    assert hook.at("/500") == ["open"] * 5
    text = 'resource.type="stackdriver_notification_channel" AND severity=ERROR'
    entries = list(clients.logging.list_log_entries(resource_names=["projects/alerting"], filter=text))
    reasons = sorted(entry.json_payload["reason"] for entry in entries)
    assert len(reasons) == 2
    assert reasons[0] == "failed with HTTP status 500"
    assert reasons[1].startswith("no answer: ")


def test_while_the_clock_runs_a_value_is_answered_at_once(clients: Any, clock: Any, hook: Hook) -> None:
    clock.run()
    hooked = channel(clients, "webhook_tokenauth", url=f"{hook.url}/now")
    spec = policy("now", [hooked])
    spec.conditions[0].condition_threshold.duration = timedelta(0)
    clients.alert_policies.create_alert_policy(name="projects/alerting", alert_policy=spec)
    began = time.monotonic()
    write(clients, 0.1, clock.now(), name="now")
    until(lambda: hook.at("/now") == ["open"], timeout=10)
    assert time.monotonic() - began < 5


@pytest.mark.gcloud
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
def test_gcloud(shell: Shell, tmp_path: Any, emulator: Any, client: Any, unique: Any) -> None:
    kind = f"custom.googleapis.com/{unique('gcloud').replace('-', '_')}"
    client.clients.metrics.create_metric_descriptor(
        name=f"projects/{emulator.project}",
        metric_descriptor={"type": kind, "metric_kind": "GAUGE", "value_type": "DOUBLE"},
    )

    def gcloud(*command: object) -> Any:
        text = shell.tool("gcloud", "--quiet", *command, "--format=json").stdout.strip()
        return json.loads(text) if text else None

    kinds = {each["type"] for each in gcloud("beta", "monitoring", "channel-descriptors", "list")}
    assert {"email", "pubsub", "webhook_tokenauth", "webhook_basicauth", "slack", "sms", "pagerduty"} <= kinds
    labels = "--channel-labels=email_address=me@example.com"
    mail = gcloud("beta", "monitoring", "channels", "create", "--display-name=mail", "--type=email", labels)
    content = {
        "displayName": "from a file",
        "combiner": "OR",
        "conditions": [
            {
                "displayName": "low",
                "conditionThreshold": {
                    "filter": f'metric.type="{kind}" AND resource.type="global"',
                    "comparison": "COMPARISON_LT",
                    "thresholdValue": 0.5,
                    "duration": "60s",
                    "aggregations": [{"alignmentPeriod": "60s", "perSeriesAligner": "ALIGN_MEAN"}],
                },
            }
        ],
    }
    (tmp_path / "policy.json").write_text(json.dumps(content))
    made = gcloud(
        "alpha", "monitoring", "policies", "create", "--policy-from-file=policy.json",
        f"--notification-channels={mail['name']}",
    )  # fmt: skip
    assert made["notificationChannels"] == [mail["name"]]
    assert gcloud("alpha", "monitoring", "policies", "update", made["name"], "--no-enabled")["enabled"] is False
    listed = gcloud("alpha", "monitoring", "policies", "list", '--filter=displayName="from a file"')
    assert [(each["name"], each["enabled"]) for each in listed] == [(made["name"], False)]
    snooze = gcloud(
        "monitoring", "snoozes", "create", f"--criteria-policies={made['name']}", "--display-name=quiet",
        "--end-time=+PT1H", "--start-time=+PT5M",
    )  # fmt: skip
    assert snooze["name"] in {each["name"] for each in gcloud("monitoring", "snoozes", "list")}
    refused = shell.tool("gcloud", "--quiet", "beta", "monitoring", "channels", "delete", mail["name"], code=1).stderr
    assert "still used by" in refused
    gcloud("beta", "monitoring", "channels", "delete", mail["name"], "--force")
    assert gcloud("alpha", "monitoring", "policies", "describe", made["name"])["displayName"] == "from a file"
    gcloud("alpha", "monitoring", "policies", "delete", made["name"])
