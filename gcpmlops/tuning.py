"""Hyperparameter tuning jobs of Vertex AI: `submit` returns at once, `run` waits and shows the trials."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gcpmlops import _google
from gcpmlops._following import Following
from gcpmlops._jobs.logs import JobLogs, LogLine
from gcpmlops._jobs.spec import arguments
from gcpmlops._tuning import failure, file, space
from gcpmlops._tuning.job import TuningJob
from gcpmlops._tuning.space import Categorical, Discrete, Double, Integer, Space
from gcpmlops._tuning.spec import SEARCH_SETTINGS, Algorithm, EarlyStopping, Goal, Search, Selection, tuning_job
from gcpmlops._tuning.trials import Measurement, Trial, Trials
from gcpmlops._tuning.watch import Watch, progress_line
from gcpmlops._waiting import interruptible, job_states
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, NotFound, translated
from gcpmlops.training import Training
from gcpmlops.types import Path_

if TYPE_CHECKING:
    from gcpmlops.storage import Storage

__all__ = [
    "Categorical", "Discrete", "Double", "Integer", "LogLine", "Measurement", "Trial", "Trials", "Tuning", "TuningJob",
]  # fmt: skip

_log = logging.getLogger("gcpmlops.tuning")
_LIST_HINT = "See the jobs with `gcpmlops tuning list`."


class Tuning:
    """`client.tuning`. API: Vertex AI v1 JobService (HyperparameterTuningJobs), and Cloud Logging for the logs."""

    def __init__(self, clients: Clients, storage: Storage) -> None:
        self._clients = clients
        self._storage = storage

    def submit(
        self,
        source: Path_ | None = None,
        *,
        config: Path_ | None = None,
        space: Space | None = None,
        metrics: Mapping[str, Goal] | None = None,
        max_trials: int | None = None,
        parallel_trials: int | None = None,
        max_failed_trials: int | None = None,
        algorithm: Algorithm | None = None,
        early_stopping: EarlyStopping | None = None,
        early_stopping_by_time: bool | None = None,
        measurement_selection: Selection | None = None,
        display_name: str | None = None,
        dry_run: bool = False,
        **job: Any,
    ) -> TuningJob:
        """Start a search and return at once (CreateHyperparameterTuningJob).

        Each trial runs `source` as `client.training.submit` does, which knows the other arguments in `job` (image,
        requirements, args, env, machine_type, ...), with its parameters as --NAME=VALUE after `args`, and reports the
        `metrics` with cloudml-hypertune. `space` is {"depth": Integer(2, 10), "rate": Double(1e-4, 0.3, scale="log")};
        `metrics` {"auc": "maximize"}, the first one decides which trial is best. `max_trials` (20), `parallel_trials`
        (1) at a time; the search fails after `max_failed_trials` (0: the service decides). `algorithm` is bayesian,
        grid or random; `early_stopping` median or decay_curve, over steps or by time; `measurement_selection` says
        whether a trial counts by its best or its last report. `config` is a YAML file with these arguments as keys;
        those given here win. With `dry_run` nothing is uploaded or started: `.proto` has the exact request.
        Raises InvalidArgument, NotFound, PermissionDenied.
        """
        given = {
            "source": source, "space": space, "metrics": metrics, "max_trials": max_trials,
            "parallel_trials": parallel_trials, "max_failed_trials": max_failed_trials, "algorithm": algorithm,
            "early_stopping": early_stopping, "early_stopping_by_time": early_stopping_by_time,
            "measurement_selection": measurement_selection, "display_name": display_name, **job,
        }  # fmt: skip
        file.check_settings(job)
        settings = file.load(config) if config is not None else {}
        settings |= {key: value for key, value in given.items() if value is not None}
        return self._create(settings, dry_run=dry_run)

    def run(
        self,
        source: Path_ | None = None,
        *,
        on_trial: Callable[[Trial, TuningJob], None] | None = None,
        wait_timeout: float | None = None,
        **settings: Any,
    ) -> TuningJob:
        """`submit` (same arguments), then wait for its end.

        Each trial goes to `on_trial`, with the job, as it ends; without one, a line goes to the logger gcpmlops.tuning.
        Raises JobFailed, JobCancelled, DeadlineExceeded.
        """
        job = self.submit(source, **settings)
        return job if settings.get("dry_run") else job.wait(timeout=wait_timeout, on_trial=on_trial or _to_logger)

    def get(self, name: str) -> TuningJob:
        """The job with its trials, by full name or id (GetHyperparameterTuningJob). Raises NotFound."""
        with translated(f"tuning job {name}", next_step=_LIST_HINT):
            found = self._clients.jobs.get_hyperparameter_tuning_job(name=self._full(name), **self._clients.idempotent)
        return TuningJob(found, self)

    def list(self, *, filter: str | None = None, limit: int | None = None) -> list[TuningJob]:  # noqa: A002 - the API calls it so
        """The location's jobs, newest first (ListHyperparameterTuningJobs); `filter` as in the API."""
        request = _google.job_service.ListHyperparameterTuningJobsRequest(
            parent=self._clients.parent, filter=filter or ""
        )
        jobs: list[TuningJob] = []
        with translated(f"tuning jobs of {self._clients.parent}"):
            for proto in self._clients.jobs.list_hyperparameter_tuning_jobs(
                request=request, **self._clients.idempotent
            ):
                if limit is not None and len(jobs) >= limit:
                    break
                jobs.append(TuningJob(proto, self))
        return jobs

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_trial: Callable[[Trial, TuningJob], None] | None = None,
        on_job: Callable[[TuningJob], None] | None = None,
    ) -> TuningJob:
        """The job when it has ended; Ctrl-C ends the wait, not the job.

        `on_trial` gets each trial that has ended, once, and the job as it was then; `on_job` the job at each look.
        Raises JobFailed, JobCancelled, DeadlineExceeded.
        """
        with interruptible(self._full(name)):
            job = self._ended(name, timeout, Watch(on_trial, on_job))
        error = failure.failure(job, lambda trial: self._tail(job, trial))
        if error is not None:
            raise error
        return job

    def _ended(self, name: str, timeout: float | None, watch: Watch) -> TuningJob:
        """The job at its end. What the service writes into the log wakes whoever watches; others look now and then."""
        if not watch:
            *_, job = job_states(lambda: self.get(name), timeout=timeout)
            return job
        following = Following(self._clients, lambda: self.get(name), timeout=timeout, on_state=watch)
        following.logs.filter += ' AND resource.labels.task_name="service"'
        for _line in following.lines():
            pass
        return following.job

    def trials(self, name: str) -> Trials:
        """The job's trials so far. Raises NotFound."""
        return self.get(name).trials

    def best(self, name: str, *, metric: str | None = None) -> Trial:
        """The job's best trial so far. Raises NotFound, FailedPrecondition where none has the metric."""
        return self.get(name).best(metric)

    def logs(self, name: str, *, trial: str | int | None = None, follow: bool = False) -> Iterator[LogLine]:
        """The log lines of all trials or of one, oldest first; with `follow` until the job ends. Raises NotFound."""
        job = self.get(name)
        if not follow:
            yield from self._logs_of(job, trial).new_lines()
            return
        following = Following(self._clients, lambda: self.get(name))
        following.logs.filter = self._logs_of(job, trial).filter
        with interruptible(job.name):
            yield from following.lines()

    def cancel(self, name: str) -> None:
        """Ask the job and its trials to stop (CancelHyperparameterTuningJob). Raises NotFound."""
        with translated(f"tuning job {name}", next_step=_LIST_HINT):
            self._clients.jobs.cancel_hyperparameter_tuning_job(name=self._full(name), **self._clients.idempotent)

    def delete(self, name: str) -> None:
        """Delete a job that has ended, and wait for it. Raises NotFound, FailedPrecondition."""
        with translated(f"tuning job {name}", next_step=_LIST_HINT):
            operation = self._clients.jobs.delete_hyperparameter_tuning_job(name=self._full(name), **self._clients.once)
        self._clients.finish(operation, timeout=self._clients.config.timeout, resource=f"tuning job {name}")

    def _create(self, settings: dict[str, Any], *, dry_run: bool) -> TuningJob:
        chosen = {key: settings.pop(key) for key in SEARCH_SETTINGS if key in settings}
        search = Search(**{"space": {}, "metrics": {}, **chosen})
        trial = self._trial_job(search, settings, dry_run=dry_run)
        job = tuning_job(trial.display_name, search, trial.job_spec, labels=settings.get("labels"))
        if dry_run:
            return TuningJob(job, self)
        with translated(f"tuning job {trial.display_name}"):
            created = self._clients.jobs.create_hyperparameter_tuning_job(
                parent=self._clients.parent, hyperparameter_tuning_job=job, **self._clients.once
            )
        return TuningJob(created, self)

    def _trial_job(self, search: Search, settings: dict[str, Any], *, dry_run: bool) -> Any:
        """What each trial runs, packed, checked and uploaded as a job; a trial's arguments stand in while it is."""
        args = settings.pop("args", None)
        own = arguments(args)
        tried = arguments(space.samples(search.space))
        for name in search.space:
            if any(each == f"--{name}" or each.startswith(f"--{name}=") for each in own):
                raise InvalidArgument(
                    f"{name} is searched for and given in args", field="args", value=name, allowed="one of the two"
                )
        source = settings.pop("source", None)
        job = self._jobs.submit(source, args=[*own, *tried], dry_run=dry_run, **settings).proto
        for pool in job.job_spec.worker_pool_specs:
            for spec in (pool.python_package_spec, pool.container_spec):
                if list(spec.args)[-len(tried) :] == tried:  # a pool may have arguments of its own
                    spec.args = list(spec.args)[: -len(tried)]
        return job

    @cached_property
    def _jobs(self) -> _TrialJobs:
        return _TrialJobs(self._clients, self._storage)

    def _logs_of(self, job: TuningJob, trial: str | int | None) -> JobLogs:
        """What Vertex AI writes for a trial carries the job's id, and the trial's as a label."""
        logs = JobLogs(self._clients, job.name)
        if trial is not None:
            if str(trial) not in [each.id for each in job.trials]:
                ids = ", ".join(each.id for each in job.trials) or "none yet"
                raise NotFound(f"{job.name} has no trial {trial}", resource=job.name, next_step=f"Its trials: {ids}")
            logs.filter += f' AND labels."ml.googleapis.com/trial_id"="{trial}"'
        return logs

    def _tail(self, job: TuningJob, trial: Trial) -> Sequence[str]:
        return [line.text for line in self._logs_of(job, trial.id).last(failure.TAIL)]

    def _full(self, name: str) -> str:
        if name.startswith("projects/"):
            return name
        if not name or "/" in name:
            raise InvalidArgument(
                f"{name!r} is not a tuning job", field="name", value=name, allowed="an id or the full resource name"
            )
        return f"{self._clients.parent}/hyperparameterTuningJobs/{name}"


class _TrialJobs(Training):
    """Packs, checks and uploads as for a job; the search, not we, starts it."""

    def _create(self, job: _google.custom_job.CustomJob) -> _google.custom_job.CustomJob:
        return job


def _to_logger(trial: Trial, job: TuningJob) -> None:
    _log.info("%s", progress_line(trial, job))
