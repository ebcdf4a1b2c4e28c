"""One tuning job at work: suggests points, runs trials, follows their metrics, stops what promises nothing."""

from __future__ import annotations

import logging
import queue
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.runtimes.hypertune import MetricFile
from gcpmlops.emulator.runtimes.search.space import Point
from gcpmlops.emulator.runtimes.training_spec import State
from gcpmlops.emulator.services.jobs import running, trials, tuning_specs
from gcpmlops.emulator.services.jobs.custom_jobs import TensorboardLogs
from gcpmlops.emulator.services.jobs.log import JobLog
from gcpmlops.emulator.services.jobs.rows import FINAL, JobRows
from gcpmlops.emulator.services.jobs.runs import Runs
from gcpmlops.emulator.services.jobs.trials import TrialRows
from gcpmlops.emulator.services.vizier import conversion, early_stopping, measurements, study_ends
from gcpmlops.emulator.services.vizier.study_rows import seed_of

log = logging.getLogger(__name__)

STOPPED = "The emulator was stopped while the job ran."
_CANCELLED = "The hyperparameter tuning job was cancelled."
_TRIAL_LABEL = "ml.googleapis.com/trial_id"
_LOOK_S = 0.1  # between two looks at the metric files
_FAILURES_WITHOUT_SUCCESS = 10  # what "the service decides" means for max_failed_trial_count 0


@dataclass(frozen=True)
class Means:
    """What all tuning jobs share."""

    rows: JobRows[types.HyperparameterTuningJob]
    trials: TrialRows
    runs: Runs
    log: JobLog
    clock: Clock
    project_number: int
    directory: Path
    tensorboards: TensorboardLogs | None


@dataclass(frozen=True)
class _Told:
    """A trial's run has entered a state; without a trial: somebody wants the whole job to end."""

    trial_id: str = ""
    state: State = State.CANCELLED
    error: Exception | None = None


@dataclass
class _Running:
    trial: types.Trial
    file: MetricFile
    stopping: bool = False

    @property
    def key(self) -> str:
        return self.trial.name


class TuningRun:
    """The search of one job, on a thread of its own; everything that happens reaches it through one queue."""

    def __init__(self, job: types.HyperparameterTuningJob, means: Means, on_end: Callable[[TuningRun], None]) -> None:
        self.name = job.name
        self._job = job
        self._means = means
        self._on_end = on_end
        self._spec = job.study_spec
        self._search = conversion.search(job.study_spec, seed_of(job.name))
        self._told: queue.SimpleQueue[_Told] = queue.SimpleQueue()
        self._trials: list[types.Trial] = []
        self._active: dict[str, _Running] = {}
        self._outcome: tuple[State, Exception | None] | None = None
        self._exhausted = False
        self._folder = means.directory / job.name.rpartition("/")[2]
        self._thread = threading.Thread(target=self._run, name=f"tuning-{self._folder.name}", daemon=True)

    def begin(self) -> None:
        """Starts the search."""
        self._thread.start()

    def cancel(self) -> None:
        """Asks it to end; returns at once."""
        self._told.put(_Told(state=State.CANCELLED))

    def close(self) -> None:
        """The emulator stops: ends what runs, and the job FAILED with that reason."""
        self._told.put(_Told(state=State.FAILED, error=exceptions.Aborted(STOPPED)))

    def join(self) -> None:
        """Waits until the job has ended."""
        self._thread.join()

    def _run(self) -> None:
        try:
            state, error = self._until_done()
        except Exception as failure:
            log.exception("tuning job %s", self.name)
            for each in self._active.values():
                self._means.runs.cancel(each.key)
            self._means.trials.end_all(self.name, "The search failed.")
            state, error = State.FAILED, exceptions.InternalServerError(f"The search failed: {failure}")
        shutil.rmtree(self._folder, ignore_errors=True)
        self._means.log.state(self.name, state, error)
        self._means.rows.finish(self.name, state, error)
        self._on_end(self)

    def _until_done(self) -> tuple[State, Exception | None]:
        self._fill()
        self._search.warm()  # while the first trials run
        while True:
            self._fill()
            if not self._active:
                return self._outcome or self._result()
            self._take_next()
            self._follow()

    def _result(self) -> tuple[State, Exception | None]:
        """How a search ends that ran to its end."""
        if any(trial.state == trials.State.SUCCEEDED for trial in self._trials):
            return State.SUCCEEDED, None
        return State.FAILED, self._failure("All trials failed")

    def _fill(self) -> None:
        """Starts trials until as many run as may."""
        while len(self._active) < self._job.parallel_trial_count and self._goes_on():
            points = self._search.suggest(1, [conversion.observation(trial) for trial in self._trials])
            if not points:
                self._exhausted = True
                self._means.log.service(self.name, "The search space is exhausted.")
                return
            self._start(points[0])

    def _goes_on(self) -> bool:
        if self._outcome or self._exhausted or len(self._trials) >= self._job.max_trial_count:
            return False
        return not study_ends.over(self._study(), self._trials, self._means.clock.now())

    def _study(self) -> types.Study:
        """What the study's own stopping conditions look at."""
        return types.Study(study_spec=self._spec, create_time=self._job.create_time)

    def _start(self, point: Point) -> None:
        number = str(len(self._trials) + 1)
        trial = types.Trial(
            name=f"{self.name}/trials/{number}",
            id=number,
            state=trials.State.REQUESTED,
            parameters=conversion.parameters(point),
        )
        folder = self._folder / number
        folder.mkdir(parents=True)
        given = tuning_specs.arguments(self._search.space, point)
        file = folder / "output.metrics"
        spec = tuning_specs.training_spec(self._job, self._means.project_number, number, given, file)
        self._trials.append(trial)
        self._active[number] = _Running(trial, MetricFile(file))
        self._store(trial)
        self._means.runs.submit(
            trial.name,
            spec,
            lambda state, error: self._told.put(_Told(number, state, error)),
            lambda task, stream, text: self._means.log.line(self.name, task, stream, text, {_TRIAL_LABEL: number}),
            max_wait_s=running.max_wait_s(self._job.trial_job_spec),
        )

    def _take_next(self) -> None:
        """The next thing that happens, or nothing for a moment."""
        measuring = any(each.trial.start_time for each in self._active.values())
        try:
            told = self._told.get(timeout=_LOOK_S if measuring else None)
        except queue.Empty:
            return
        if not told.trial_id:
            self._end_early(told.state, told.error)
        elif told.state in FINAL:
            self._ended(self._active.pop(told.trial_id), told)
        elif told.state is State.RUNNING:
            self._runs(self._active[told.trial_id].trial)
        elif told.state is State.PENDING:
            self._means.rows.change(self.name, self._prepares)

    def _prepares(self, job: Any) -> None:
        if self._means.rows.state(job) is State.QUEUED:
            job.state = self._means.rows.enum(State.PENDING)

    def _runs(self, trial: types.Trial) -> None:
        now = self._means.clock.now()
        if trial.start_time is None:  # it may restart
            trial.start_time = now
            self._begin_logs(trial)
        if trial.state == trials.State.REQUESTED:
            trial.state = trials.State.ACTIVE
        self._store(trial)
        self._means.rows.change(self.name, lambda job: self._runs_now(job, now))

    def _runs_now(self, job: Any, now: Any) -> None:
        if job.start_time is None:
            job.start_time = now
        if self._means.rows.state(job) is not State.CANCELLING:
            job.state = self._means.rows.enum(State.RUNNING)

    def _follow(self) -> None:
        """Takes in what running trials have reported, and stops those that the study's rule gives up."""
        if study_ends.interrupts(self._study(), self._trials, self._means.clock.now()):
            for each in self._active.values():
                if not each.stopping:
                    self._stop(each)
        for each in self._active.values():
            if self._measure(each) and not each.stopping and self._outcome is None:
                self._judge(each)

    def _measure(self, each: _Running) -> bool:
        reports = each.file.new()
        if reports:
            trials.add(each.trial, reports, self._search.goals, self._means.clock.now())
            self._store(each.trial)
        return bool(reports)

    def _judge(self, each: _Running) -> None:
        verdict = early_stopping.judge(self._spec, each.trial, self._trials)
        if verdict.stop:
            self._stop(each, verdict.predicted)

    def _stop(self, each: _Running, predicted: types.Measurement | None = None) -> None:
        """Early: the trial is a success with what it has measured."""
        each.stopping = True
        each.trial.state = trials.State.STOPPING
        if predicted is not None:
            each.trial.measurements = measurements.place([*each.trial.measurements, predicted])
        self._store(each.trial)
        self._say(each.trial, "is stopped early.")
        self._means.runs.cancel(each.key)

    def _ended(self, each: _Running, told: _Told) -> None:
        if not each.stopping:
            self._measure(each)
        trial = each.trial
        self._end_logs(trial)
        reason = self._reason(each, told)
        if not reason:
            measurement, reason = trials.final(trial, self._search.goals, self._spec.measurement_selection_type)
            if measurement is not None:
                trial.final_measurement = measurement
        trial.state = trials.State.INFEASIBLE if reason else trials.State.SUCCEEDED
        trial.infeasible_reason = reason
        trial.end_time = self._means.clock.now()
        self._store(trial)
        if reason:
            self._say(trial, f"failed: {reason.partition(chr(10))[0]}", "ERROR")
            self._check_failures()
        else:
            self._say(trial, "completed successfully.")

    def _reason(self, each: _Running, told: _Told) -> str:
        """Why the run of a trial is no success, or nothing."""
        if told.state is State.SUCCEEDED or (told.state is State.CANCELLED and each.stopping):
            return ""
        if told.state is State.CANCELLED:
            return str(getattr(self._outcome and self._outcome[1], "message", _CANCELLED))
        return str(getattr(told.error, "message", told.error))

    def _check_failures(self) -> None:
        limit = self._job.max_failed_trial_count
        failed = sum(trial.state == trials.State.INFEASIBLE for trial in self._trials)
        succeeded = any(trial.state == trials.State.SUCCEEDED for trial in self._trials)
        if limit and failed >= limit:
            self._end_early(State.FAILED, self._failure(f"{failed} trials failed, max_failed_trial_count is {limit}"))
        elif not limit and not succeeded and failed >= _FAILURES_WITHOUT_SUCCESS:
            self._end_early(State.FAILED, self._failure(f"The first {failed} trials failed"))

    def _failure(self, what: str) -> Exception:
        """With the last trial's reason, and the names that were reported where one is missing."""
        failed = [trial for trial in self._trials if trial.infeasible_reason]
        last = f" Trial {failed[-1].id}: {failed[-1].infeasible_reason}" if failed else ""
        known = trials.reported(self._trials)
        wanted = [goal.metric_id for goal in self._search.goals if repr(goal.metric_id) not in known.split(", ")]
        names = f" No trial reported {', '.join(map(repr, wanted))}; reported were: {known}." if wanted else ""
        return exceptions.FailedPrecondition(f"{what}.{names}{last}")

    def _end_early(self, state: State, error: Exception | None) -> None:
        """No further trials; those that run are ended. What was decided first holds."""
        if self._outcome is None:
            self._outcome = state, error
            for each in list(self._active.values()):
                self._means.runs.cancel(each.key)

    def _begin_logs(self, trial: types.Trial) -> None:
        """The trial is a run of the tuning job's experiment in the TensorBoard."""
        if self._means.tensorboards is not None and self._job.trial_job_spec.tensorboard:
            job = tuning_specs.custom_job(self._job, trial.id)
            folder = f"{job.job_spec.base_output_directory.output_uri_prefix}/logs/"
            self._means.tensorboards.begin(job, folder, self._job)

    def _end_logs(self, trial: types.Trial) -> None:
        if self._means.tensorboards is None or not self._job.trial_job_spec.tensorboard or trial.start_time is None:
            return
        try:
            self._means.tensorboards.end(tuning_specs.custom_job(self._job, trial.id))
        except Exception as error:
            log.exception("the TensorBoard logs of trial %s of %s", trial.id, self.name)
            self._say(trial, f"has TensorBoard logs that could not be uploaded: {error}", "WARNING")

    def _say(self, trial: types.Trial, text: str, severity: str = "INFO") -> None:
        self._means.log.service(self.name, f"Trial {trial.id} {text}", severity, {_TRIAL_LABEL: trial.id})

    def _store(self, trial: types.Trial) -> None:
        self._means.trials.put(self.name, trial)
