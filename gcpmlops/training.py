"""Custom training jobs of Vertex AI: `submit` returns at once, `run` waits and shows the logs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html, _job_spec, _packaging, _staging
from gcpmlops._handle import Named
from gcpmlops._job_logs import JobLogs, LogLine
from gcpmlops._waiting import failure, job_states
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, NotFound, translated
from gcpmlops.types import GsUri, Labels, Path_

if TYPE_CHECKING:
    from gcpmlops.storage import Storage

__all__ = ["Job", "LogLine", "Training"]

TRAINING_IMAGE = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
_log = logging.getLogger("gcpmlops.training")


@dataclass(frozen=True)
class Job(Named):
    """A custom job as it was when asked for; `proto` is Google's CustomJob, `state` its JobState."""

    proto: _google.custom_job.CustomJob
    _training: Training = field(repr=False, compare=False)

    @property
    def state(self) -> _google.job_state.JobState:
        """JOB_STATE_PENDING, JOB_STATE_RUNNING, JOB_STATE_SUCCEEDED, ..."""
        return self.proto.state

    @property
    def created(self) -> datetime | None:
        """When it was submitted."""
        created: datetime | None = self.proto.create_time
        return created

    @property
    def output_dir(self) -> str:
        """The gs:// folder of its output."""
        return str(self.proto.job_spec.base_output_directory.output_uri_prefix)

    @property
    def model_dir(self) -> str:
        """What the job sees as AIP_MODEL_DIR."""
        return f"{self.output_dir.rstrip('/')}/model/"

    def refresh(self) -> Job:
        """The job as it is now."""
        return self._training.get(self.name)

    def wait(self, *, timeout: float | None = None, on_log: Callable[[LogLine], None] | None = None) -> Job:
        """The job when it has ended. Raises JobFailed, JobCancelled, DeadlineExceeded after `timeout` seconds."""
        return self._training.wait(self.name, timeout=timeout, on_log=on_log)

    def logs(self) -> list[LogLine]:
        """Its log lines so far."""
        return list(self._training.logs(self.name))

    def cancel(self) -> None:
        """Ask it to stop."""
        self._training.cancel(self.name)

    def delete(self) -> None:
        """Delete it; it must have ended."""
        self._training.delete(self.name)

    def _repr_html_(self) -> str:
        error = self.proto.error.message
        return _html.card(
            self.display_name, {"name": self.name, "state": self.state.name, "output": self.output_dir, "error": error}
        )


class Training:
    """`client.training`. API: Vertex AI v1 JobService, and Cloud Logging for the logs."""

    def __init__(self, clients: Clients, storage: Storage) -> None:
        self._clients = clients
        self._storage = storage

    def submit(
        self,
        source: Path_ | None = None,
        *,
        display_name: str | None = None,
        image: str | None = None,
        module: str | None = None,
        command: Sequence[str] = (),
        args: Mapping[str, Any] | Sequence[Any] | None = None,
        requirements: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        machine_type: str = "n1-standard-4",
        accelerator_type: str | None = None,
        accelerator_count: int = 0,
        replica_count: int = 1,
        labels: Labels | None = None,
        service_account: str | None = None,
        staging_bucket: str | None = None,
        base_output_dir: str | None = None,
        timeout: float | None = None,
        restart_on_failure: bool = False,
        dry_run: bool = False,
    ) -> Job:
        """Start a training job and return at once (CreateCustomJob).

        `source` is a script, a folder or a project: packed, put into the staging bucket and installed with
        `requirements` in `image` (default: Google's scikit-learn image); `module` says what to run where several could
        be meant. Without a source `image` runs with `command` and `args`. `args` as a dict become --key=value.
        `image` may be a prebuilt image's short name, such as sklearn-cpu.1-6. `timeout` is in seconds. With `dry_run`
        nothing is uploaded or started: the job returned has the exact request
        in `.proto`.
        Raises InvalidArgument, NotFound, PermissionDenied.
        """
        if source is None and image is None:
            raise InvalidArgument("nothing to run", field="source", allowed="a script or folder, or image=")
        image = _job_spec.full_image(image) if image else image
        name = display_name or (Path(source).resolve().stem if source is not None else _image_name(image or ""))
        staging = self._staging_folder(name, staging_bucket, dry_run=dry_run)
        program = self._program(
            source,
            image,
            module,
            command,
            _job_spec.arguments(args),
            requirements,
            env or {},
            staging,
            upload=not dry_run,
        )
        job = _job_spec.custom_job(
            name,
            program,
            _job_spec.Hardware(machine_type, accelerator_type, accelerator_count, replica_count),
            labels=labels,
            service_account=service_account or self._clients.config.service_account,
            base_output_dir=str(GsUri.parse(base_output_dir, field="base_output_dir"))
            if base_output_dir
            else str(staging),
            timeout=timeout,
            restart_on_failure=restart_on_failure,
        )
        if dry_run:
            return Job(job, self)
        return Job(self._create(job), self)

    def run(
        self,
        source: Path_ | None = None,
        *,
        on_log: Callable[[LogLine], None] | None = None,
        wait_timeout: float | None = None,
        **settings: Any,
    ) -> Job:
        """`submit` (same arguments), then wait for its end.

        Each log line goes to `on_log` as it comes; without one, to the logger gcpmlops.training.
        Raises JobFailed with the last log lines, JobCancelled, DeadlineExceeded.
        """
        job = self.submit(source, **settings)
        return job if settings.get("dry_run") else job.wait(timeout=wait_timeout, on_log=on_log or _to_logger)

    def get(self, name: str) -> Job:
        """The job, by full name or id (GetCustomJob). Raises NotFound."""
        with translated(f"custom job {name}", next_step=_LIST_HINT):
            return Job(self._clients.jobs.get_custom_job(name=self._full(name), **self._clients.idempotent), self)

    def wait(self, name: str, *, timeout: float | None = None, on_log: Callable[[LogLine], None] | None = None) -> Job:
        """The job when it has ended (polls from 0.1 s up to 5 s). Raises JobFailed, JobCancelled, DeadlineExceeded."""
        logs = JobLogs(self._clients, self._full(name))
        for job in job_states(lambda: self.get(name), timeout=timeout):  # noqa: B007 - the last one is the result
            logs.forward(on_log)
        # once more: what it wrote between the last look and its end
        logs.forward(on_log)
        error = failure(job.proto, logs)
        if error is not None:
            raise error
        return job

    def logs(self, name: str, *, follow: bool = False) -> Iterator[LogLine]:
        """The job's log lines, oldest first (ListLogEntries); with `follow` until it ends. Raises NotFound."""
        job = self.get(name)
        logs = JobLogs(self._clients, job.name)
        if follow:
            for _ in job_states(lambda: self.get(name), timeout=None):
                yield from logs.new_lines()
        yield from logs.new_lines()

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

    def _full(self, name: str) -> str:
        if name.startswith("projects/"):
            return name
        if not name or "/" in name:
            raise InvalidArgument(
                f"{name!r} is not a job", field="name", value=name, allowed="an id or the full resource name"
            )
        return f"{self._clients.parent}/customJobs/{name}"

    def _staging_folder(self, name: str, bucket: str | None, *, dry_run: bool) -> GsUri:
        """A dry run makes no bucket, and names the one that would be made."""
        if dry_run and not (bucket or self._clients.config.staging_bucket):
            bucket = _staging.default_bucket(self._clients)
        return _staging.folder(self._clients, self._storage, "training", name, bucket=bucket)

    def _program(
        self,
        source: Path_ | None,
        image: str | None,
        module: str | None,
        command: Sequence[str],
        args: Sequence[str],
        requirements: Sequence[str],
        env: Mapping[str, str],
        staging: GsUri,
        *,
        upload: bool,
    ) -> _job_spec.Program:
        if source is None:
            if requirements or module:
                raise InvalidArgument("an image brings its own code", field="source", allowed="a script or folder")
            return _job_spec.Program(image or "", command=command, args=args, env=env)
        package = _packaging.build(Path(source), module=module, requirements=requirements)
        uri = str(staging / package.filename)
        if upload:
            self._upload(package, uri)
        return _job_spec.Program(image or TRAINING_IMAGE, [uri], package.module, args=args, env=env)

    def _upload(self, package: _packaging.SourcePackage, uri: str) -> None:
        try:
            self._storage.upload(package.content, destination=uri, content_type="application/gzip")
        except NotFound as exc:
            bucket = GsUri.parse(uri).bucket
            hint = f"Make it with `gcpmlops storage create-bucket {bucket}`."
            raise NotFound(
                f"staging bucket gs://{bucket} does not exist", resource=f"gs://{bucket}", next_step=hint
            ) from exc


_LIST_HINT = "See the jobs with `gcpmlops training list`."


def _to_logger(line: LogLine) -> None:
    _log.info("%s", line.text)


def _image_name(image: str) -> str:
    return image.rpartition("/")[2].partition(":")[0] or "job"
