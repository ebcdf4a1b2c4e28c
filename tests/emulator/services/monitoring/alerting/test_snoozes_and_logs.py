"""Snoozed policies, and policies over log entries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.logging_v2.types import LogEntry
from google.cloud.monitoring_v3 import types

from tests.emulator.services.monitoring.alerting.conftest import PROJECT, START, threshold


def snooze(run: Any, policy: str, minutes: float, *, after: float = 0, **criteria: str) -> types.Snooze:
    start = run.now + timedelta(minutes=after)
    made = types.Snooze(
        display_name="quiet",
        criteria={"policies": [policy], **criteria},
        interval={"start_time": start, "end_time": start + timedelta(minutes=minutes)},
    )
    created = run.alerting.snoozes.create_snooze(types.CreateSnoozeRequest(parent=PROJECT, snooze=made))
    run.settle()
    return created


def test_a_snooze_closes_incidents_and_opens_none_until_it_ends(run: Any) -> None:
    policy = run.create(threshold(period=3600), notification_channels=[run.webhook()])
    run.write(9)
    snooze(run, policy.name, 10, after=5)
    run.advance(minutes=30)
    assert run.history() == [(0, 5), (15, None)]
    assert [each["incident"]["state"] for _, _, each in run.web.posts] == ["open", "open"]


def test_the_life_that_the_docs_tell(run: Any) -> None:
    hook = run.webhook()
    reminder = {"notification_channel_names": [hook], "renotify_interval": {"seconds": 1800}}
    policy = run.create(
        threshold(0.7, 120, comparison="COMPARISON_LT"),
        notification_channels=[hook],
        alert_strategy={"auto_close": {"seconds": 3600}, "notification_channel_strategy": [reminder]},
    )
    snooze(run, policy.name, 20, after=40)
    for minute in range(71):
        good = minute == 0 or 65 <= minute < 68
        at = START + timedelta(minutes=minute)
        run.agenda.at(at, lambda value=0.8 if good else 0.6: run.write_quietly(value), name="job")
    run.advance(hours=3)
    assert run.history() == [(3, 40), (60, 65), (70, 130)]
    told = [payload["incident"] for _, _, payload in run.web.posts]
    seconds = [(each["ended_at"] or each["started_at"]) - START.timestamp() for each in told]
    first, second = [("open", 3)] * 2, [("open", 60), ("closed", 65)]  # opened and reminded; the snooze tells nothing
    third = [*[("open", 70)] * 3, ("closed", 130)]
    assert [(each["state"], at / 60) for each, at in zip(told, seconds, strict=True)] == [*first, *second, *third]


def test_a_snooze_with_a_filter_holds_some_series_back(run: Any) -> None:
    policy = run.create(threshold())
    snooze(run, policy.name, 10, filter='metric.labels.host = "a"')
    run.write(9, host="a")
    run.write(9, host="b")
    assert [each["metric"]["labels"] for each in run.incidents()] == [{"host": "b"}]


def test_a_snooze_is_ended_by_setting_its_end(run: Any) -> None:
    policy = run.create(threshold(period=3600))
    made = snooze(run, policy.name, 600)
    run.write(9)
    run.advance(minutes=10)
    made.interval.end_time = run.now
    request = types.UpdateSnoozeRequest(snooze=made, update_mask={"paths": ["interval.end_time"]})
    run.alerting.snoozes.update_snooze(request)
    run.settle()
    assert run.history() == [(10, None)]
    made.interval.start_time = run.now
    request = types.UpdateSnoozeRequest(snooze=made, update_mask={"paths": ["interval.start_time"]})
    with pytest.raises(exceptions.InvalidArgument, match="start_time"):
        run.alerting.snoozes.update_snooze(request)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"display_name": ""}, "display_name"),
        ({"criteria": {"policies": []}}, "criteria.policies"),
        ({"interval": {"start_time": START, "end_time": START}}, "end_time"),
        (
            {"interval": {"start_time": START - timedelta(hours=1), "end_time": START + timedelta(hours=1)}},
            "start_time",
        ),
        ({"criteria": {"policies": ["projects/p1/alertPolicies/1"]}}, "alertPolicies/1"),
    ],
)
def test_a_snooze_that_cannot_be(run: Any, change: dict[str, Any], reason: str) -> None:
    policy = run.create(threshold())
    fields = {
        "display_name": "s",
        "criteria": {"policies": [policy.name]},
        "interval": {"start_time": START, "end_time": START + timedelta(hours=1)},
    }
    request = types.CreateSnoozeRequest(parent=PROJECT, snooze=types.Snooze(**{**fields, **change}))
    with pytest.raises((exceptions.InvalidArgument, exceptions.NotFound), match=reason):
        run.alerting.snoozes.create_snooze(request)


def log(run: Any, text: str, name: str = "projects/p1/logs/app") -> None:
    entry = LogEntry.pb()(log_name=name, severity=500, text_payload=text)
    entry.resource.type = "global"
    run.entries.append([entry])
    run.settle()


def log_match(run: Any, **strategy: Any) -> types.AlertPolicy:
    spec = {
        "filter": 'severity >= ERROR AND textPayload =~ "failed"',
        "label_extractors": {"user": r'REGEXP_EXTRACT(textPayload, "user=(\\w+)")'},
    }
    given = {"notification_rate_limit": {"period": {"seconds": 300}}, "auto_close": {"seconds": 1800}, **strategy}
    return run.create(
        {"display_name": "errors", "condition_matched_log": spec},
        alert_strategy=given,
        notification_channels=[run.webhook()],
    )


def test_matching_entries_open_an_incident_for_each_combination(run: Any) -> None:
    log_match(run)
    log(run, "user=a failed")
    log(run, "user=b failed")
    log(run, "user=c is fine")
    log(run, "user=d failed", name="projects/other/logs/app")
    assert [each["log"]["extractedLabels"] for each in run.incidents()] == [{"user": "b"}, {"user": "a"}]
    assert len(run.web.posts) == 2


def test_repeated_matches_are_told_once_a_period_and_close_when_they_stop(run: Any) -> None:
    log_match(run)
    for _ in range(4):
        log(run, "user=a failed")
        run.advance(minutes=2)
    assert [each["incident"]["started_at"] - START.timestamp() for _, _, each in run.web.posts] == [0, 0]
    run.advance(days=1)
    assert run.history() == [(0, 36)]
    assert len(run.web.posts) == 2  # closings of log matches are not told


def test_a_snooze_is_cancelled_before_it_begins(run: Any) -> None:
    """As gcloud does it: the whole snooze, without a mask, of no length."""
    policy = run.create(threshold())
    made = snooze(run, policy.name, 10, after=5)
    made.interval = {"start_time": run.now, "end_time": run.now}
    run.alerting.snoozes.update_snooze(types.UpdateSnoozeRequest(snooze=made))
    run.advance(minutes=6)
    run.write(9)
    assert run.history() == [(6, None)]
