"""One build from the queue to its end: source, secrets, steps, artifacts; each told in its row and its log."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.runtimes.build_masking import Masking
from gcpmlops.emulator.runtimes.build_process import StepProcess
from gcpmlops.emulator.runtimes.build_spec import StepEnd, StepSpec, StepState
from gcpmlops.emulator.runtimes.build_steps import Outcome, Steps
from gcpmlops.emulator.runtimes.build_workspace import OUTPUT_FILE, BuildWorkspace
from gcpmlops.emulator.runtimes.cancellation import Cancellation, Cancelled
from gcpmlops.emulator.services.cloud_build import checks, specs
from gcpmlops.emulator.services.cloud_build.log import BuildLog
from gcpmlops.emulator.services.cloud_build.machine import Machine
from gcpmlops.emulator.services.cloud_build.pushing import Pushing
from gcpmlops.emulator.services.cloud_build.rows import BuildRows, Status

log = logging.getLogger(__name__)

_OUTPUT_LIMIT = 50 * 1024  # bytes of a step's output that the build's results keep
_Failure = types.Build.FailureInfo.FailureType


class _Failed(Exception):  # noqa: N818 - a state, not an error
    """The build did not succeed: its status, why, and the kind of failure."""

    def __init__(self, status: Any, detail: str = "", kind: Any = None, prefix: str = "") -> None:
        super().__init__(detail)
        self.status, self.detail, self.kind, self.prefix = status, detail, kind, prefix


class BuildRun:
    """Runs the build of a name once.

    Args:
        rows: where it is stored.
        machine: what it runs on.
        name: its stored name.
        account: the email that it acts as.
        automapped: substitutions that scripts may get as variables.

    Attributes:
        cancellation: ends it.
        stopped: why it was ended by nobody's wish; empty otherwise.
    """

    def __init__(
        self, rows: BuildRows, machine: Machine, name: str, *, account: str, automapped: Mapping[str, str]
    ) -> None:
        self._rows = rows
        self._machine = machine
        self._name = name
        self._account = account
        self._automapped = automapped
        self.cancellation = Cancellation()
        self.stopped = ""

    def stop(self, reason: str) -> None:
        """Ends it because the emulator ends."""
        self.stopped = reason
        self.cancellation.request()

    def __call__(self) -> None:
        """To its end, whatever comes."""
        try:
            self._rows.update(self._name, self._start)
            build = self._rows.get(self._name)
            with ExitStack() as cleanups:
                workspace = BuildWorkspace(self._machine.directory / build.id)
                cleanups.callback(workspace.remove)
                file = workspace.folder("log") / "log.txt"
                written = BuildLog(build, self._machine.write_log, self._machine.storage, file)
                cleanups.callback(written.close)
                failure = self._guarded(build, workspace, written)
                self._say_end(written, failure)
        except Exception as error:
            log.exception("build %s", self._name)
            failure = _Failed(Status.INTERNAL_ERROR, f"the build could not be run: {error}")
        self._rows.update(self._name, lambda row: self._end(row, failure))

    def _guarded(self, build: types.Build, workspace: BuildWorkspace, written: BuildLog) -> _Failed | None:
        """Runs it; what it failed with."""
        try:
            self._run(build, workspace, written)
        except _Failed as failure:
            return self._stopped_or(failure)
        except Cancelled:
            return self._stopped_or(_Failed(Status.CANCELLED))
        except exceptions.GoogleAPICallError as error:
            return _Failed(Status.FAILURE, str(error.message))
        except Exception as error:
            log.exception("build %s", self._name)
            return _Failed(Status.INTERNAL_ERROR, f"the build could not be run: {error}")
        return None

    def _stopped_or(self, failure: _Failed) -> _Failed:
        return _Failed(Status.INTERNAL_ERROR, self.stopped) if self.stopped else failure

    def _run(self, build: types.Build, workspace: BuildWorkspace, written: BuildLog) -> None:
        written.line(f'starting build "{build.id}"')
        for note in _ignored(build):
            written.line(f"Kept, but without meaning on this machine: {note}")
        variables = {**self._machine.variables(self._account)}
        if "source" in build:
            with self._timed("FETCHSOURCE"):
                self._fetch(build, workspace, written, variables)
        secrets = self._secrets(build)
        with self._timed("BUILD"):
            written.line("BUILD")
            self._steps(build, workspace, written, variables, secrets)
        self._push(build, workspace.work, written, variables)

    def _fetch(self, build: types.Build, workspace: BuildWorkspace, written: BuildLog, env: Mapping[str, str]) -> None:
        written.line("FETCHSOURCE")
        try:
            source = build.source
            if "resolved_storage_source" in build.source_provenance:
                source = types.Source(storage_source=build.source_provenance.resolved_storage_source)
            if "storage_source" in source:
                bucket = f"buckets/{source.storage_source.bucket}"
                self._machine.access.require("storage.objects.get", bucket, email=self._account)
            fetched = self._machine.sources.fetch(
                source, workspace.work, env=env, say=written.line, cancellation=self.cancellation
            )
        except exceptions.GoogleAPICallError as error:
            detail = f"could not fetch source: {error.message}"
            raise _Failed(Status.FAILURE, detail, _Failure.FETCH_SOURCE_FAILED) from None
        workspace.start = fetched.start
        if fetched.commit:
            self._rows.update(self._name, lambda row: _resolve(row, fetched.commit))

    def _secrets(self, build: types.Build) -> dict[str, str]:
        """Those that steps get, by variable."""
        versions, found = checks.secret_variables(build), {}
        for place, step in enumerate(build.steps):
            for variable in (*build.options.secret_env, *step.secret_env):
                if variable not in found:
                    found[variable] = self._secret(build, place, versions[variable])
        return found

    def _secret(self, build: types.Build, place: int, version: str) -> str:
        """One that can't be read is the failure of the step that gets it."""
        try:
            self._machine.access.require("secretmanager.versions.access", version, email=self._account)
            return self._machine.secret(version).decode()
        except (exceptions.GoogleAPICallError, UnicodeDecodeError) as error:
            reason = getattr(error, "message", "its payload is no text")

        def fail(row: types.Build) -> None:
            row.steps[place].status = Status.FAILURE

        self._rows.update(self._name, fail)
        raise _of_step(Status.FAILURE, place, build, f"failed to access secret version for secret {version}: {reason}")

    def _steps(
        self,
        build: types.Build,
        workspace: BuildWorkspace,
        written: BuildLog,
        variables: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> None:
        labels = [specs.label(index, step) for index, step in enumerate(build.steps)]
        run = StepProcess(
            self._machine.processes,
            self._machine.images,
            workspace,
            base=variables,
            masking=Masking(secrets.values()),
            on_line=lambda step, text: written.line(text, labels[step.index]),
            build_id=build.id,
        )

        def on_step(step: StepSpec, end: StepEnd) -> None:
            if end.state is StepState.WORKING:
                written.line(f"Starting {labels[step.index]}")
            elif step.tolerates(end):
                written.line(f"{end.reason}, which is allowed: the build goes on", labels[step.index])
            elif end.reason and not end.code:
                written.line(end.reason, labels[step.index])
            if end.state in (StepState.SUCCESS, StepState.FAILURE, StepState.TIMEOUT):
                written.line(f"Finished {labels[step.index]}")
            self._rows.update(self._name, lambda row: self._tell_step(row, step, end))

        timeout_s = build.timeout.total_seconds()
        outcome, reason = Steps(specs.steps(build, secrets, self._automapped), run, on_step).until_done(
            self.cancellation, timeout_s
        )
        self._keep_outputs(workspace, len(build.steps))
        if outcome is not Outcome.SUCCESS:
            raise self._step_failure(outcome, reason, build)

    def _step_failure(self, outcome: Outcome, reason: str, build: types.Build) -> _Failed:
        status = Status[outcome.value]
        if outcome is Outcome.CANCELLED:
            return _Failed(status)
        row = self._rows.get(self._name)
        failed = next((i for i, step in enumerate(row.steps) if step.status == status and not _tolerated(step)), None)
        if failed is None:
            return _Failed(status, f"build timed out after {build.timeout.total_seconds():g} s")
        return _of_step(status, failed, build, reason)

    def _tell_step(self, row: types.Build, step: StepSpec, end: StepEnd) -> None:
        told = row.steps[step.index]
        told.status = Status[end.state.value]
        now = self._machine.clock.now()
        if end.state is StepState.WORKING:
            told.timing = types.TimeSpan(start_time=now)
            told.pull_timing = types.TimeSpan(start_time=now, end_time=now)
        else:
            told.timing.end_time = now
            told.exit_code = end.code or 0

    def _keep_outputs(self, workspace: BuildWorkspace, count: int) -> None:
        outputs = []
        for index in range(count):
            path = workspace.outputs(index) / OUTPUT_FILE
            outputs.append(path.read_bytes()[:_OUTPUT_LIMIT] if path.is_file() else b"")
        if any(outputs):
            self._rows.update(self._name, lambda row: setattr(row.results, "build_step_outputs", outputs))

    def _push(self, build: types.Build, work: Path, written: BuildLog, variables: Mapping[str, str]) -> None:
        """Images, objects and packages."""
        pushing = Pushing(self._machine, build, work, account=self._account, env=variables, say=written.line)
        if not pushing.is_needed:
            return
        self.cancellation.check()
        written.line("PUSH")
        try:
            with self._timed("PUSH"):
                results = pushing(self.cancellation)
        except exceptions.GoogleAPICallError as error:
            detail = f"failed to push artifacts: {error.message}"
            refused = isinstance(error, exceptions.PermissionDenied)
            kind = _Failure.PUSH_NOT_AUTHORIZED if refused else _Failure.PUSH_FAILED
            raise _Failed(Status.FAILURE, detail, kind) from None
        self._rows.update(self._name, lambda row: types.Results.pb(row.results).MergeFrom(types.Results.pb(results)))

    @contextmanager
    def _timed(self, phase: str) -> Iterator[None]:
        span = types.TimeSpan(start_time=self._machine.clock.now())
        try:
            yield
        finally:
            span.end_time = self._machine.clock.now()
            self._rows.update(self._name, lambda row: row.timing.update({phase: span}))

    def _start(self, row: types.Build) -> None:
        row.status = Status.WORKING
        row.start_time = self._machine.clock.now()
        for step in row.steps:
            step.status = Status.QUEUED

    def _end(self, row: types.Build, failure: _Failed | None) -> None:
        row.finish_time = self._machine.clock.now()
        row.status = failure.status if failure else Status.SUCCESS
        if failure and failure.detail:
            row.status_detail = failure.detail
            kind = failure.kind or _Failure.FAILURE_TYPE_UNSPECIFIED
            row.failure_info = types.Build.FailureInfo(type_=kind, detail=f"{failure.prefix}{failure.detail}")

    @staticmethod
    def _say_end(written: BuildLog, failure: _Failed | None) -> None:
        if failure is None:
            written.line("DONE")
            return
        words = {Status.TIMEOUT: "TIMEOUT", Status.CANCELLED: "CANCELLED"}
        written.line(words.get(failure.status, "ERROR"))
        if failure.detail:
            written.line(f"ERROR: {failure.detail}")


def _of_step(status: Any, place: int, build: types.Build, reason: str) -> _Failed:
    detail = f'build step {place} "{build.steps[place].name}" failed: {reason}'
    return _Failed(status, detail, _Failure.USER_BUILD_STEP, "Build step failure: ")


def _resolve(row: types.Build, commit: str) -> None:
    row.source_provenance.resolved_git_source.revision = commit


def _tolerated(step: types.BuildStep) -> bool:
    return bool(step.allow_failure or step.exit_code in step.allow_exit_codes)


def _ignored(build: types.Build) -> list[str]:
    """Options that are set and have no meaning here."""
    options = build.options
    found = []
    if "machine_type" in options:
        found.append(f"options.machineType {options.machine_type.name}")
    found += [
        f"options.{called}"
        for field, called in (
            ("disk_size_gb", "diskSizeGb"),
            ("requested_verify_option", "requestedVerifyOption"),
            ("source_provenance_hash", "sourceProvenanceHash"),
            ("enable_structured_logging", "enableStructuredLogging"),
            ("worker_release", "workerRelease"),
        )
        if getattr(options, field)
    ]
    return found
