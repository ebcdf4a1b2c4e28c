"""Triggers: Google's message, the handle, and what an existing one lacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gcpmlops import _google, _html
from gcpmlops._builds.config import build_of
from gcpmlops._handle import Resource
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_

_FIELDS = ("description", "tags", "build", "filename", "github", "substitutions", "service_account", "approval_config",
           "disabled", "included_files", "ignored_files", "source_to_build", "git_file_source")  # fmt: skip


@dataclass(frozen=True)
class Trigger(Resource):
    """A trigger as it was when asked for; `proto` is Google's BuildTrigger."""

    proto: _google.cloudbuild.BuildTrigger

    @property
    def name(self) -> str:
        """The name that people gave it."""
        return str(self.proto.name)

    @property
    def id(self) -> str:
        """Google's."""
        return str(self.proto.id)

    @property
    def event(self) -> str:
        """What starts it."""
        if self.proto.github.name:
            repository = f"{self.proto.github.owner}/{self.proto.github.name}"
            event = self.proto.github.push if "push" in self.proto.github else self.proto.github.pull_request
            return f"{repository} {event.branch or getattr(event, 'tag', '')}"
        if self.proto.pubsub_config.topic:
            return str(self.proto.pubsub_config.topic)
        return "by hand"

    @property
    def approval(self) -> bool:
        """Whether its builds wait for somebody."""
        return bool(self.proto.approval_config.approval_required)

    def _repr_html_(self) -> str:
        rows: dict[str, Any] = {"event": self.event, "approval": self.approval, "disabled": self.proto.disabled}
        return _html.card(f"trigger {self.name}", rows)


@dataclass(frozen=True, kw_only=True)
class TriggerSpec:
    """What `ensure_trigger` is told, which describes it."""

    config: Path_ | Mapping[str, Any] | None = None
    filename: str | None = None
    repository: str | None = None
    branch: str | None = None
    tag: str | None = None
    pull_request: str | None = None
    topic: str | None = None
    substitutions: Mapping[str, str] | None = None
    service_account: str = ""
    approval: bool = False
    description: str = ""
    tags: Sequence[str] = ()
    included_files: Sequence[str] = ()
    ignored_files: Sequence[str] = ()
    disabled: bool = False

    def message(self, name: str, *, project: str) -> _google.cloudbuild.BuildTrigger:
        """Google's. Raises InvalidArgument where it has no build, two, or an event without its repository."""
        if (self.config is None) == (self.filename is None):
            raise InvalidArgument("a trigger has one build", field="config", allowed="config or filename, one of them")
        events = [key for key in ("branch", "tag", "pull_request", "topic") if getattr(self, key)]
        if len(events) > 1:
            raise InvalidArgument(field=events[1], value=getattr(self, events[1]), allowed=f"without {events[0]}")
        if self.filename and not self.repository:
            raise InvalidArgument("the file is in a repository", field="repository", allowed="OWNER/NAME")
        made = _google.cloudbuild.BuildTrigger(
            name=name, description=self.description, tags=list(self.tags), disabled=self.disabled,
            substitutions=dict(self.substitutions or {}), service_account=self.service_account,
            included_files=list(self.included_files), ignored_files=list(self.ignored_files),
        )  # fmt: skip
        if self.config is not None:
            made.build = build_of(self.config)
        if self.approval:
            made.approval_config = _google.cloudbuild.ApprovalConfig(approval_required=True)
        self._set_event(made, events, project)
        return made

    def _set_event(self, made: Any, events: Sequence[str], project: str) -> None:
        if self.topic:
            topic = self.topic if self.topic.startswith("projects/") else f"projects/{project}/topics/{self.topic}"
            made.pubsub_config = {"topic": topic}
        owner, slash, repository = (self.repository or "").partition("/")
        if self.repository and not (owner and slash and repository):
            raise InvalidArgument(field="repository", value=self.repository, allowed="OWNER/NAME")
        if self.repository and events and not self.topic:
            event = {"pull_request": {"branch": self.pull_request}} if self.pull_request else {
                "push": {events[0]: getattr(self, events[0])}
            }  # fmt: skip
            made.github = {"owner": owner, "name": repository, **event}
            made.filename = self.filename or ""
        elif self.repository:
            self._set_source(made)
        elif events and not self.topic:
            raise InvalidArgument("which repository?", field="repository", allowed="OWNER/NAME")

    def _set_source(self, made: Any) -> None:
        """Started by hand, or by a message: what it builds then."""
        uri, github = f"https://github.com/{self.repository}", "GITHUB"
        made.source_to_build = {"uri": uri, "ref": "refs/heads/main", "repo_type": github}
        if self.filename:
            made.git_file_source = {"path": self.filename, "uri": uri, "revision": "refs/heads/main",
                                    "repo_type": github}  # fmt: skip


def differs(wanted: Any, there: Any) -> bool:
    """Whether an existing trigger has to be changed."""
    same_topic = wanted.pubsub_config.topic == there.pubsub_config.topic  # the rest of it is the service's
    return not same_topic or any(getattr(wanted, name) != getattr(there, name) for name in _FIELDS)
