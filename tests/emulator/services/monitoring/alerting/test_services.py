"""Policies and channels as their services keep them: names, masks, lists, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.monitoring_v3 import types

from tests.emulator.services.monitoring.alerting.conftest import FILTER, METRIC, PROJECT, absence, threshold


def test_a_policy_gets_names_defaults_and_records(run: Any) -> None:
    made = run.create(threshold(trigger={}), absence(), documentation={"content": "x"})
    parsed = [each.name.rsplit("/", 2) for each in made.conditions]
    assert [each[:2] for each in parsed] == [[made.name, "conditions"]] * 2
    assert (made.enabled, made.documentation.mime_type) == (True, "text/markdown")
    assert made.conditions[0].condition_threshold.trigger.count == 1
    assert made.creation_record.mutate_time == made.mutation_record.mutate_time == run.now
    assert run.alerting.policies.get_alert_policy(types.GetAlertPolicyRequest(name=made.name)) == made


def test_lists_are_filtered_and_ordered(run: Any) -> None:
    for name, severity in (("b", "ERROR"), ("a", "WARNING"), ("c", "ERROR")):
        run.create(threshold(), display_name=name, severity=severity, user_labels={"team": name})

    def listed(**query: Any) -> list[str]:
        request = types.ListAlertPoliciesRequest(name=PROJECT, **query)
        return [each.display_name for each in run.alerting.policies.list_alert_policies(request).alert_policies]

    assert listed() == ["b", "a", "c"]
    assert listed(order_by="display_name desc") == ["c", "b", "a"]
    assert listed(filter='severity = "ERROR" AND user_labels.team = "c"') == ["c"]
    assert listed(page_size=2) == ["b", "a"]
    assert listed(filter="enabled = false") == []
    assert len(listed(filter="enabled = true")) == 3


def test_an_update_replaces_what_the_mask_names(run: Any) -> None:
    made = run.create(threshold(), display_name="before")
    run.advance(minutes=1)
    given = types.AlertPolicy(name=made.name, display_name="after", severity="ERROR")
    request = types.UpdateAlertPolicyRequest(alert_policy=given, update_mask={"paths": ["display_name"]})
    changed = run.alerting.policies.update_alert_policy(request)
    assert (changed.display_name, changed.severity.name) == ("after", "SEVERITY_UNSPECIFIED")
    assert changed.conditions == made.conditions
    assert changed.mutation_record.mutate_time - made.creation_record.mutate_time == timedelta(minutes=1)


def test_conditions_are_added_kept_and_removed(run: Any) -> None:
    made = run.create(threshold(), threshold(6), combiner="OR")
    kept = made.conditions[1]
    made.conditions = [kept, types.AlertPolicy.Condition(**absence())]
    changed = run.alerting.policies.update_alert_policy(types.UpdateAlertPolicyRequest(alert_policy=made))
    assert changed.conditions[0].name == kept.name
    assert changed.conditions[1].name.startswith(f"{made.name}/conditions/")
    made.conditions[0].name = f"{made.name}/conditions/7"
    with pytest.raises(exceptions.InvalidArgument, match="is no condition of the policy"):
        run.alerting.policies.update_alert_policy(types.UpdateAlertPolicyRequest(alert_policy=made))


@pytest.mark.parametrize(
    ("conditions", "fields", "reason"),
    [
        ([], {}, "1 to 6"),
        ([threshold()] * 7, {}, "1 to 6"),
        ([threshold(), threshold()], {"combiner": 0}, "combiner"),
        ([threshold(seconds=90)], {}, "no multiple of a minute"),
        ([threshold(comparison="COMPARISON_GE")], {}, "only COMPARISON_GT"),
        ([threshold(trigger={"percent": 101})], {}, "between 0 and 100"),
        ([threshold(filter=f'metric.type = "{METRIC}"')], {}, 'restriction on "resource.type"'),
        ([threshold(filter="")], {}, "filter: required"),
        ([threshold(period=30)], {}, "at least 60 s"),
        ([threshold(evaluation_missing_data="EVALUATION_MISSING_DATA_ACTIVE")], {}, "duration of 60 s"),
        ([absence(60)], {}, "120 s to"),
        ([threshold()], {"alert_strategy": {"auto_close": {"seconds": 60}}}, "auto_close"),
        ([threshold()], {"alert_strategy": {"notification_prompts": ["CLOSED"]}}, "notification_prompts"),
        (
            [threshold()],
            {"alert_strategy": {"notification_rate_limit": {"period": {"seconds": 300}}}},
            "log match only",
        ),
        ([threshold()], {"notification_channels": [f"{PROJECT}/notificationChannels/7"]}, "no notification channel"),
        ([threshold()], {"user_labels": {"Team": "x"}}, "user_labels"),
        ([threshold()], {"documentation": {"content": "x" * 9000}}, "8 KiB"),
        ([{"condition_matched_log": {"filter": "severity=ERROR"}}], {}, "rate_limit: required"),
        ([{"condition_matched_log": {"filter": "severity = ("}}], {}, "severity"),
        ([{"display_name": "nothing"}], {}, "condition_threshold"),
    ],
)
def test_what_is_no_policy(run: Any, conditions: list[Any], fields: dict[str, Any], reason: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=reason):
        run.create(*conditions, **fields)
    assert run.alerting.policies.all() == []


@pytest.mark.parametrize(
    ("condition", "named"),
    [
        ({"condition_prometheus_query_language": {"query": "up"}}, "condition_prometheus_query_language"),
        ({"condition_monitoring_query_language": {"query": "fetch x"}}, "condition_monitoring_query_language"),
        ({"condition_sql": {"query": "SELECT 1"}}, "condition_sql"),
        (threshold(forecast_options={"forecast_horizon": {"seconds": 3600}}), "forecast_options"),
    ],
)
def test_what_is_not_built_says_so(run: Any, condition: dict[str, Any], named: str) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match=named):
        run.create(condition)


def test_a_policy_on_a_metric_that_does_not_exist(run: Any) -> None:
    with pytest.raises(exceptions.NotFound, match=r'Cannot find metric\(s\) that match type = "custom\S+/none"'):
        run.create(threshold(filter=FILTER.replace(METRIC, "custom.googleapis.com/none")))


def test_secrets_of_channels_are_not_shown_and_not_lost(run: Any) -> None:
    name = run.channel("webhook_basicauth", url="http://127.0.0.1:1/", username="me", password="correct horse")
    shown = run.alerting.channels.get_notification_channel(types.GetNotificationChannelRequest(name=name))
    assert shown.labels["password"] == "*********orse"
    shown.display_name = "again"
    run.alerting.channels.update_notification_channel(
        types.UpdateNotificationChannelRequest(notification_channel=shown)
    )
    assert run.alerting.channels.stored(name).labels["password"] == "correct horse"


@pytest.mark.parametrize(
    ("kind", "labels", "reason"),
    [
        ("telegraph", {}, "telegraph"),
        ("email", {}, "email_address: required"),
        ("email", {"email_address": "nobody"}, "email_address"),
        ("webhook_tokenauth", {"url": "ftp://x"}, "url"),
        ("pubsub", {"topic": "alerts"}, "topic"),
        ("email", {"email_address": "a@b.c", "colour": "red"}, "colour"),
    ],
)
def test_what_is_no_channel(run: Any, kind: str, labels: dict[str, str], reason: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=reason):
        run.channel(kind, **labels)


def test_a_channel_in_use_is_deleted_by_force_only(run: Any) -> None:
    hook = run.webhook()
    policy = run.create(threshold(), notification_channels=[hook])
    with pytest.raises(exceptions.FailedPrecondition, match=policy.name):
        run.alerting.channels.delete_notification_channel(types.DeleteNotificationChannelRequest(name=hook))
    request = types.DeleteNotificationChannelRequest(name=hook, force=True)
    run.alerting.channels.delete_notification_channel(request)
    assert run.alerting.policies.stored(policy.name).notification_channels == []


def test_a_disabled_channel_is_told_nothing(run: Any) -> None:
    hook = run.webhook()
    given = types.NotificationChannel(name=hook, enabled=False)
    request = types.UpdateNotificationChannelRequest(notification_channel=given, update_mask={"paths": ["enabled"]})
    assert run.alerting.channels.update_notification_channel(request).enabled is False
    run.create(threshold(), notification_channels=[hook])
    run.write(9)
    assert (run.web.posts, run.logs) == ([], [])


def test_codes_verify_channels(run: Any) -> None:
    name = run.channel("email", email_address="me@example.com")
    run.alerting.channels.send_notification_channel_verification_code(
        types.SendNotificationChannelVerificationCodeRequest(name=name)
    )
    (mail,) = (run.data / "outbox").iterdir()
    code = mail.read_text().split("Verification code ")[1].split()[0]
    for wrong in ("G-1", ""):
        with pytest.raises(exceptions.InvalidArgument, match="not valid"):
            run.alerting.channels.verify_notification_channel(
                types.VerifyNotificationChannelRequest(name=name, code=wrong)
            )
    request = types.VerifyNotificationChannelRequest(name=name, code=code)
    verified = types.NotificationChannel.VerificationStatus.VERIFIED
    assert run.alerting.channels.verify_notification_channel(request).verification_status == verified


def test_kinds_of_channels_are_described(run: Any) -> None:
    request = types.ListNotificationChannelDescriptorsRequest(name=PROJECT)
    found = run.alerting.channels.list_notification_channel_descriptors(request).channel_descriptors
    by_type = {each.type_: [label.key for label in each.labels] for each in found}
    assert by_type["webhook_basicauth"] == ["url", "username", "password"]
    name = f"{PROJECT}/notificationChannelDescriptors/pubsub"
    request = types.GetNotificationChannelDescriptorRequest(name=name)
    assert run.alerting.channels.get_notification_channel_descriptor(request).type_ == "pubsub"


def test_alerts_are_listed_and_found(run: Any) -> None:
    run.create(threshold(), display_name="one", severity="ERROR", user_labels={"team": "x"})
    run.write(9, host="a")
    run.advance(minutes=1)
    run.write(9, host="b")
    first, second = run.incidents(orderBy="open_time")
    assert run.alerting.alerts.get({"project": "p1", "alert": first["name"].rpartition("/")[2]}) == first
    assert run.incidents(filter='metric.labels.host = "b"') == [second]
    assert run.incidents(filter='state = "OPEN" AND policy.user_labels.team = "x"', pageSize="1") == [second]
    assert run.incidents(filter='open_time > "2026-05-01T12:00:30Z"') == [second]
    with pytest.raises(exceptions.NotFound):
        run.alerting.alerts.get({"project": "p1", "alert": "0.none"})
    with pytest.raises(exceptions.InvalidArgument, match="orderBy"):
        run.incidents(orderBy="name")
