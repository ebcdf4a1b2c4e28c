"""When incidents open and close, by the clock."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api import metric_pb2
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes
from gcpmlops.emulator.services.monitoring.series import Point, Series, labels, micros
from tests.emulator.services.monitoring.alerting.conftest import FILTER, METRIC, START, absence, running, threshold


def test_a_value_beyond_the_threshold_opens_an_incident_at_once(run: Any) -> None:
    run.create(threshold())
    run.write(9)
    (incident,) = run.incidents()
    assert (incident["state"], incident["openTime"]) == ("OPEN", "2026-05-01T12:00:00.000000Z")
    assert incident["policy"]["displayName"] == "p"
    run.advance(minutes=1)
    run.write(1)
    assert run.history() == [(0, 1)]


def test_it_has_to_violate_for_the_duration_without_a_break(run: Any) -> None:
    run.create(threshold(seconds=180))
    for value in (9, 9, 1, 9, 9, 9, 9, 1):
        run.write(value)
        run.advance(minutes=1)
    assert run.history() == [(6, 7)]


def test_a_window_that_slides_on_changes_its_value(run: Any) -> None:
    run.create(threshold(period=300))
    run.write(9)
    run.advance(minutes=2)
    run.write(0)  # the mean is 4.5
    assert run.history() == [(0, 2)]
    run.advance(minutes=1)
    run.write(9)  # 6
    run.advance(minutes=2)  # the first 9 is gone: 4.5
    assert run.history() == [(0, 2), (3, 5)]


def test_each_series_has_an_incident(run: Any) -> None:
    run.create(threshold())
    run.write(9, host="a")
    run.write(9, host="b")
    run.write(1, host="c")
    assert sorted(each["metric"]["labels"]["host"] for each in run.incidents()) == ["a", "b"]
    run.advance(minutes=1)
    run.write(1, host="a")
    assert [each["state"] for each in run.incidents(orderBy="close_time desc")] == ["CLOSED", "OPEN"]


def test_series_are_reduced_to_groups(run: Any) -> None:
    step = {"alignment_period": {"seconds": 60}, "per_series_aligner": "ALIGN_MEAN"}
    reduced = {**step, "cross_series_reducer": "REDUCE_SUM", "group_by_fields": ["metric.labels.team"]}
    run.create(threshold(above=10, aggregations=[reduced]))
    run.write(6, host="a", team="x")
    assert run.incidents() == []
    run.write(6, host="b", team="x")
    assert run.incidents()[0]["metric"]["labels"] == {"team": "x"}


@pytest.mark.parametrize(
    ("trigger", "hosts", "count"), [({"count": 2}, 1, 0), ({"count": 2}, 2, 2), ({"percent": 60}, 1, 0)]
)
def test_enough_series_have_to_violate(run: Any, trigger: dict[str, Any], hosts: int, count: int) -> None:
    run.create(threshold(trigger=trigger))
    for host in range(4):
        run.write_quietly(9 if host >= 4 - hosts else 1, host=str(host))
    run.settle()
    assert len(run.incidents()) == count


def test_an_uptime_checks_policy(run: Any) -> None:
    """As the console makes it: how many places say no, for each host."""
    told = "monitoring.googleapis.com/uptime_check/check_passed"
    text = f'metric.type = "{told}" AND metric.label.check_id = "c" AND resource.type = "uptime_url"'
    reduced = {
        "alignment_period": {"seconds": 1200},
        "per_series_aligner": "ALIGN_NEXT_OLDER",
        "cross_series_reducer": "REDUCE_COUNT_FALSE",
        "group_by_fields": ["resource.label.*"],
    }
    gauge, boolean = metric_pb2.MetricDescriptor.GAUGE, metric_pb2.MetricDescriptor.BOOL
    MetricTypes(run.store).put("p1", metric_pb2.MetricDescriptor(type=told, metric_kind=gauge, value_type=boolean))
    run.create(threshold(1, 60, filter=text, aggregations=[reduced]))
    for passed in (True, False, False, True):
        end = micros(run.now)
        some = [
            Series("p1", told, labels({"check_id": "c", "at": place}), "uptime_url", (("host", "h"),), "GAUGE", "BOOL")
            for place in ("usa", "eur")
        ]
        run.points.add([(series, Point(end, end, passed)) for series in some])
        run.advance(minutes=1)
    assert run.history() == [(2, 3)]
    assert run.incidents()[0]["resource"]["labels"] == {"host": "h"}


def test_without_data_an_incident_stays_open_until_auto_close(run: Any) -> None:
    run.create(threshold(), alert_strategy={"auto_close": {"seconds": 1800}})
    run.write(9)
    run.advance(minutes=29)
    assert run.history() == [(0, None)]
    run.advance(days=365)
    assert run.history() == [(0, 30)]
    run.write(9)  # new data count again
    assert len(run.incidents()) == 2


@pytest.mark.parametrize(("missing", "closed"), [("INACTIVE", 2), ("ACTIVE", 30 + 1440), ("NO_OP", 30)])
def test_missing_data_mean_what_the_condition_says(run: Any, missing: str, closed: float) -> None:
    spec = threshold(seconds=60, evaluation_missing_data=f"EVALUATION_MISSING_DATA_{missing}")
    run.create(spec, alert_strategy={"auto_close": {"seconds": 1800}})
    run.write(9)
    run.advance(minutes=1)
    run.write(9)
    run.advance(days=10)
    assert run.history() == [(1, 1 + closed)]


def test_missing_data_that_count_as_violating_open_an_incident(run: Any) -> None:
    run.create(threshold(seconds=300, evaluation_missing_data="EVALUATION_MISSING_DATA_ACTIVE"))
    run.write(1)
    run.advance(hours=1)
    assert run.history() == [(5, None)]


def test_absence_opens_and_data_close(run: Any) -> None:
    run.create(absence(300))
    run.advance(days=1)
    assert run.incidents() == []  # nothing was ever there
    run.write(1, host="a")
    run.advance(minutes=3)
    run.write(1, host="b")
    run.advance(minutes=30)
    run.write(1, host="a")
    day = 24 * 60
    assert run.history() == [(day + 5, day + 33), (day + 8, None)]


@pytest.mark.parametrize(
    ("combiner", "zones", "opened"),
    [("OR", ("a", ""), 1), ("AND", ("a", ""), 0), ("AND", ("a", "b"), 2), ("AND_WITH_MATCHING_RESOURCE", ("a", "b"), 0),
     ("AND_WITH_MATCHING_RESOURCE", ("a", "a"), 2)],
)  # fmt: skip
def test_conditions_are_combined(run: Any, combiner: str, zones: tuple[str, str], opened: int) -> None:
    other = threshold(filter=FILTER.replace(METRIC, METRIC + "/all"))
    run.create(threshold(), other, combiner=combiner)
    for metric, zone in zip((METRIC, METRIC + "/all"), zones, strict=True):
        if zone:
            run.write(9, metric=metric, zone=zone)
    assert len(run.incidents()) == opened


def test_a_ratio_is_compared(run: Any) -> None:
    below = {
        "denominator_filter": FILTER.replace(METRIC, METRIC + "/all"),
        "denominator_aggregations": [{"alignment_period": {"seconds": 60}, "per_series_aligner": "ALIGN_MEAN"}],
    }
    run.create(threshold(above=0.1, **below))
    run.write(5, host="a")
    assert run.incidents() == []  # nothing to divide by
    run.write(100, metric=METRIC + "/all", host="a")
    assert run.incidents() == []
    run.write(20, metric=METRIC + "/all", host="a")
    assert len(run.incidents()) == 1


def test_late_points_and_points_ahead_of_the_clock(run: Any) -> None:
    run.create(threshold(period=300))
    run.write(9, at=START - timedelta(minutes=4))
    run.write(9, at=START + timedelta(minutes=3), host="b")
    assert len(run.incidents()) == 1
    run.advance(minutes=3)
    assert run.history() == [(0, None), (3, None)]


def test_disabling_and_deleting_close_incidents(run: Any) -> None:
    first, second = run.create(threshold()), run.create(threshold())
    run.write(9)
    first.enabled = False
    run.alerting.policies.update_alert_policy(
        types.UpdateAlertPolicyRequest(alert_policy=first, update_mask={"paths": ["enabled"]})
    )
    run.advance(minutes=1)
    run.alerting.policies.delete_alert_policy(types.DeleteAlertPolicyRequest(name=second.name))
    assert run.history() == [(0, 0), (0, 1)]
    run.write(9)
    assert len(run.incidents()) == 2


def test_a_changed_condition_goes_on_and_a_new_one_begins(run: Any) -> None:
    policy = run.create(threshold())
    run.write(9)
    policy.conditions[0].condition_threshold.threshold_value = 20
    changed = run.alerting.policies.update_alert_policy(types.UpdateAlertPolicyRequest(alert_policy=policy))
    run.settle()
    assert run.history() == [(0, 0)]
    assert changed.conditions[0].name == policy.conditions[0].name


def test_incidents_and_what_is_pending_survive_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.create(threshold())
        run.create(threshold(above=8, seconds=120))
        run.write(9)
        run.advance(minutes=1)
        run.write(9)
    with running(tmp_path, START + timedelta(minutes=1, seconds=30)) as run:
        assert run.history() == [(0, None)]
        run.advance(seconds=30)
        run.write(9)
        assert run.history() == [(0, None), (2, None)]  # violating since before the restart
        run.advance(minutes=1)
        run.write(0)
        assert run.history() == [(0, 3), (2, 3)]


def test_what_was_due_while_nothing_ran_happens_at_the_start(tmp_path: Path) -> None:
    with running(tmp_path) as run:
        run.create(absence(300))
        run.write(1)
    with running(tmp_path, START + timedelta(hours=3)) as run:
        assert run.history() == [(180, None)]


def test_idle_policies_cost_nothing_when_years_pass(run: Any) -> None:
    for _ in range(20):
        run.create(threshold(), absence(600))
    run.write(1)
    run.advance(minutes=5)
    assert run.agenda.travel(run.now + timedelta(days=3650)) < 20 * 10
