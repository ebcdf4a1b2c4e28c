"""What sets off a retraining and what holds it back; a whole run is in tests/demo/test_loop.py."""

from __future__ import annotations

import io
import re
import uuid
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event as Signal
from time import monotonic
from types import SimpleNamespace
from typing import Any

import pytest

from gcpmlops._retraining import desk as desks
from gcpmlops._retraining.claim import claimed
from gcpmlops._retraining.desk import Desk
from gcpmlops._retraining.ledger import LOG, Ledger
from gcpmlops._retraining.limits import refusal
from gcpmlops._retraining.look import Look, Lookout, at
from gcpmlops._retraining.recipe import Budget, Recipe, canary_dict
from gcpmlops._retraining.run import Run, new_record
from gcpmlops._retraining.source import requirements, zipped
from gcpmlops._retraining.triggers import DataDrift, NewData, OnAlert, QualityBelow, Schedule
from gcpmlops._retraining.wiring import _is_of
from gcpmlops.endpoints import Canary, Quality
from gcpmlops.exceptions import (
    DeadlineExceeded,
    FailedPrecondition,
    GcpMlopsError,
    InvalidArgument,
    JobFailed,
    NotFound,
)

START = datetime(2013, 7, 1, 6, tzinfo=UTC)
WEEKLY = Schedule("0 6 * * 1", "America/New_York")
GATES = [{"metric": "roc_auc", "minimum": 0.6}]


def recipe(**changes: Any) -> Recipe:
    given: dict[str, Any] = {
        "name": "flights", "model": "delays", "endpoint": "delays", "mode": "auto", "job": {"displayName": "train"},
        "training": "SELECT 1", "evaluation": "SELECT 1", "dataset": "retraining", "evaluate": {"target": "late"},
        "gates": GATES, "triggers": (WEEKLY,), "canary": canary_dict(Canary()), "cool_down": 86400.0,
    }  # fmt: skip
    return Recipe(**given | changes)


class Book(Ledger):
    """With a clock of its own."""

    time = START

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.ticks: list[bool] = []

    def now(self) -> datetime:
        return self.time


@pytest.fixture
def ledger(client) -> Book:
    book = Book(client.clients, client.storage, f"{client.config.staging_bucket}/r-{uuid.uuid4().hex}", "flights")
    book.keep_recipe(recipe())
    book.put("setup", {"at": START.isoformat()})
    return book


class Seen:
    """A lookout that sees what it is told."""

    def __init__(self, look: Look) -> None:
        self.seen = look

    def look(self, *_: Any, **__: Any) -> Look:
        return self.seen


class Done:
    """Stands for a run: ends at once, or when told."""

    outcome, waits = "PROMOTED", None

    def __init__(self, run_id: str, recipe: Recipe, ledger: Book, modules: Any, record: dict[str, Any], _: Any) -> None:
        self.ledger, self.record, self.mode = ledger, record, recipe.mode

    def go(self) -> str:
        if Done.waits is not None:
            Done.waits[0].set()
            assert Done.waits[1].wait(20)
        self.record |= {"outcome": Done.outcome, "why": self.mode}
        if Done.outcome != "UNDER_WAY":
            self.record["ended"] = self.ledger.now().isoformat()
        self.ledger.put(f"runs/{self.record['id']}", self.record)
        return Done.outcome


@pytest.fixture(autouse=True)
def runs(monkeypatch) -> Iterator[type[Done]]:
    monkeypatch.setattr(desks, "Run", Done)
    yield Done
    Done.outcome, Done.waits = "PROMOTED", None


def desk_at(ledger: Book, look: Look | None = None) -> Desk:
    return Desk(ledger, Seen(look or Look(True, "it is time")), None, seconds=None, ticking=ledger.ticks.append)


def kinds(ledger: Book) -> list[str]:
    return [event.kind for event in ledger.timeline()]


class TestWhatATriggerLeadsTo:
    def test_a_run_then_a_refusal_while_it_cools_down(self, ledger) -> None:
        assert desk_at(ledger).called(WEEKLY, {}).decision == "PROMOTED"
        for hours in (1, 2, 23):
            ledger.time = START + timedelta(hours=hours)
            refused = desk_at(ledger).called(WEEKLY, {})
            assert (refused.decision, refused.why) == (
                "REFUSED", "the cool-down of 1 d lasts until 2013-07-02 06:00:00 UTC",
            )  # fmt: skip
        assert kinds(ledger) == ["TRIGGERED", "REFUSED"]  # said once, however often it is asked
        ledger.time = START + timedelta(days=1)
        assert desk_at(ledger).called(WEEKLY, {}).decision == "PROMOTED"

    def test_nothing_where_nothing_is_seen(self, ledger) -> None:
        decision = desk_at(ledger, Look(False, "no drift")).called(WEEKLY, {})
        assert (decision.decision, decision.why, kinds(ledger)) == ("NOTHING", "no drift", [])

    def test_broken_data_are_an_alert_and_no_retraining(self, ledger, client) -> None:
        seen = Look(False, "the data are broken: temp: all values are missing", {"rows": 7}, broken=True)
        assert desk_at(ledger, seen).called(WEEKLY, {}).decision == "DATA_ALERT"
        assert kinds(ledger) == ["DATA_ALERT"]
        assert ledger.all("runs") == []
        (entry,) = client.clients.logging.list_log_entries(
            resource_names=[f"projects/{client.config.project}"],
            filter=f'logName:"{LOG}" AND jsonPayload.kind="DATA_ALERT" AND jsonPayload.facts.evidence.rows=7',
        )
        assert entry.severity == 500  # ERROR
        assert entry.labels["retraining"] == "flights"

    def test_two_at_once_one_runs_the_other_is_told_why_not(self, ledger, runs) -> None:
        began, goes_on = runs.waits = Signal(), Signal()
        with ThreadPoolExecutor() as pool:
            first = pool.submit(desk_at(ledger).called, WEEKLY, {})
            assert began.wait(20)
            runs.waits = None
            second = desk_at(ledger).called(WEEKLY, {})
            goes_on.set()
        assert first.result().decision == "PROMOTED"
        assert second.decision == "REFUSED"
        assert second.why.startswith(f"run {first.result().run} is under way since 2013-07-01 06:00:00 UTC")

    def test_a_trigger_that_can_not_be_looked_at_is_an_error_in_words(self, ledger) -> None:
        class Blind:
            def look(self, *_: Any, **__: Any) -> Look:
                raise InvalidArgument("Unexpected identifier SELEC\nJob ID: 1", field="query")

        decision = Desk(ledger, Blind(), None, seconds=None, ticking=ledger.ticks.append).called(WEEKLY, {})
        said = "the trigger schedule could not be looked at: Unexpected identifier SELEC"
        assert (decision.decision, decision.why, kinds(ledger)) == ("FAILED", said, ["LOOK_FAILED"])
        assert ledger.timeline()[0].severity == "ERROR"

    def test_a_run_that_was_interrupted_goes_first(self, ledger, runs) -> None:
        left = new_record("left", now=START, trigger={"kind": "schedule"}, why="the schedule")
        ledger.put("runs/left", left)
        ledger.time = START + timedelta(minutes=10)
        assert desk_at(ledger).called(WEEKLY, {}).run == "left"
        assert [run["id"] for run in ledger.all("runs")] == ["left"]

    def test_a_claim_is_kept_while_its_holder_lives(self, ledger) -> None:
        with claimed(ledger, "run x", beat=0.01):
            ledger.time = START + timedelta(minutes=8)
            until = (ledger.time + timedelta(minutes=9)).isoformat()
            while ledger.get("claim")["until"] != until:
                pass
            ledger.time = START + timedelta(minutes=16)
            refused = desk_at(ledger).called(WEEKLY, {})
        assert refused.why.startswith("run x is under way since 2013-07-01 06:00:00 UTC (where it was killed: until")
        assert ledger.get("claim") == {}

    def test_a_claim_left_by_a_crash_runs_out(self, ledger) -> None:
        with pytest.raises(KeyboardInterrupt), claimed(ledger, "run x"):
            raise KeyboardInterrupt
        assert desk_at(ledger).called(WEEKLY, {}).decision == "PROMOTED"  # let go of
        ledger.put("claim", {"about": "run y", "since": "s", "until": (START + timedelta(hours=30)).isoformat()})
        ledger.time = START + timedelta(hours=29)
        assert desk_at(ledger).called(WEEKLY, {}).decision == "REFUSED"
        ledger.time = START + timedelta(hours=31)
        assert desk_at(ledger).called(WEEKLY, {}).decision == "PROMOTED"

    def test_a_run_that_outlasts_its_call_is_gone_on_with(self, ledger, runs) -> None:
        runs.outcome = "UNDER_WAY"
        first = desk_at(ledger).called(WEEKLY, {})
        assert first.decision == "UNDER_WAY"
        assert not desk_at(ledger).is_done
        runs.outcome = "GATES_FAILED"
        again = desk_at(ledger).work()
        assert (again.decision, again.run) == ("GATES_FAILED", first.run)
        assert desk_at(ledger).is_done
        assert desk_at(ledger).work().decision == "NOTHING"

    def test_what_people_ask_for_is_done_once(self, ledger) -> None:
        desk_at(ledger).called(WEEKLY, {})
        assert ledger.ticks == [True, False]  # before it begins, after it
        ledger.put("requests/a", {"id": "a", "why": "release", "force": True, "who": "me@x", "taken": False})
        assert desk_at(ledger).work().decision == "PROMOTED"  # force: no cool-down
        assert desk_at(ledger).work().decision == "NOTHING"
        assert [event.who for event in ledger.timeline() if event.kind == "TRIGGERED"][1] == "me@x"


class TestRun:
    """Its steps are stood for by what they raise."""

    @staticmethod
    def of(ledger: Book, **changes: Any) -> Run:
        record = new_record("r1", now=START, trigger={"kind": "request"}, why="asked for") | changes
        return Run("r1", recipe(), ledger, None, record, 100.0)

    @pytest.mark.parametrize(
        ("error", "outcome", "said"),
        [
            (NotFound("the endpoint is gone\nSee ...", resource="e"), "FAILED", "data: the endpoint is gone"),
            (JobFailed("it ended FAILED.\nLast log lines:", exit_code=1, cause="KeyError: 'x'"), "FAILED",
             "data: it ended FAILED. KeyError: 'x'"),
            (KeyError("x"), "FAILED", "data: KeyError: 'x'"),
            (DeadlineExceeded("after 25 min"), "UNDER_WAY", "goes on later, from data: after 25 min"),
        ],
    )  # fmt: skip
    def test_every_error_is_an_outcome(self, ledger, monkeypatch, error, outcome, said) -> None:
        def fail(_: Run) -> None:
            raise error

        monkeypatch.setattr(Run, "_data", fail)
        assert self.of(ledger).go() == outcome
        assert said in [event.text for event in ledger.timeline()]
        assert ledger.all("runs")[0]["tries"] == (0 if outcome == "UNDER_WAY" else 1)

    def test_who_is_killed_again_and_again_is_given_up(self, ledger, monkeypatch) -> None:
        def killed(_: Run) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(Run, "_data", killed)
        for _ in range(3):
            kept = ledger.get("runs/r1") or {}
            with pytest.raises(KeyboardInterrupt):
                self.of(ledger, **kept).go()
        assert self.of(ledger, **ledger.get("runs/r1")).go() == "FAILED"
        assert kinds(ledger) == ["RESUMED", "RESUMED", "FAILED", "ENDED"]
        assert "data: its process was killed 3 times" in ledger.get("runs/r1")["why"]

    @pytest.mark.parametrize(
        ("traffic", "deployed", "does"),
        [
            ({"old": 100}, {"old": "m@1"}, "canary"),
            ({}, {}, "the first deployment"),
            ({"new": 100}, {"old": "m@1", "new": "m@2"}, "an earlier attempt"),
            ({"old": 75, "new": 25}, {"old": "m@1", "new": "m@2"}, "killed in the middle of the canary"),
        ],
    )
    def test_a_rollout_goes_on_from_where_it_was(self, ledger, traffic, deployed, does) -> None:
        calls: list[str] = []
        endpoint = SimpleNamespace(name="e", traffic=traffic, deployed=deployed)
        endpoints = SimpleNamespace(
            get=lambda _: endpoint, deploy=lambda *_, **__: calls.append("deploy"),
            rollback=lambda _, undeploy: calls.append("rollback"),
        )  # fmt: skip
        run = self.of(ledger)
        run.modules = SimpleNamespace(endpoints=endpoints)
        if "killed" in does:
            with pytest.raises(GcpMlopsError, match=does):
                run._deployed(SimpleNamespace(versioned_name="m@2"))
        else:
            assert run._deployed(SimpleNamespace(versioned_name="m@2")) == does
        assert calls == {"canary": ["deploy"], "the first deployment": ["deploy"]}.get(
            does, ["rollback"] * ("kill" in does)
        )

    def test_a_canary_gets_a_call_of_its_own(self, ledger) -> None:
        endpoint = SimpleNamespace(name="e", traffic={"old": 100}, deployed={})
        run = self.of(ledger)
        run.modules = SimpleNamespace(endpoints=SimpleNamespace(get=lambda _: endpoint))
        run._end = monotonic() + 40  # of 100 s
        with pytest.raises(DeadlineExceeded, match="a call of its own"):
            run._deployed(SimpleNamespace(versioned_name="m@2"))


class TestProposals:
    @pytest.fixture
    def ledger(self, ledger) -> Book:
        ledger.keep_recipe(recipe(mode="propose"))
        return ledger

    def test_a_case_is_opened_once_approved_and_run_whole(self, ledger) -> None:
        seen = Look(True, "quality 0.61 < 0.7", {"quality": 0.61})
        first = desk_at(ledger, seen).called(WEEKLY, {})
        assert first.decision == "PROPOSED"
        assert desk_at(ledger, Look(True, "quality 0.6 < 0.7")).called(WEEKLY, {}).case == first.case
        (case,) = desk_at(ledger).cases()
        assert (case.state, case.seen, case.why) == ("OPEN", 2, "quality 0.6 < 0.7")
        desk_at(ledger).decide(case.id, "APPROVED", who="oncall@example.com", reason="real drift")
        done = desk_at(ledger).work()
        assert (done.decision, done.why) == ("PROMOTED", "auto")
        (case,) = desk_at(ledger).cases()
        assert (case.run, case.who, case.reason) == (done.run, "oncall@example.com", "real drift")
        assert kinds(ledger) == ["CASE_OPENED", "CASE_APPROVED", "TRIGGERED"]
        with pytest.raises(FailedPrecondition, match=r"was APPROVED by oncall@example\.com already: real drift"):
            desk_at(ledger).decide(case.id, "DECLINED", who="b", reason="no")

    def test_declined_is_silence_for_the_cool_down(self, ledger) -> None:
        case = desk_at(ledger).called(WEEKLY, {}).case
        desk_at(ledger).decide(case, "DECLINED", who="b@x", reason="holidays")
        ledger.time += timedelta(hours=23)
        silent = desk_at(ledger).called(WEEKLY, {})
        assert (silent.decision, silent.why) == ("NOTHING", f"it is time; but {case} was DECLINED by b@x: holidays")
        ledger.time += timedelta(hours=2)
        assert desk_at(ledger).called(WEEKLY, {}).case != case

    def test_snoozed_is_open_again_later(self, ledger) -> None:
        case = desk_at(ledger).called(WEEKLY, {}).case
        desk_at(ledger).decide(case, "SNOOZED", who="b", reason="wait", until=START + timedelta(days=7))
        assert [each.state for each in desk_at(ledger).cases()] == ["SNOOZED"]
        ledger.time += timedelta(days=7)
        assert [each.state for each in desk_at(ledger).cases()] == ["OPEN"]
        with pytest.raises(NotFound, match="there is no case 'x' of flights"):
            desk_at(ledger).decide("x", "APPROVED", who="b", reason="r")


class TestLimits:
    @staticmethod
    def run(days: float, hours: float = 1.0) -> dict[str, Any]:
        started = START + timedelta(days=days)
        return {"started": started.isoformat(), "ended": started.isoformat(), "facts": {"training_hours": hours}}

    def test_runs(self) -> None:
        limited = recipe(budget=Budget(runs=2, per="30d"), cool_down=0.0)
        past = [self.run(0), self.run(10), self.run(20)]
        now = START + timedelta(days=21)
        assert refusal(limited, past, now) == "the budget of 2 runs in 30 d is spent until 2013-08-10 06:00:00 UTC"
        assert refusal(limited, past, START + timedelta(days=40, seconds=1)) == ""

    def test_hours(self) -> None:
        limited = recipe(budget=Budget(runs=9, hours=3, per="10d"), cool_down=0.0)
        assert refusal(limited, [self.run(0, 2.0)], START) == ""
        assert "3 hours of training in 10 d is spent (3.5 h)" in refusal(limited, [self.run(0, 3.5)], START)

    def test_none(self) -> None:
        assert refusal(recipe(), [], START) == ""

    def test_each_day_fits_a_cool_down_of_a_day(self) -> None:
        day = timedelta(days=1)
        long = {**self.run(0), "ended": (START + timedelta(hours=3)).isoformat()}
        assert refusal(recipe(), [long], START + day - timedelta(seconds=20)) == ""
        assert "the cool-down of 1 d lasts" in refusal(recipe(), [long], START + day - timedelta(minutes=6))
        short = recipe(cool_down=60.0)
        assert "the cool-down of 1 min lasts" in refusal(short, [long], START + timedelta(seconds=59))


class TestRecipes:
    def test_kept_as_it_was(self) -> None:
        whole = recipe(
            triggers=(
                WEEKLY,
                DataDrift(baseline="a.b", current="SELECT 1", features=["temp"], thresholds={"temp": 0.1}),
                QualityBelow(query="SELECT 0.5", minimum=0.7, every="0 6 * * *"),
                NewData(table="a.b", time_column="t", rows=1000),
                OnAlert("late flights"),
            ),
            canary=canary_dict(Canary(steps=(50, 100), quality=Quality(query="SELECT 1", minimum=0.5))),
        )
        again = Recipe.from_json(whole.to_json())
        assert [type(each) for each in again.triggers] == [type(each) for each in whole.triggers]
        assert again.to_json() == whole.to_json()
        assert again.strategy.steps == [50, 100]
        assert again.strategy.quality.query == "SELECT 1"

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"mode": "always"}, "propose, candidate, auto"),
            ({"task": "clustering"}, "classification, regression"),
            ({"evaluate": {"score": "s"}}, "which column is the outcome"),
            ({"evaluate": {"target": "t", "scoer": "s"}}, "evaluate key"),
            ({"deploy": {"machine": "n1"}}, "machine_type"),
        ],
    )
    def test_what_is_none(self, changes, said) -> None:
        with pytest.raises(InvalidArgument, match=said):
            recipe(**changes)

    def test_limits_that_are_none(self) -> None:
        for wrong in ({"runs": 0}, {"hours": 0}, {"per": "soon"}):
            with pytest.raises(InvalidArgument):
                Budget(**wrong)
        with pytest.raises(InvalidArgument, match="quality has no limit"):
            QualityBelow(query="SELECT 1")
        with pytest.raises(InvalidArgument, match="a retraining's quality is a query"):
            canary_dict(Canary(quality=Quality(measure=lambda *_: 1.0, minimum=0.5)))
        canary_dict(Canary())
        with pytest.raises(InvalidArgument, match=r"the canary takes 6.* h at least, and the function"):
            canary_dict(Canary(bake="2h"))


class TestLookout:
    def test_quality(self, client) -> None:
        lookout = Lookout(client.bigquery, None, None, None)

        def seen(query: str) -> Look:
            trigger = QualityBelow(query=query, minimum=0.7, maximum=0.9)
            return lookout.look(trigger, recipe(), now=START, since=START, incident={})

        assert seen("SELECT 0.6").why == "quality 0.6 < 0.7"
        assert seen("SELECT 0.95").why == "quality 0.95 > 0.9"
        assert not seen("SELECT 0.8").retrain
        assert seen("SELECT CAST(NULL AS FLOAT64)").why == "too few outcomes are known yet"
        assert not seen("SELECT IF(@now = TIMESTAMP '2013-07-01T06:00:00Z', 0.8, 0.0)").retrain

    def test_new_rows(self, client) -> None:
        dataset = f"look_{uuid.uuid4().hex[:8]}"
        client.bigquery.ensure_dataset(dataset)
        days = "UNNEST(GENERATE_TIMESTAMP_ARRAY('2013-06-25', '2013-07-10', INTERVAL 1 DAY)) AS t"
        client.bigquery.query(f"SELECT t FROM {days}", destination=f"{dataset}.rows")
        trigger = NewData(table=f"{client.config.project}.{dataset}.rows", time_column="t", rows=3)

        def seen(now: datetime) -> Look:
            lookout = Lookout(client.bigquery, None, None, None)
            return lookout.look(trigger, recipe(), now=now, since=START - timedelta(days=2), incident={})

        assert not seen(START).retrain
        assert seen(START + timedelta(days=1)).evidence["rows"] == 3
        assert seen(START + timedelta(days=1)).retrain

    def test_incidents(self) -> None:
        lookout, trigger = Lookout(None, None, None, None), OnAlert("late flights")
        tested = {"state": "open", "resource": {}, "metric": {"labels": {"version": "gcpmlops-test-1a2b"}}}
        seen = lookout.look(trigger, recipe(), now=START, since=START, incident=tested)
        assert (seen.retrain, seen.why) == (False, "alert late flights: only a test of it")
        opened = {"incident_id": "1", "state": "open", "summary": "quality is below 0.7", "extra": 1}
        seen = lookout.look(trigger, recipe(), now=START, since=START, incident=opened)
        assert (seen.retrain, seen.why) == (True, "alert late flights: quality is below 0.7")
        assert "extra" not in seen.evidence
        assert not lookout.look(
            trigger, recipe(), now=START, since=START, incident={**opened, "state": "closed"}
        ).retrain

    def test_now_is_a_literal(self) -> None:
        assert at("x < @now", START) == "x < TIMESTAMP '2013-07-01T06:00:00+00:00'"


def test_whose_a_schedule_is() -> None:
    ours = ["retraining-a-work", "retraining-a-0-schedule", "retraining-a-12-new-data"]
    others = ["retraining-a-0-work", "retraining-a-0-1-schedule", "retraining-a-b-work", "retraining-ab-work", "a-work"]
    assert [job for job in [*ours, *others] if _is_of(job, "a")] == ours


def test_the_functions_source_is_the_same_zip_each_time() -> None:
    made = zipped()
    assert zipped() == made  # Terraform deploys anew what has another hash
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        assert {"main.py", "requirements.txt", "gcpmlops/retraining.py"} <= set(archive.namelist())
        assert not [name for name in archive.namelist() if "emulator" in name]


def test_the_function_needs_what_the_library_needs() -> None:
    names = [re.match(r"[\w-]+", line)[0] for line in requirements()]
    assert {"functions-framework", "google-cloud-aiplatform", "scikit-learn", "fairlearn"} <= set(names)
    assert not {"duckdb", "bqemulator", "uvloop"} & set(names)
