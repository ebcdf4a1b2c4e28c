"""When which job runs: one execution of a job at a time, with its retries, each at its time of the clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from google.api_core import exceptions
from google.cloud.scheduler_v1 import types
from google.rpc import status_pb2

from gcpmlops.emulator.kernel.agenda import Appointment
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.scheduler import retries, schedules
from gcpmlops.emulator.services.scheduler.checks import ENABLED
from gcpmlops.emulator.services.scheduler.log import ExecutionLog
from gcpmlops.emulator.services.scheduler.targets import OK, Outcome, Targets


@dataclass
class Execution:
    """One run of a job, with the attempts that it takes.

    Attributes:
        scheduled: its time by the schedule.
        due: when the attempt to come is due: `scheduled`, or later.
        attempts: how many there were.
        first: when the first one began.
        is_forced: it has no part in the schedule.
    """

    scheduled: datetime
    due: datetime
    attempts: int = 0
    first: datetime | None = None
    is_forced: bool = False


@dataclass
class _Plan:
    """What is to happen to a job next."""

    execution: Execution | None = None
    appointment: Appointment | None = None
    is_running: bool = False  # an attempt is on its way: its end makes the next appointment


class Timetable:
    """The agenda's appointments for every job that is enabled.

    A job's `schedule_time` is stored as the time of the attempt to come until that has ended: one that the emulator
    missed while it was down, or was killed in, is made up for at the next start, once.
    """

    def __init__(self, context: Context, targets: Targets, log: ExecutionLog) -> None:
        self._agenda = context.agenda
        self._clock = context.clock
        self._rows: Any = context.store.collection(types.Job)
        self._targets = targets
        self._log = log
        self._lock = threading.Lock()
        self._plans: dict[str, _Plan] = {}
        context.agenda.on_back.append(self._rewind)

    def resume(self) -> None:
        """At the emulator's start."""
        for job in self._rows.list():
            self.keep(job)

    def keep(self, job: types.Job) -> None:
        """Follows a job as it is stored now: a new one, or one that was changed, paused or resumed."""
        with self._lock:
            plan = self._plans.setdefault(job.name, _Plan())
            if not plan.is_running:
                self._appoint(plan, job)

    def drop(self, name: str) -> None:
        """A job is gone."""
        with self._lock:
            plan = self._plans.pop(name, None)
            if plan is not None and plan.appointment is not None:
                plan.appointment.cancel()

    def force(self, name: str) -> None:
        """Runs a job now, whatever its schedule and state, and whether it runs already or not."""
        now = self._clock.now()
        self._force_at(name, Execution(now, now, is_forced=True))

    def _force_at(self, name: str, execution: Execution) -> None:
        def run() -> None:
            self._attempt(name, execution)
            if execution.due > self._clock.now():
                self._force_at(name, execution)

        self._agenda.at(execution.due, run, name=name)

    def _appoint(self, plan: _Plan, job: types.Job) -> None:
        """The lock is held."""
        if plan.appointment is not None:
            plan.appointment.cancel()
            plan.appointment = None
        if job.state != ENABLED:
            plan.execution = None
            return
        due = job.schedule_time
        if plan.execution is None or plan.execution.due != due:
            plan.execution = Execution(due, due)
        plan.appointment = self._agenda.at(due, lambda: self._fall_due(job.name, plan), name=job.name)

    def _fall_due(self, name: str, plan: _Plan) -> None:
        with self._lock:
            execution = plan.execution
            if self._plans.get(name) is not plan or plan.is_running or execution is None:
                return
            plan.is_running, plan.appointment = True, None
        job = None
        try:
            job = self._attempt(name, execution)
        finally:  # where the store failed, nothing is appointed: the next start makes up for it
            with self._lock:
                plan.is_running = False
                if job is not None and self._plans.get(name) is plan:
                    self._appoint(plan, self._rows.find(name) or job)

    def _attempt(self, name: str, execution: Execution) -> types.Job | None:
        """One attempt; the job as it is stored afterwards, None where it is gone."""
        job: types.Job | None = self._rows.find(name)
        if job is None or (job.state != ENABLED and not execution.is_forced):
            return job
        began = self._clock.now()
        execution.first = execution.first or began
        execution.attempts += 1
        self._log.started(job, execution.scheduled)
        outcome = self._targets.attempt(job, execution.scheduled)
        self._log.finished(job, outcome)
        try:
            job = self._rows.update(name, lambda row: self._note(row, execution, outcome, began))
        except exceptions.NotFound:  # deleted meanwhile
            return None
        return job

    def _note(self, row: types.Job, execution: Execution, outcome: Outcome, began: datetime) -> None:
        """What came of an attempt, and when the next one is due."""
        row.last_attempt_time = began
        row.status = status_pb2.Status(code=outcome.code, message="" if outcome.code == OK else outcome.debug)
        now = self._clock.now()
        again = None if outcome.code == OK else self._retry(row, execution, now)
        if execution.is_forced:
            execution.due = again or now
        elif row.schedule_time == execution.due:  # else somebody has set another time meanwhile
            execution.due = row.schedule_time = again or _following(row, execution.scheduled, now)
            if again is None:
                execution.scheduled, execution.attempts, execution.first = execution.due, 0, None

    def _retry(self, row: types.Job, execution: Execution, now: datetime) -> datetime | None:
        """Until the next time of the schedule at most."""
        begun = execution.first or now
        again = retries.next_attempt(row.retry_config, execution.attempts, begun=begun, now=now)
        if again is None or execution.is_forced:
            return again
        return again if again < schedules.parse(row.schedule, row.time_zone).next(execution.scheduled) else None

    def _rewind(self) -> None:
        """The clock was set back: runs that are far ahead now come when their schedules say."""
        now = self._clock.now()
        for job in self._rows.list():
            if job.state == ENABLED:
                self.keep(self._rows.update(job.name, partial(reschedule, after=now)))


def reschedule(job: types.Job, *, after: datetime) -> None:
    """Makes a job due at the first time of its schedule after ``after``."""
    job.schedule_time = schedules.parse(job.schedule, job.time_zone).next(after)


def _following(job: types.Job, scheduled: datetime, now: datetime) -> datetime:
    """The next time by the schedule; of those that have passed meanwhile, one, which is then late."""
    schedule = schedules.parse(job.schedule, job.time_zone)
    following = schedule.next(scheduled)
    if following > now or schedule.next(following) > now:
        return following
    return schedule.next(now)
