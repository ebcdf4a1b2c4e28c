from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import SystemClock, TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.training_spec import State
from gcpmlops.emulator.services.jobs.rows import JobRows
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

PARENT = "projects/p/locations/us-central1"


@pytest.fixture
def context(tmp_path: Path) -> Iterator[Context]:
    clock = SystemClock()
    store = Store(tmp_path / "state.db", now=clock.now)
    with ThreadPoolExecutor(1) as pool:
        operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
        yield Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path), Agenda(TravelClock(), pool))
    store.close()


KINDS = [
    (types.CustomJob, "customJobs", types.JobState),
    (types.TrainingPipeline, "trainingPipelines", types.PipelineState),
]


@pytest.mark.parametrize(("message", "collection", "states"), KINDS)
def test_states_only_go_forward(context: Context, message: Any, collection: str, states: Any) -> None:
    rows: Any = JobRows(context, message, collection, states)
    job = rows.insert(PARENT, message(display_name="j"))
    assert job.name.startswith(f"{PARENT}/{collection}/")
    assert rows.state(rows.update(job.name, State.RUNNING)) is State.RUNNING
    assert rows.state(rows.update(job.name, State.CANCELLING)) is State.CANCELLING
    assert rows.state(rows.update(job.name, State.RUNNING, start_time=context.clock.now())) is State.CANCELLING
    assert rows.get(job.name).start_time is not None
    with pytest.raises(exceptions.FailedPrecondition, match="cancel it first"):
        rows.delete_ended(job.name)
    ended = rows.finish(job.name, State.CANCELLED)
    assert (rows.state(ended), ended.error.code) == (State.CANCELLED, 1)
    assert rows.finish(job.name, State.FAILED, exceptions.Aborted("late")) == ended
    assert rows.delete_ended(job.name).done
    with pytest.raises(exceptions.NotFound):
        rows.get(job.name)


def test_what_a_restart_finds(context: Context) -> None:
    rows = JobRows(context, types.CustomJob, "customJobs")
    names = [rows.insert(PARENT, types.CustomJob(display_name=str(number))).name for number in range(3)]
    rows.update(names[1], State.RUNNING)
    rows.finish(names[2], State.SUCCEEDED)
    failed = rows.fail_unfinished()
    assert [(job.name, job.error.message) for job in failed] == [
        (names[0], "The emulator was restarted before the job's turn came."),
        (names[1], "The emulator was restarted while the job ran."),
    ]
    assert rows.state(rows.get(names[2])) is State.SUCCEEDED
    assert rows.unfinished() == []


def test_names_of_another_form(context: Context) -> None:
    rows = JobRows(context, types.CustomJob, "customJobs")
    for call in (rows.get, rows.delete_ended):
        with pytest.raises(exceptions.InvalidArgument, match=r"expected projects/\{project\}/locations/\{location\}"):
            call("customJobs/1")


def test_a_moved_clock_waits_for_what_has_not_ended(context: Context) -> None:
    rows = JobRows(context, types.CustomJob, "customJobs")
    first, second = (rows.insert(PARENT, types.CustomJob(display_name=name)).name for name in "ab")
    assert context.agenda.in_flight() == sorted([first, second])
    rows.finish(first, State.SUCCEEDED)
    rows.finish(first, State.FAILED)  # told twice
    rows.update(second, State.CANCELLING)
    assert context.agenda.in_flight() == [second]
    rows.finish(second, State.CANCELLED)
    assert context.agenda.in_flight() == []
