"""The trials of tuning jobs: stored one by one, so that a measurement doesn't write all of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.hypertune import Report
from gcpmlops.emulator.runtimes.search.search import Goal
from gcpmlops.emulator.services.vizier import measurements

State: Any = types.Trial.State
ENDED = frozenset({State.SUCCEEDED, State.INFEASIBLE})


class TrialRows:
    """Stored trials, `JOB/trials/ID`."""

    def __init__(self, context: Context) -> None:
        self._clock = context.clock
        self._rows: Any = context.store.collection(types.Trial)

    def of(self, job: str) -> list[types.Trial]:
        """In the order of their ids."""
        found: list[types.Trial] = self._rows.list(job)
        return found

    def put(self, job: str, trial: types.Trial) -> None:
        """Stores a trial as it is now."""
        self._rows.put(trial.name, trial, parent=job)

    def end_all(self, job: str, reason: str) -> None:
        """What has not ended is infeasible."""
        for trial in self.of(job):
            if trial.state not in ENDED:
                trial.state, trial.infeasible_reason = State.INFEASIBLE, reason
                trial.end_time = self._clock.now()
                self.put(job, trial)

    def delete_all(self, job: str) -> None:
        """With the job that they belong to."""
        for trial in self.of(job):
            self._rows.delete(trial.name)


def add(trial: types.Trial, reports: Sequence[Report], goals: Sequence[Goal], now: datetime) -> None:
    """Turns reports into measurements; reports of several metrics at the same step become one.

    Metrics that the study doesn't know are kept behind those that it knows.
    """
    found = list(trial.measurements)
    for report in reports:
        last = found[-1] if found else None
        if last is None or last.step_count != report.step or _names(last) & report.metrics.keys():
            last = types.Measurement(step_count=report.step, elapsed_duration=_elapsed(trial, report, now))
            found.append(last)
        for name, value in report.metrics.items():
            last.metrics.append(types.Measurement.Metric(metric_id=name, value=value))
        rank = [goal.metric_id for goal in goals]
        last.metrics = sorted(last.metrics, key=lambda m: rank.index(m.metric_id) if m.metric_id in rank else len(rank))
    trial.measurements = measurements.place(found)


def final(trial: types.Trial, goals: Sequence[Goal], selection: Any) -> tuple[types.Measurement | None, str]:
    """The final measurement of the study's metrics, or None and why there is none."""
    chosen = measurements.select(trial.measurements, goals, selection)
    if chosen is None:
        return None, _unreported(trial, goals)
    values = {goal.metric_id: measurements.value(chosen, goal.metric_id) for goal in goals}
    for name, value in values.items():
        if not math.isfinite(value):
            return None, f"The trial reported {value} for metric {name!r}."
    whole = types.Measurement(step_count=chosen.step_count, elapsed_duration=chosen.elapsed_duration)
    whole.metrics = [types.Measurement.Metric(metric_id=name, value=value) for name, value in values.items()]
    return whole, ""


def reported(trials: Sequence[types.Trial]) -> str:
    """The names of all metrics that were reported, for people."""
    found = sorted(set().union(*(_names(each) for trial in trials for each in trial.measurements)))
    return ", ".join(map(repr, found)) or "none"


def _unreported(trial: types.Trial, goals: Sequence[Goal]) -> str:
    known = set().union(*(_names(each) for each in trial.measurements))
    missing = [goal.metric_id for goal in goals if goal.metric_id not in known]
    names = ", ".join(map(repr, missing or [goal.metric_id for goal in goals]))
    together = "" if missing else " at one step"
    return f"The trial ended without reporting metric {names}{together} (reported: {reported([trial])})."


def _names(measurement: types.Measurement) -> set[str]:
    return {metric.metric_id for metric in measurement.metrics}


def _elapsed(trial: types.Trial, report: Report, now: datetime) -> timedelta:
    start = trial.start_time or now
    at = report.timestamp or now.timestamp()
    return timedelta(seconds=max(0.0, at - start.timestamp()))
