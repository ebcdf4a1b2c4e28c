"""Builds, whoever starts them: checked and completed, queued, run, cancelled."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.access import ACT_AS
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.build_workspace import sweep
from gcpmlops.emulator.services.cloud_build import checks, sources
from gcpmlops.emulator.services.cloud_build.log import ensure_bucket, in_storage
from gcpmlops.emulator.services.cloud_build.machine import Machine
from gcpmlops.emulator.services.cloud_build.names import operation
from gcpmlops.emulator.services.cloud_build.queue import Turn, Turns
from gcpmlops.emulator.services.cloud_build.rows import BuildRows, Status, new_id
from gcpmlops.emulator.services.cloud_build.running import BuildRun
from gcpmlops.emulator.services.cloud_build.substitutions import Substitutions, check_keys, substitute
from gcpmlops.emulator.settings import project_number

log = logging.getLogger(__name__)

RESTARTED = "The emulator was restarted while the build ran."
STOPPED = "The emulator was stopped while the build ran."
_Approval: Any = types.BuildApproval.State
_AT_ONCE = 10  # builds that run at a time: one may wait for another that it submits
_TIMEOUT = timedelta(minutes=60)
_QUEUE_TTL = timedelta(seconds=3600)
_OUTPUT_ONLY = (
    "name", "project_id", "status", "status_detail", "results", "create_time", "start_time", "finish_time",
    "source_provenance", "build_trigger_id", "log_url", "timing", "approval", "warnings", "failure_info",
)  # fmt: skip


class Builds:
    """Queues builds and runs them.

    Attributes:
        rows: where they are stored.
    """

    def __init__(self, context: Context, machine: Machine) -> None:
        self._context = context
        self._machine = machine
        self.rows = BuildRows(context)
        self._asked: Any = context.store.collection(types.CreateBuildRequest)  # builds as they were asked for
        self._lock = threading.Lock()
        self._runs: dict[str, BuildRun] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._turns = Turns(_AT_ONCE)
        self._closing = False
        sweep(machine.directory)

    def create(
        self,
        parent: str,
        given: types.Build,
        *,
        trigger_id: str = "",
        needs_approval: bool = False,
    ) -> operations_pb2.Operation:
        """Stores and queues a build; its operation.

        Args:
            parent: projects/P/locations/L.
            given: what is asked for.
            trigger_id: of the trigger that starts it; what does not match is let through then.
            needs_approval: whether it waits for somebody.

        Raises: InvalidArgument, MethodNotImplemented, PermissionDenied, NotFound.
        """
        build = self._completed(parent, given, trigger_id)
        if needs_approval:
            build.status = Status.PENDING
            build.approval = types.BuildApproval(
                state=_Approval.PENDING, config=types.ApprovalConfig(approval_required=True)
            )
        name = self.rows.insert(parent, build, on_cancel=self.cancel)
        self._asked.put(name, types.CreateBuildRequest(parent=parent, build=given))
        if not needs_approval:
            self.submit(name)
        return self.operation(name)

    def again(self, name: str) -> operations_pb2.Operation:
        """A new build of what another was made of; its operation."""
        before, asked = self.rows.get(name), types.Build(self._asked.get(name).build)
        resolved = before.source_provenance  # the same generation, the same commit
        if "resolved_storage_source" in resolved:
            asked.source = types.Source(storage_source=resolved.resolved_storage_source)
        elif "resolved_git_source" in resolved:
            asked.source = types.Source(git_source=resolved.resolved_git_source)
        return self.create(
            name.partition("/builds/")[0],
            asked,
            trigger_id=before.build_trigger_id,
            needs_approval=before.approval.config.approval_required,
        )

    def operation(self, name: str) -> operations_pb2.Operation:
        """The operation of a build."""
        request = operations_pb2.GetOperationRequest(name=operation(name))
        return self._context.operations.get_operation(request)

    def submit(self, name: str) -> None:
        """Runs a stored build in the background when its turn comes."""
        build = self.rows.get(name)
        account = checks.account_email(build) or default_account(build.project_id)
        values = self._values(name.partition("/builds/")[0], build, build.build_trigger_id)
        run = BuildRun(self.rows, self._machine, name, account=account, automapped=values.values)
        thread = threading.Thread(target=self._run, args=(name, run), name=f"build-{build.id}", daemon=True)
        with self._lock:
            if self._closing:
                raise exceptions.ServiceUnavailable(STOPPED)
            self._runs[name] = run
            self._threads[name] = thread
        self._context.agenda.begin(name)
        thread.start()

    def cancel(self, name: str) -> None:
        """Ends a build that has not ended. Raises: NotFound."""
        self.rows.get(name)
        with self._lock:
            run = self._runs.get(name)
        if run is not None:
            run.cancellation.request()
        else:
            self.end(name, Status.CANCELLED)

    def end(self, name: str, status: int, detail: str = "") -> types.Build:
        """Ends a build that does not run."""

        def change(row: types.Build) -> None:
            row.status, row.status_detail, row.finish_time = Status(status), detail, self._context.clock.now()
            if row.approval.state == _Approval.PENDING:
                row.approval.state = _Approval.CANCELLED

        return self.rows.update(name, change)

    def resume(self) -> None:
        """What an earlier emulator left: what ran has failed, what waits for an approval goes on waiting."""
        for name, build in self.rows.unfinished():
            self.rows.open(name, self.cancel)
            if build.status != Status.PENDING:
                self.end(name, Status.INTERNAL_ERROR, RESTARTED)

    def close(self) -> None:
        """Ends what runs."""
        with self._lock:
            self._closing = True
            runs, threads = list(self._runs.values()), list(self._threads.values())
        for run in runs:
            run.stop(STOPPED)
        for thread in threads:
            thread.join()

    def _run(self, name: str, run: BuildRun) -> None:
        try:
            turn = self._turns.take(run.cancellation, self.rows.get(name).queue_ttl.total_seconds())
            if turn is Turn.TAKEN:
                try:
                    run()
                finally:
                    self._turns.give_back()
            elif turn is Turn.EXPIRED:
                self.end(name, Status.EXPIRED, "The build waited in the queue for longer than queueTtl.")
            else:
                self.end(name, Status.INTERNAL_ERROR if run.stopped else Status.CANCELLED, run.stopped)
        except Exception:
            log.exception("build %s", name)
        finally:
            with self._lock:
                self._runs.pop(name, None)
                self._threads.pop(name, None)
            self._context.agenda.end(name)

    def _completed(self, parent: str, given: types.Build, trigger_id: str) -> types.Build:
        """A build as it is stored: checked, with defaults and every substitution made."""
        build = types.Build(given)
        for field in _OUTPUT_ONLY:
            setattr(build, field, None)
        for step in build.steps:
            for field in ("timing", "pull_timing", "status", "exit_code"):
                setattr(step, field, None)
        build.id, build.build_trigger_id = new_id(), trigger_id
        build.status = Status.QUEUED
        check_keys(build.substitutions)
        values = self._values(parent, build, trigger_id)
        substitute(build, values)
        values.check(
            automapped=build.options.automap_substitutions or any(s.automap_substitutions for s in build.steps)
        )
        build.timeout = build.timeout or _TIMEOUT
        build.queue_ttl = build.queue_ttl or _QUEUE_TTL
        checks.check(build)
        sources.check(build.source)
        self._settle(parent, build)
        return build

    def _settle(self, parent: str, build: types.Build) -> None:
        """What takes a look at the rest of the cloud: the account, images, the source, buckets."""
        project, location = names.project_of(parent), names.location_of(parent)
        if build.service_account and not build.build_trigger_id:  # who made the trigger was asked then
            self._context.access.require(ACT_AS, build.service_account)
        for step in build.steps:
            self._machine.images.resolve(step.name)
        if "source" in build:
            build.source_provenance = self._machine.sources.provenance(build.source)
        number = project_number(project)
        if in_storage(build) and not build.logs_bucket:
            own = types.BuildOptions.DefaultLogsBucketBehavior.REGIONAL_USER_OWNED_BUCKET
            regional = build.options.default_logs_bucket_behavior == own
            build.logs_bucket = f"gs://{number}-{location}-cloudbuild-logs" if regional else f"gs://{number}{_LOGS}"
            ensure_bucket(self._machine.storage, project, build.logs_bucket.removeprefix("gs://"), location)
        elif build.logs_bucket:
            bucket = build.logs_bucket.removeprefix("gs://").partition("/")[0]
            if not self._machine.storage.exists(bucket):
                raise exceptions.NotFound(f"logsBucket: the bucket gs://{bucket} does not exist.")
        build.log_url = (
            f"https://console.cloud.google.com/cloud-build/builds;region={location}/{build.id}?project={number}"
        )

    def _values(self, parent: str, build: types.Build, trigger_id: str) -> Substitutions:
        project = names.project_of(parent)
        account = checks.account_email(build) or default_account(project)
        own = {
            "PROJECT_ID": project,
            "PROJECT_NUMBER": str(project_number(project)),
            "BUILD_ID": build.id,
            "LOCATION": names.location_of(parent),
            "SERVICE_ACCOUNT_EMAIL": account,
            "SERVICE_ACCOUNT": build.service_account or f"projects/{project}/serviceAccounts/{account}",
        }
        return Substitutions(own, dict(build.substitutions), build.options, loose=bool(trigger_id))


_LOGS = ".cloudbuild-logs.googleusercontent.com"


def default_account(project: str) -> str:
    """Who builds in a project where a build names nobody."""
    return f"{project_number(project)}@cloudbuild.gserviceaccount.com"
