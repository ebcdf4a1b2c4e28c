"""From a trigger to a build: its configuration, its source, and what its substitutions are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.services.cloud_build import repositories
from gcpmlops.emulator.services.cloud_build.bindings import bound
from gcpmlops.emulator.services.cloud_build.builds import Builds


@dataclass(frozen=True)
class _Revision:
    """Which revision of its source a trigger builds: a branch, a tag, or a commit."""

    branch: str = ""
    tag: str = ""
    commit: str = ""

    @classmethod
    def of(cls, source: types.RepoSource, default: str) -> _Revision:
        if source.branch_name or source.tag_name or source.commit_sha:
            return cls(source.branch_name, source.tag_name, source.commit_sha)
        if default.startswith("refs/tags/"):
            return cls(tag=default.removeprefix("refs/tags/"))
        return cls(branch=default.removeprefix("refs/heads/"))

    @property
    def ref(self) -> str:
        return self.commit or (
            f"refs/tags/{self.tag}" if self.tag else f"refs/heads/{self.branch}" if self.branch else ""
        )


def start(
    builds: Builds, parent: str, trigger: types.BuildTrigger, source: types.RepoSource, body: Any = None
) -> operations_pb2.Operation:
    """Starts the build of a trigger; its operation.

    Args:
        builds: runs it.
        parent: projects/P/locations/L.
        trigger: as it is stored.
        source: what it is run with by hand: a revision, substitutions, a folder.
        body: the message that starts it, as JSON.

    Raises: FailedPrecondition for one that is disabled or whose repository does not answer; what a build is refused
        for.
    """
    if trigger.disabled:
        raise exceptions.FailedPrecondition(f"build trigger {trigger.name} is disabled: enable it first")
    revision = _Revision.of(source, trigger.source_to_build.ref)
    commit = _commit(trigger, revision)
    build = _config(trigger, commit)
    if trigger.source_to_build.uri and "source" not in build:
        git = types.GitSource(url=trigger.source_to_build.uri, revision=commit.sha, dir_=source.dir_)
        build.source = types.Source(git_source=git)
    build.substitutions = {
        **dict(build.substitutions),
        **bound(dict(trigger.substitutions), body),
        **dict(source.substitutions),
        **_built_in(trigger, revision, commit),
    }
    build.tags = [*build.tags, *trigger.tags, f"trigger-{trigger.id}"]
    build.service_account = build.service_account or trigger.service_account
    needs_approval = trigger.approval_config.approval_required
    return builds.create(parent, build, trigger_id=trigger.id, needs_approval=needs_approval)


def _commit(trigger: types.BuildTrigger, revision: _Revision) -> repositories.Commit:
    """Of the source; without one an empty name."""
    uri = trigger.source_to_build.uri
    return repositories.fetch(uri, revision.ref, trigger.filename) if uri else repositories.Commit("", None)


def _config(trigger: types.BuildTrigger, commit: repositories.Commit) -> types.Build:
    if "build" in trigger:
        return types.Build(trigger.build)
    if commit.content is not None:
        return repositories.build_of(commit.content, trigger.filename)
    file = trigger.git_file_source
    found = repositories.fetch(file.uri, file.revision, file.path)
    return repositories.build_of(found.content or "", file.path)


def _built_in(trigger: types.BuildTrigger, revision: _Revision, commit: repositories.Commit) -> dict[str, str]:
    sha = commit.sha or revision.commit
    address = trigger.source_to_build.uri.partition("://")[2].removesuffix("/").removesuffix(".git")
    found = {
        "TRIGGER_NAME": trigger.name,
        "BRANCH_NAME": revision.branch,
        "TAG_NAME": revision.tag,
        "REF_NAME": revision.branch or revision.tag,
        "COMMIT_SHA": sha,
        "REVISION_ID": sha,
        "SHORT_SHA": sha[:7],
        "REPO_NAME": address.rpartition("/")[2],
        "REPO_FULL_NAME": "/".join(address.split("/")[-2:]),
        "TRIGGER_BUILD_CONFIG_PATH": trigger.filename or trigger.git_file_source.path,
    }
    return {key: value for key, value in found.items() if value}
