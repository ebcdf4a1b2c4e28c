"""The queue of process slots, over jobs whose phases the test decides."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from gcpmlops.emulator.runtimes.training_spec import State, TrainingSpec
from gcpmlops.emulator.services.jobs.runs import Runs

SPEC = TrainingSpec("1", "2", "l", [])


class Phases:
    """A job that does nothing by itself."""

    def __init__(self, told: Callable[[State, Exception | None], None]) -> None:
        self.told = told
        self.begun = False
        self.cancelled = False

    def begin(self) -> None:
        self.begun = True

    def cancel(self) -> None:
        self.cancelled = True

    def join(self) -> None:
        self.told(State.CANCELLED, None)


class Stage:
    """A training runtime of such jobs."""

    def __init__(self) -> None:
        self.jobs: list[Phases] = []

    def job(self, spec: TrainingSpec, on_state: Any, on_line: Any) -> Phases:
        self.jobs.append(Phases(on_state))
        return self.jobs[-1]


@pytest.fixture
def stage() -> Stage:
    return Stage()


def submit(runs: Runs, key: str, states: list[tuple[str, State]], **more: Any) -> None:
    runs.submit(key, SPEC, lambda state, error: states.append((key, state)), lambda *_: None, **more)


def test_the_next_begins_once_the_one_before_runs(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcpmlops.emulator.services.jobs.runs._HEAD_START_S", 60)
    runs, states = Runs(stage, 2), []  # type: ignore[arg-type, var-annotated]
    for key in "abc":
        submit(runs, key, states)
    assert [job.begun for job in stage.jobs] == [True, False, False]
    stage.jobs[0].told(State.PENDING, None)
    assert [job.begun for job in stage.jobs] == [True, False, False]
    stage.jobs[0].told(State.RUNNING, None)
    assert [job.begun for job in stage.jobs] == [True, True, False]
    stage.jobs[1].told(State.FAILED, ValueError())
    assert [job.begun for job in stage.jobs] == [True, True, True]
    assert [state for key, state in states if key == "b"] == [State.QUEUED, State.FAILED]


def test_one_that_takes_its_time_does_not_hold_up_the_next(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcpmlops.emulator.services.jobs.runs._HEAD_START_S", 0.01)
    runs, begun = Runs(stage, 2), threading.Event()  # type: ignore[arg-type]
    submit(runs, "a", [])
    monkeypatch.setattr(Phases, "begin", lambda self: begun.set())
    submit(runs, "b", [])
    assert begun.wait(10)


def test_what_waits_is_cancelled_at_once(stage: Stage) -> None:
    runs, states = Runs(stage, 1), []  # type: ignore[arg-type, var-annotated]
    for key in "ab":
        submit(runs, key, states)
    for _ in range(2):
        runs.cancel("b")
    assert states[-1] == ("b", State.CANCELLED)
    assert states.count(states[-1]) == 1
    runs.cancel("a")
    assert (stage.jobs[0].cancelled, stage.jobs[1].begun) == (True, False)
    runs.cancel("unknown")


def test_closing_fails_what_runs_and_starts_nothing_more(stage: Stage) -> None:
    runs, states = Runs(stage, 1), []  # type: ignore[arg-type, var-annotated]
    for key in "ab":
        submit(runs, key, states)
    runs.close()
    submit(runs, "c", states)
    assert states == [("a", State.QUEUED), ("b", State.QUEUED), ("a", State.FAILED), ("c", State.QUEUED)]
    assert [job.begun for job in stage.jobs] == [True, False, False]
