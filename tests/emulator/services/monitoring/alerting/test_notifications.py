"""Who is told of incidents, with what, and what happens where that fails."""

from __future__ import annotations

import email
import socket
from datetime import timedelta
from email import policy as email_policy
from pathlib import Path
from typing import Any

import pytest
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.kernel.clock import SystemClock
from gcpmlops.emulator.services.monitoring.alerting.mail import Mail
from gcpmlops.emulator.services.monitoring.alerting.payload import Subject, opened
from gcpmlops.emulator.services.monitoring.alerting.sampling import series_of
from gcpmlops.emulator.services.monitoring.alerting.senders import Senders, UndeliveredError
from gcpmlops.emulator.services.outbound import Outbound
from tests.emulator.services.monitoring.alerting.conftest import METRIC, START, Topics, Web, running, threshold

DOCUMENTATION = {
    "content": "## Look at ${metric.label.host}\n\n${policy.display_name} of ${project}, ${resource.label.zone}, ${x}.",
    "subject": "${condition.display_name}!",
    "links": [{"display_name": "playbook", "url": "https://example.com/${metric.label.host}"}],
}
KEY = f'["{METRIC}", {{}}, "global", {{}}]'


def test_a_webhook_gets_googles_payload(run: Any) -> None:
    hook = run.webhook()
    made = run.create(
        threshold(),
        notification_channels=[hook],
        severity="CRITICAL",
        documentation=DOCUMENTATION,
        user_labels={"t": "x"},
    )
    run.write(9, host="a")
    run.advance(minutes=2)
    run.write(1, host="a")
    (url, headers, opened), (_, _, closed) = run.web.posts
    assert url == "http://127.0.0.1:1/hook"
    assert headers["Content-Type"].startswith("application/json")
    assert opened["version"] == "1.2"
    incident = opened["incident"]
    id_ = incident["incident_id"]
    assert incident["documentation"] == {
        "content": "## Look at a\n\np of p1, null, ${x}.",
        "mime_type": "text/markdown",
        "subject": "load is high!",
        "links": [{"displayName": "playbook", "url": "https://example.com/a"}],
    }
    assert incident["condition"]["name"] == made.conditions[0].name
    assert incident["condition"]["conditionThreshold"]["thresholdValue"] == 5.0
    assert (incident["state"], incident["started_at"], incident["ended_at"]) == ("open", int(START.timestamp()), None)
    assert (incident["severity"], incident["policy_user_labels"]) == ("Critical", {"t": "x"})
    assert (incident["observed_value"], incident["threshold_value"]) == ("9.000", "5")
    assert incident["metric"] == {"type": METRIC, "displayName": METRIC, "labels": {"host": "a"}}
    assert incident["resource"] == {"type": "global", "labels": {"project_id": "p1"}}
    assert incident["scoping_project_id"] == "p1"
    assert "is above the threshold of 5.000 with a value of 9.000" in incident["summary"]
    assert closed["incident"] == incident | {
        "state": "closed",
        "ended_at": int(START.timestamp()) + 120,
        "observed_value": "1.000",
        "summary": closed["incident"]["summary"],
    }
    assert "returned to normal with a value of 1.000" in closed["incident"]["summary"]
    assert run.incidents()[0]["name"] == f"projects/p1/alerts/{id_}"


def test_basic_authentication_and_topics(run: Any) -> None:
    basic = run.channel("webhook_basicauth", url="https://example.com/", username="me", password="secret")
    topic = run.channel("pubsub", topic="projects/p1/topics/alerts")
    run.create(threshold(), notification_channels=[basic, topic])
    run.write(9)
    ((_, headers, payload),) = run.web.posts
    assert headers["Authorization"] == "Basic bWU6c2VjcmV0"
    assert run.topics.messages == [("projects/p1/topics/alerts", payload)]


@pytest.mark.parametrize("prompts", [["OPENED"], ["OPENED", "CLOSED"]])
def test_prompts_say_what_is_told(run: Any, prompts: list[str]) -> None:
    run.create(threshold(), notification_channels=[run.webhook()], alert_strategy={"notification_prompts": prompts})
    run.write(9)
    run.write(1)
    assert len(run.web.posts) == len(prompts)


def test_reminders_while_it_is_open(run: Any) -> None:
    hook, other = run.webhook(), run.webhook("http://127.0.0.1:1/other")
    reminded = {"notification_channel_names": [hook], "renotify_interval": {"seconds": 1800}}
    strategy = {"notification_channel_strategy": [reminded], "auto_close": {"seconds": 7000}}
    run.create(threshold(), notification_channels=[hook, other], alert_strategy=strategy)
    run.write(9)
    run.advance(days=30)
    told = [(url.rpartition("/")[2], payload["incident"]["state"]) for url, _, payload in run.web.posts]
    assert sorted(told) == [("hook", "closed")] + [("hook", "open")] * 4 + [("other", "closed"), ("other", "open")]


def test_a_webhook_that_fails_is_tried_again_then_logged(run: Any) -> None:
    run.web.status = 500
    run.create(threshold(), notification_channels=[run.webhook()])
    run.write(9)
    assert len(run.web.posts) == 1
    run.advance(seconds=10)
    assert len(run.web.posts) == 2
    run.advance(minutes=5)
    assert len(run.web.posts) == 5
    ((name, (kind, labels), severity, payload),) = run.logs
    assert name == "projects/p1/logs/monitoring.googleapis.com%2Fnotification_channel_events"
    assert (kind, severity, labels["channel_type"]) == (
        "stackdriver_notification_channel",
        "ERROR",
        "webhook_tokenauth",
    )
    assert "failed with HTTP status 500" in payload["message"]
    assert payload["attempts"] == 5
    run.advance(hours=5)
    assert len(run.web.posts) == 5


def test_one_that_comes_back_is_told_once(run: Any) -> None:
    run.web.status = 0
    run.create(threshold(), notification_channels=[run.webhook()])
    run.write(9)
    run.web.status = 200
    run.advance(hours=1)
    assert (len(run.web.posts), run.logs) == (2, [])


def test_a_closing_waits_for_its_opening(run: Any) -> None:
    run.web.status = 500
    run.create(threshold(), notification_channels=[run.webhook()])
    run.write(9)
    run.write(1)
    assert [payload["incident"]["state"] for _, _, payload in run.web.posts] == ["open"]
    run.web.status = 200
    run.advance(seconds=10)
    assert [payload["incident"]["state"] for _, _, payload in run.web.posts] == ["open", "open", "closed"]


@pytest.mark.parametrize(
    ("kind", "labels", "reason"),
    [
        ("webhook_tokenauth", {"url": "http://127.0.0.1:1/"}, "HTTP status 404"),
        ("pubsub", {"topic": "projects/p1/topics/gone"}, "is not found"),
        ("slack", {"channel_name": "#a", "auth_token": "t"}, "UNIMPLEMENTED: delivery over channels of type slack"),
        ("sms", {"number": "+1 555 0100"}, "UNIMPLEMENTED: delivery over channels of type sms"),
    ],
)
def test_what_never_will_arrive_is_logged_at_once(run: Any, kind: str, labels: dict[str, str], reason: str) -> None:
    run.web.status = 404
    run.create(threshold(), notification_channels=[run.channel(kind, **labels)])
    run.write(9)
    assert reason in run.logs[0][3]["reason"]
    assert run.logs[0][3]["attempts"] == 1


def test_a_retry_survives_a_restart(tmp_path: Path) -> None:
    with running(tmp_path, web=Web(500)) as run:
        run.create(threshold(), notification_channels=[run.webhook()])
        run.write(9)
    with running(tmp_path, START + timedelta(minutes=1)) as run:
        assert [payload["incident"]["state"] for _, _, payload in run.web.posts] == ["open"]


def test_mail_without_a_server_is_a_file(run: Any) -> None:
    address = run.channel("email", email_address="me@example.com")
    run.create(threshold(), notification_channels=[address], severity="WARNING", documentation=DOCUMENTATION)
    run.write(9, host="a")
    (path,) = (run.data / "outbox").iterdir()
    mail = email.message_from_bytes(path.read_bytes(), policy=email_policy.default)
    assert (mail["To"], mail["Subject"]) == ("me@example.com", "[ALERT - Warning] load is high!")
    text, html = (part.get_content() for part in mail.iter_parts())
    assert "## Look at a" in text
    assert "https://example.com/a" in text
    assert "<h2>Look at a</h2>" in html
    assert "Observed" in html


def test_one_that_hangs_is_given_up_after_a_while(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:  # accepts, and never answers
        senders = Senders(
            Outbound(None, lambda: 0),  # type: ignore[arg-type]  # no token is asked for
            Topics,
            Mail("", tmp_path, SystemClock()),
            timeout=0.1,
        )
        hook = types.NotificationChannel(
            type_="webhook_tokenauth", labels={"url": f"http://127.0.0.1:{server.getsockname()[1]}/"}
        )
        with pytest.raises(UndeliveredError, match=r"no answer within 0\.1 s") as raised:
            senders.send(hook, {"incident": {}})
        assert raised.value.is_passing


def test_a_mail_server_that_is_gone_is_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    senders = Senders(Outbound(None, lambda: 0), Topics, Mail(f"127.0.0.1:{port}", tmp_path, SystemClock()))  # type: ignore[arg-type]
    address = types.NotificationChannel(type_="email", labels={"email_address": "me@example.com"})
    subject = Subject("p1", 1, types.AlertPolicy(), types.AlertPolicy.Condition(**threshold()), series_of("p1", KEY))
    with pytest.raises(UndeliveredError, match="the mail was not sent") as raised:
        senders.send(address, {"incident": opened(subject, "0.a", 0, 1.0)})
    assert raised.value.is_passing


def test_a_clock_that_is_set_back_does_not_stop_it(run: Any) -> None:
    run.create(threshold(seconds=120, period=300))
    run.write(9)
    run.agenda.set_back(START - timedelta(days=1))
    run.write(9)
    run.advance(minutes=2)
    assert run.history() == [(2 - 1440, None)]
