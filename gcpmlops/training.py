"""Custom training jobs of Vertex AI: `submit` returns at once, `run` waits and shows the logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from gcpmlops import _google
from gcpmlops._jobs import machines as machines
from gcpmlops._jobs.failures import failure
from gcpmlops._jobs.job import Job
from gcpmlops._jobs.logs import JobLogs, LogLine
from gcpmlops._jobs.machines import Machine
from gcpmlops._jobs.settings import TRAINING_IMAGE, JobRequest, JobSettings, WorkerPool
from gcpmlops._preflight import Problem, require
from gcpmlops._waiting import ended, interruptible
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, translated
from gcpmlops.types import Path_

if TYPE_CHECKING:
    from gcpmlops._following import Following
    from gcpmlops._jobs.plan import Plan
    from gcpmlops.storage import Storage

__all__ = ["TRAINING_IMAGE", "Job", "JobSettings", "LogLine", "Machine", "Problem", "Training", "WorkerPool"]

_log = logging.getLogger("gcpmlops.training")
_LIST_HINT = "See the jobs with `gcpmlops training list`."


class Training:
    """`client.training`. API: Vertex AI v1 JobService, and Cloud Logging for the logs."""

    def __init__(self, clients: Clients, storage: Storage) -> None:
        self._clients = clients
        self._storage = storage

    def submit(self, source: Path_ | None = None, **settings: Unpack[JobSettings]) -> Job:
        """Start a training job and return at once (CreateCustomJob).

        Args:
            source: a script, a folder, a project, a source distribution or a wheel, or a package at gs://. It is put
                into the staging bucket and installed in the image. Without one the image runs on its own.
            **settings: any of

                display_name: the source's or image's name otherwise.
                image: URI, or a prebuilt image's short name such as sklearn-cpu.1-6; Google's scikit-learn image
                    where there is a source.
                module: what to run with `python -m`, where several could be meant.
                command: words, for an image without a source.
                args: the program's. A dict becomes --key=value; True is --key; None and False are left out; a list
                    repeats it. A sequence of words stays as it is.
                requirements: of PEP 508, or the path of a requirements.txt; without any, a requirements.txt in or
                    beside the source is taken. () is none.
                env: variables.
                machine_type, accelerator_type, accelerator_count: see `machines`. boot_disk_gb.
                check_machine: False for types that are newer than gcpmlops' table.
                replica_count: several make two worker pools, the first with one replica.
                worker_pools: `WorkerPool`s in place of that, for different images, machines or programs; None is a
                    pool without replicas.
                labels, service_account, network: as in the API.
                staging_bucket: where the code is put. base_output_dir: gs:// folder that AIP_MODEL_DIR,
                    AIP_CHECKPOINT_DIR and AIP_TENSORBOARD_LOG_DIR are in; the staging folder otherwise.
                timeout: seconds after which the service stops the job (a week otherwise).
                restart_on_failure: all workers, when one restarts. disable_retries: no restart after an error of
                    the service's own. strategy: STANDARD, SPOT or FLEX_START. max_wait: seconds that FLEX_START may
                    wait for machines.
                tensorboard, experiment, experiment_run: ids or full names; what the job logs goes there.
                preflight: False to send what `preflight` would find fault with.
                dry_run: nothing is contacted; the job returned has the exact request in `.proto`.

        Raises InvalidArgument (with all that `preflight` found, as PreflightFailed), NotFound, PermissionDenied.
        """
        from gcpmlops._jobs import plan

        request = self._with_defaults(JobRequest.of(source, settings))
        planned = plan.plan(self._clients, request)
        if request.dry_run:
            return Job(planned.job, self)
        if request.preflight:
            require(self._problems(planned))
        plan.upload(self._clients, self._storage, planned)
        return Job(self._create(planned.job), self)

    def run(
        self,
        source: Path_ | None = None,
        *,
        on_log: Callable[[LogLine], None] | None = None,
        on_state: Callable[[Job], None] | None = None,
        wait_timeout: float | None = None,
        **settings: Unpack[JobSettings],
    ) -> Job:
        """`submit` (same arguments), then wait for its end.

        Each log line goes to `on_log` as it comes; without one, to the logger gcpmlops.training. `on_state` gets the
        job at each look. Ctrl-C ends the wait, not the job. Raises JobFailed with the last log lines, JobCancelled,
        DeadlineExceeded.
        """
        job = self.submit(source, **settings)
        if settings.get("dry_run"):
            return job
        return job.wait(timeout=wait_timeout, on_log=on_log or _to_logger, on_state=on_state)

    def preflight(self, source: Path_ | None = None, **settings: Unpack[JobSettings]) -> list[Problem]:
        """What would make the job of `submit` (same arguments) fail, found before it is started; empty is good.

        Imports that image and requirements lack, gs:// inputs that are not there (one list call each), arguments that
        the script's argparse or click refuses. Nothing of the code is executed; what can't be told is not a problem.
        Raises InvalidArgument for what `submit` would refuse anyway.
        """
        from gcpmlops._jobs import plan

        request = self._with_defaults(JobRequest.of(source, settings))
        return list(self._problems(plan.plan(self._clients, request)))

    def machines(self, *, accelerator_type: str | None = None) -> list[Machine]:
        """The machine types that gcpmlops knows Vertex AI training to offer; those that take an accelerator."""
        offer = machines.offer()
        if accelerator_type is None:
            return list(offer.machines.values())
        accelerator = machines.accelerator(accelerator_type)
        return [machine for machine in offer.machines.values() if accelerator.counts_for(machine)]

    def get(self, name: str) -> Job:
        """The job, by full name or id (GetCustomJob). Raises NotFound."""
        with translated(f"custom job {name}", next_step=_LIST_HINT):
            return Job(self._clients.jobs.get_custom_job(name=self._full(name), **self._clients.idempotent), self)

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_log: Callable[[LogLine], None] | None = None,
        on_state: Callable[[Job], None] | None = None,
    ) -> Job:
        """The job when it has ended; Ctrl-C ends the wait, not the job.

        With `on_log` its lines are streamed, and the service's last one wakes this up; else it looks from 0.1 s up to
        5 s apart. Raises JobFailed, JobCancelled, DeadlineExceeded.
        """
        with interruptible(self._full(name)):
            job = ended(self._clients, lambda: self.get(name), timeout=timeout, on_log=on_log, on_state=on_state)
        error = failure(job.proto, JobLogs(self._clients, job.name))
        if error is not None:
            raise error
        return job

    def logs(self, name: str, *, follow: bool = False) -> Iterator[LogLine]:
        """The job's log lines, oldest first (ListLogEntries); with `follow` until it ends (TailLogEntries).

        Raises NotFound.
        """
        if follow:
            with interruptible(self._full(name)):
                yield from self._following(name).lines()
        else:
            yield from JobLogs(self._clients, self.get(name).name).new_lines()

    def cancel(self, name: str) -> None:
        """Ask the job to stop (CancelCustomJob); `wait` to see it stopped. Raises NotFound."""
        with translated(f"custom job {name}", next_step=_LIST_HINT):
            self._clients.jobs.cancel_custom_job(name=self._full(name), **self._clients.idempotent)

    def delete(self, name: str) -> None:
        """Delete a job that has ended, and wait for it (DeleteCustomJob). Raises NotFound, FailedPrecondition."""
        with translated(f"custom job {name}", next_step=_LIST_HINT):
            operation = self._clients.jobs.delete_custom_job(name=self._full(name), **self._clients.once)
        self._clients.finish(operation, timeout=self._clients.config.timeout, resource=f"custom job {name}")

    def list(self, *, filter: str | None = None, limit: int | None = None) -> list[Job]:  # noqa: A002 - the API calls it so
        """The location's jobs, newest first (ListCustomJobs); `filter` as in the API: `state="JOB_STATE_FAILED"`."""
        request = _google.job_service.ListCustomJobsRequest(parent=self._clients.parent, filter=filter or "")
        jobs: list[Job] = []
        with translated(f"custom jobs of {self._clients.parent}"):
            for proto in self._clients.jobs.list_custom_jobs(request=request, **self._clients.idempotent):
                jobs.append(Job(proto, self))
                if limit is not None and len(jobs) >= limit:
                    break
        return jobs

    def _create(self, job: _google.custom_job.CustomJob) -> _google.custom_job.CustomJob:
        """The last step of `submit`; a search takes the request itself, as what each trial runs."""
        with translated(f"custom job {job.display_name}"):
            return self._clients.jobs.create_custom_job(
                parent=self._clients.parent, custom_job=job, **self._clients.once
            )

    def _problems(self, planned: Plan) -> Sequence[Problem]:
        from gcpmlops._preflight import checks

        return checks.problems(planned, self._clients)

    def _following(self, name: str, **settings: Any) -> Following[Job]:
        from gcpmlops._following import Following

        return Following(self._clients, lambda: self.get(name), **settings)

    def _with_defaults(self, request: JobRequest) -> JobRequest:
        return replace(request, service_account=request.service_account or self._clients.config.service_account)

    def _full(self, name: str) -> str:
        if name.startswith("projects/"):
            return name
        if not name or "/" in name:
            raise InvalidArgument(
                f"{name!r} is not a job", field="name", value=name, allowed="an id or the full resource name"
            )
        return f"{self._clients.parent}/customJobs/{name}"


def _to_logger(line: LogLine) -> None:
    _log.info("%s", line.text)
