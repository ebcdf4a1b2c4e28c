"""Cloud Build: builds and their logs, triggers."""

from __future__ import annotations

import builtins
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _waiting
from gcpmlops._builds import source as sources
from gcpmlops._builds.build import Build, failure
from gcpmlops._builds.config import build_of
from gcpmlops._builds.logs import BuildLogs, LogLine
from gcpmlops._builds.triggers import Trigger, TriggerSpec, differs
from gcpmlops._durations import Duration, seconds_of
from gcpmlops.clients import Clients
from gcpmlops.exceptions import NotFound, translated
from gcpmlops.types import GsUri, Path_

if TYPE_CHECKING:
    from gcpmlops.storage import Storage

__all__ = ["Build", "Builds", "LogLine", "Trigger"]

_CONFIG = "cloudbuild.yaml"
_HINT = "See the builds with `gcpmlops builds list`."
_ELSEWHERE = f"{_HINT} Those of `gcloud builds submit` without --region are elsewhere: `--location=global`."
_TRIGGER_HINT = "See the triggers with `gcpmlops builds list-triggers`."
_LAST_WORDS = ("DONE", "ERROR", "TIMEOUT", "CANCELLED")  # a log ends with one of these
_LATE = 5.0  # seconds that Cloud Logging may be behind
OnLog = Callable[[LogLine], None]


class Builds:
    """`client.builds`. API: Cloud Build v1, in the client's location; Cloud Storage for sources; logs of both kinds.

    A build is named by its id or its full resource name, a trigger by its name, id or full resource name.
    """

    def __init__(self, clients: Clients, storage: Storage) -> None:
        self._clients = clients
        self._storage = storage

    def submit(
        self,
        source: Path_ | None = ".",
        *,
        config: Path_ | Mapping[str, Any] | None = None,
        substitutions: Mapping[str, str] | None = None,
        service_account: str | None = None,
        tags: Sequence[str] = (),
        timeout: Duration | None = None,
        staging_bucket: str | None = None,
        wait: bool = False,
        on_log: OnLog | None = None,
    ) -> Build:
        """Start a build, and return at once unless `wait` (CreateBuild).

        Args:
            source: a folder (.gcloudignore, else .gitignore, says what is left out), a gs:// archive, or None. A folder
                is put into the staging bucket, the same files once.
            config: a cloudbuild.yaml or .json, or the same as a mapping; SOURCE/cloudbuild.yaml otherwise.
            substitutions: such as {"_TAG": "1"}, over the file's own.
            service_account: email of the account that it runs as; the file's or the project's default otherwise. Its
                log is then in Cloud Logging alone, unless the file has it elsewhere.
            tags: beside the file's.
            timeout: of the whole build, instead of the file's.
            staging_bucket: where the source is put.
            wait: until it has ended.
            on_log: gets each line meanwhile.

        Raises InvalidArgument, PermissionDenied; with `wait` what `wait` raises.
        """
        build = build_of(Path(str(source or "."), _CONFIG) if config is None else config)
        build.substitutions.update(substitutions or {})
        build.tags.extend(tags)
        if timeout is not None:
            build.timeout = {"seconds": int(seconds_of(timeout, field="timeout"))}
        self._set_account(build, service_account)
        if source is not None:
            uri = sources.uploaded(self._clients, self._storage, source, bucket=staging_bucket)
            build.source = _source(uri)
        with translated("build"):
            operation = self._clients.builds.create_build(
                request=_google.cloudbuild.CreateBuildRequest(
                    parent=self._clients.parent, project_id=self._project, build=build
                ),
                **self._clients.once,
            )
        return self._started(operation, wait=wait, on_log=on_log)

    def run(self, source: Path_ | None = ".", *, on_log: OnLog | None = None, **settings: Any) -> Build:
        """`submit` (same arguments), then wait for its end. Raises BuildFailed naming the step, with its last lines."""
        return self.submit(source, **settings, wait=True, on_log=on_log)

    def get(self, name: str) -> Build:
        """A build (GetBuild). Raises NotFound."""
        full = self._resolve(name, "builds")
        with translated(f"build {name}", next_step=_ELSEWHERE):
            request = _google.cloudbuild.GetBuildRequest(name=full, project_id=self._project, id=full.split("/")[-1])
            return Build(self._clients.builds.get_build(request=request, **self._clients.idempotent), self)

    def list(self, *, filter: str = "", limit: int | None = None) -> builtins.list[Build]:  # noqa: A002 - the API's
        """The builds of the location, the newest first (ListBuilds): `status="WORKING"`, `tags="nightly"`, ..."""
        request = _google.cloudbuild.ListBuildsRequest(
            parent=self._clients.parent, project_id=self._project, filter=filter
        )
        with translated("builds"):
            found = self._clients.builds.list_builds(request=request, **self._clients.idempotent)
            return [Build(proto, self) for proto in islice(found, limit)]

    def wait(
        self,
        name: str,
        *,
        timeout: float | None = None,
        on_log: OnLog | None = None,
        on_state: Callable[[Build], None] | None = None,
    ) -> Build:
        """The build when it has ended; Ctrl-C ends the wait, not the build.

        Raises BuildFailed naming the step that failed, with its last lines; DeadlineExceeded after `timeout` seconds.
        """
        full = self._resolve(name, "builds")
        build = self.get(full)
        logs = BuildLogs(self._clients, build)
        lines: builtins.list[LogLine] = []
        with _waiting.interruptible(full):
            for line in self._following(build, logs, timeout=timeout, on_state=on_state):
                lines.append(line)
                if on_log is not None:
                    on_log(line)
        build = self.get(full)
        if build.state.name != "SUCCESS":
            raise failure(build, lines)
        return build

    def logs(self, name: str, *, follow: bool = False) -> Iterator[LogLine]:
        """Its log (ListLogEntries, or the object in its bucket); with `follow` until it has ended. Raises NotFound."""
        build = self.get(name)
        logs = BuildLogs(self._clients, build)
        return self._following(build, logs, timeout=None, on_state=None) if follow else logs.new_lines()

    def cancel(self, name: str) -> Build:
        """Ask a build to stop (CancelBuild). Raises NotFound, FailedPrecondition where it has ended."""
        full = self._resolve(name, "builds")
        with translated(f"build {name}", next_step=_HINT):
            request = _google.cloudbuild.CancelBuildRequest(name=full, project_id=self._project, id=full.split("/")[-1])
            return Build(self._clients.builds.cancel_build(request=request, **self._clients.idempotent), self)

    def retry(self, name: str, *, wait: bool = False, on_log: OnLog | None = None) -> Build:
        """The same once more: a new build (RetryBuild). Raises NotFound, FailedPrecondition while it runs."""
        full = self._resolve(name, "builds")
        with translated(f"build {name}", next_step=_HINT):
            request = _google.cloudbuild.RetryBuildRequest(name=full, project_id=self._project, id=full.split("/")[-1])
            operation = self._clients.builds.retry_build(request=request, **self._clients.once)
        return self._started(operation, wait=wait, on_log=on_log)

    def approve(self, name: str, *, comment: str = "", reject: bool = False) -> Build:
        """Let a build that waits for an approval run, or end it with `reject` (ApproveBuild).

        Raises NotFound, FailedPrecondition where it does not wait for one.
        """
        full = self._resolve(name, "builds")
        decision = "REJECTED" if reject else "APPROVED"
        with translated(f"build {name}", next_step=_HINT):
            request = _google.cloudbuild.ApproveBuildRequest(
                name=full, approval_result={"decision": decision, "comment": comment}
            )
            self._clients.builds.approve_build(request=request, **self._clients.once)
        return self.get(full)

    def ensure_trigger(
        self,
        name: str,
        *,
        config: Path_ | Mapping[str, Any] | None = None,
        filename: str | None = None,
        repository: str | None = None,
        branch: str | None = None,
        tag: str | None = None,
        pull_request: str | None = None,
        topic: str | None = None,
        substitutions: Mapping[str, str] | None = None,
        service_account: str | None = None,
        approval: bool = False,
        description: str = "",
        tags: Sequence[str] = (),
        included_files: Sequence[str] = (),
        ignored_files: Sequence[str] = (),
        disabled: bool = False,
    ) -> Trigger:
        """A trigger, made or changed to this (CreateBuildTrigger, UpdateBuildTrigger).

        Without an event it is started by hand.

        Args:
            name: letters, digits, hyphens.
            config: the build itself, as `submit` takes it.
            filename: or the file in the repository that has it.
            repository: on GitHub, OWNER/NAME.
            branch: a regular expression: pushes to such branches start it.
            tag: the same of tags.
            pull_request: a regular expression of branches: pull requests to them start it.
            topic: Pub/Sub topic whose messages start it.
            substitutions: as `submit` takes them.
            service_account: email of the account that its builds run as.
            approval: its builds wait for somebody's `approve`.
            description: for people.
            tags: of the trigger.
            included_files: globs; pushes to other files alone start nothing.
            ignored_files: globs; pushes to these alone start nothing.
            disabled: nothing starts it.

        Raises InvalidArgument, PermissionDenied.
        """
        spec = TriggerSpec(
            config=config, filename=filename, repository=repository, branch=branch, tag=tag, pull_request=pull_request,
            topic=topic, substitutions=substitutions, service_account=self._account(service_account),
            approval=approval, description=description, tags=tags, included_files=included_files,
            ignored_files=ignored_files, disabled=disabled,
        )  # fmt: skip
        wanted = spec.message(name, project=self._project)
        if wanted.service_account and "build" in wanted:
            _log_to_logging(wanted.build)
        there = self._find_trigger(name)
        if there is not None and not differs(wanted, there):
            return Trigger(there)
        types, builds = _google.cloudbuild, self._clients.builds
        with translated(f"trigger {name}"):
            if there is None:
                create = types.CreateBuildTriggerRequest(
                    parent=self._clients.parent, project_id=self._project, trigger=wanted
                )
                return Trigger(builds.create_build_trigger(request=create, **self._clients.once))
            wanted.id, wanted.resource_name = there.id, there.resource_name
            update = types.UpdateBuildTriggerRequest(project_id=self._project, trigger_id=there.id, trigger=wanted)
            return Trigger(builds.update_build_trigger(request=update, **self._clients.idempotent))

    def get_trigger(self, name: str) -> Trigger:
        """A trigger (GetBuildTrigger). Raises NotFound."""
        full = self._resolve(name, "triggers")
        with translated(f"trigger {name}", next_step=_TRIGGER_HINT):
            request = _google.cloudbuild.GetBuildTriggerRequest(
                name=full, project_id=self._project, trigger_id=full.split("/")[-1]
            )
            return Trigger(self._clients.builds.get_build_trigger(request=request, **self._clients.idempotent))

    def list_triggers(self) -> builtins.list[Trigger]:
        """The triggers of the location (ListBuildTriggers)."""
        request = _google.cloudbuild.ListBuildTriggersRequest(parent=self._clients.parent, project_id=self._project)
        with translated("triggers"):
            found = self._clients.builds.list_build_triggers(request=request, **self._clients.idempotent)
            return [Trigger(proto) for proto in found]

    def run_trigger(
        self,
        name: str,
        *,
        branch: str | None = None,
        tag: str | None = None,
        commit: str | None = None,
        substitutions: Mapping[str, str] | None = None,
        wait: bool = False,
        on_log: OnLog | None = None,
    ) -> Build:
        """Start a trigger by hand, at a branch, tag or commit where it has a repository (RunBuildTrigger).

        Raises NotFound, InvalidArgument; with `wait` what `wait` raises.
        """
        trigger = self.get_trigger(name).proto
        source = {"branch_name": branch, "tag_name": tag, "commit_sha": commit}
        given = {key: value for key, value in source.items() if value}
        request = _google.cloudbuild.RunBuildTriggerRequest(
            name=f"{self._clients.parent}/triggers/{trigger.id}", project_id=self._project, trigger_id=trigger.id
        )
        if given or substitutions:
            request.source = _google.cloudbuild.RepoSource(
                project_id=self._project, substitutions=dict(substitutions or {}), **given
            )
        with translated(f"trigger {name}", next_step=_TRIGGER_HINT):
            operation = self._clients.builds.run_build_trigger(request=request, **self._clients.once)
        return self._started(operation, wait=wait, on_log=on_log)

    def delete_trigger(self, name: str) -> None:
        """Delete a trigger; its builds stay (DeleteBuildTrigger). Raises NotFound."""
        trigger = self.get_trigger(name).proto
        with translated(f"trigger {name}", next_step=_TRIGGER_HINT):
            request = _google.cloudbuild.DeleteBuildTriggerRequest(
                name=f"{self._clients.parent}/triggers/{trigger.id}", project_id=self._project, trigger_id=trigger.id
            )
            self._clients.builds.delete_build_trigger(request=request, **self._clients.once)

    def _following(
        self, build: Build, logs: BuildLogs, *, timeout: float | None, on_state: Callable[[Build], None] | None
    ) -> Iterator[LogLine]:
        """Each line as it comes, until the build has ended and its log, too."""
        limit, late, whole = _waiting.Limit(timeout), 0.0, False
        for pause in _waiting.pauses():
            for line in logs.new_lines():
                whole = whole or line.text.partition(":")[0] in _LAST_WORDS
                yield line
            if on_state is not None and not late:
                on_state(build)
            if not build.has_ended:
                time.sleep(limit.within(pause, build))
                build = self.get(build.name)
            elif whole or late > _LATE or not build.keeps_log:
                return
            else:
                time.sleep(pause)
                late += pause

    def _started(self, operation: Any, *, wait: bool, on_log: OnLog | None) -> Build:
        found = operation.metadata.build
        build = Build(found, self)
        return self.wait(found.name or found.id, on_log=on_log) if wait else build

    def _find_trigger(self, name: str) -> Any:
        try:
            return self.get_trigger(name).proto
        except NotFound:
            return None

    def _set_account(self, build: Any, given: str | None) -> None:
        if given:
            build.service_account = self._account(given)
        if build.service_account:
            _log_to_logging(build)

    def _account(self, given: str | None) -> str:
        if not given or given.startswith("projects/"):
            return given or ""
        email = given if "@" in given else f"{given}@{self._project}.iam.gserviceaccount.com"
        return f"projects/{self._project}/serviceAccounts/{email}"

    @property
    def _project(self) -> str:
        return self._clients.config.require("project")

    def _resolve(self, name: str, collection: str) -> str:
        return name if name.startswith("projects/") else f"{self._clients.parent}/{collection}/{name}"


def _log_to_logging(build: Any) -> None:
    """As the API demands of a build with an account of its own, unless it says where its log is."""
    if not build.logs_bucket and not build.options.logging and not build.options.default_logs_bucket_behavior:
        build.options.logging = "CLOUD_LOGGING_ONLY"


def _source(uri: GsUri) -> Any:
    return _google.cloudbuild.Source(storage_source={"bucket": uri.bucket, "object_": uri.name})
