"""A retraining as its function does it: proposed by a schedule and by an alert, decided, run; asked for twice at once.

Its trainer leaves no model, so that a run is short; one that ends in production is in tests/demo/test_loop.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from gcpmlops.client import Client
from gcpmlops.exceptions import FunctionFailed, NotFound
from gcpmlops.monitoring import Point, Quality
from gcpmlops.retraining import Budget, OnAlert, RetrainingSetup, Schedule

from .conftest import GCPMLOPS, Shell, until

pytestmark = pytest.mark.xdist_group("e2e-retraining")
NAME, POLICY, FUNCTION = "e2e-loop", "quality of e2e-loop", "gcpmlops-retraining"
ROWS = "SELECT x, MOD(x, 2) AS late, @now AS at FROM UNNEST(GENERATE_ARRAY(1, 20)) AS x"


@pytest.fixture(scope="module")
def settings(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    trainer = tmp_path_factory.mktemp("trainer") / "train.py"
    trainer.write_text("print('learned nothing')\n")
    endpoint = client.endpoints.create(NAME)
    client.monitoring.ensure_alert(POLICY, Quality(model=NAME, metric="roc_auc", below=0.7))
    yield {
        "model": NAME, "endpoint": NAME, "source": trainer, "training": ROWS, "evaluation": ROWS,
        "evaluate": {"target": "late"}, "job": {"image": "python:3.11"},
        "triggers": [Schedule("0 6 1 1 *"), OnAlert(POLICY)],
    }  # fmt: skip
    client.endpoints.delete(endpoint.name)
    client.monitoring.delete_alert(POLICY)


@pytest.fixture(scope="module")
def setup(client: Client, settings: dict[str, Any]) -> Iterator[RetrainingSetup]:
    yield client.retraining.ensure(NAME, **settings)
    client.retraining.delete(NAME, purge=True)
    client.functions.delete(FUNCTION)


def kinds(client: Client) -> list[str]:
    return [event.kind for event in client.retraining.timeline(NAME)]


def test_nothing_changes_where_nothing_changed(client, settings, setup) -> None:
    assert client.retraining.ensure(NAME, **settings) == setup
    assert setup.schedules == (f"retraining-{NAME}-work", f"retraining-{NAME}-0-schedule")
    assert kinds(client) == ["SET_UP"]
    listening = f"projects/{client.config.project}/subscriptions/retraining-{NAME}-alerts"
    found = client.clients.subscriber.get_subscription(subscription=listening)
    assert found.expiration_policy.ttl == timedelta()  # never, however long there is no alert
    (may,) = client.clients.publisher.get_iam_policy(request={"resource": found.topic}).bindings
    assert may.role == "roles/pubsub.publisher"
    assert "gcp-sa-monitoring-notification" in may.members[0]
    assert found.push_config.push_endpoint == f"{setup.url}?retraining={NAME}&trigger=alert"


def test_a_scheduled_proposal_is_declined(client, setup, shell: Shell) -> None:
    client.scheduler.run(f"retraining-{NAME}-0-schedule")
    (case,) = until(lambda: client.retraining.cases(NAME, state="OPEN"))
    shell = replace(shell, environment={**shell.environment, "GCPMLOPS_STAGING_BUCKET": client.config.staging_bucket})
    line = ("retraining", "decline", NAME, case.id, "--reason", "holidays", "--who", "oncall@example.com")
    assert "DECLINED" in shell.tool(*GCPMLOPS, *line).stdout
    assert client.retraining.timeline(NAME)[-1].who == "oncall@example.com"


def test_an_alert_proposes_and_the_function_does_what_was_approved(client, setup) -> None:
    client.monitoring.write_all([Point("quality", 0.5, {"model": NAME, "metric": "roc_auc", "slice": "all"})])
    (case,) = until(lambda: client.retraining.cases(NAME, state="OPEN"))
    assert case.trigger == {"kind": "alert", "policy": POLICY}
    assert case.evidence["policy_name"] == POLICY
    client.retraining.approve(NAME, case.id, reason="it is real")
    run = until(lambda: next((run for run in client.retraining.runs(NAME) if run["ended"]), None))
    assert run["why"].startswith("register: there are no model files under gs://")
    assert run["trigger"]["kind"] == "alert"
    assert kinds(client)[-7:] == ["CASE_APPROVED", "TRIGGERED", "DATA", "TRAINING", "TRAINED", "FAILED", "ENDED"]
    until(lambda: client.scheduler.get(f"retraining-{NAME}-work").state == "PAUSED")


def test_twice_at_once_one_runs_the_other_is_told_why_not(client, settings, setup) -> None:
    client.retraining.ensure(NAME, **settings, mode="auto", cool_down=0, budget=Budget(runs=2))

    def call(_: int) -> Any:
        return client.functions.call(FUNCTION, {"retraining": NAME, "trigger": "0"})

    with ThreadPoolExecutor(2) as pool:
        ran, refused = sorted(pool.map(call, range(2)), key=lambda reply: reply["decision"])
    assert (ran["decision"], refused["decision"]) == ("FAILED", "REFUSED")
    # where the function's second instance starts only after the first one's run, it is the budget
    assert "is under way since" in refused["why"] or "the budget of 2 runs" in refused["why"]
    assert refused["why"] in str(client.retraining.timeline(NAME))


def test_a_call_that_can_not_be_is_answered_in_words(client, setup) -> None:
    with pytest.raises(FunctionFailed, match="there is no retraining 'nope' in gs:") as failed:
        client.functions.call(FUNCTION, {"retraining": "nope", "trigger": "0"})
    assert failed.value.status == 400  # Cloud Scheduler shows it
    pushed = {"retraining": NAME, "trigger": "alert", "message": {"data": "bm8="}}
    assert "a notification of Cloud Monitoring" in client.functions.call(FUNCTION, pushed)["error"]  # 200: not again


def test_what_no_longer_sets_it_off_is_gone(client, settings, setup) -> None:
    changed = client.retraining.ensure(NAME, **settings | {"triggers": []})
    assert [job.id for job in client.scheduler.list() if NAME in job.id] == list(changed.schedules)
    assert client.monitoring.get_alert(POLICY).channels == ()
    with pytest.raises(NotFound):
        client.monitoring.get_channel(f"retraining {NAME}")
    client.retraining.delete(NAME)
    assert client.retraining.timeline(NAME)[-1].kind == "DELETED"
    assert NAME not in [each.name for each in client.retraining.list()]
    with pytest.raises(NotFound, match="there is no retraining"):
        client.retraining.get(NAME)
    client.retraining.ensure(NAME, **settings)
