"""The handle on a build, and why one failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html
from gcpmlops._handle import Resource
from gcpmlops.exceptions import BuildFailed

if TYPE_CHECKING:
    from gcpmlops._builds.logs import LogLine

_TAIL = 20
_ENDED = ("SUCCESS", "FAILURE", "INTERNAL_ERROR", "TIMEOUT", "CANCELLED", "EXPIRED")


@dataclass(frozen=True)
class Build(Resource):
    """A build as it was when asked for; `proto` is Google's Build."""

    proto: _google.cloudbuild.Build
    _builds: Any = field(repr=False, compare=False)

    @property
    def state(self) -> Any:
        """Build.Status: PENDING (waits for an approval), QUEUED, WORKING, SUCCESS, FAILURE, TIMEOUT, CANCELLED, ..."""
        return self.proto.status

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes."""
        return self.state.name in _ENDED

    @property
    def created(self) -> datetime | None:
        """When it was submitted."""
        created: datetime | None = self.proto.create_time
        return created

    @property
    def trigger(self) -> str:
        """Id of the trigger that started it; empty without one."""
        return str(self.proto.build_trigger_id)

    @property
    def error(self) -> str:
        """Why it did not succeed."""
        return str(self.proto.status_detail or self.proto.failure_info.detail)

    @property
    def keeps_log(self) -> bool:
        """Whether there is a log: it has begun, and says not that it keeps none."""
        return bool(self.proto.start_time) and self.proto.options.logging.name != "NONE"

    def refresh(self) -> Build:
        """The build as it is now."""
        found: Build = self._builds.get(self.name)
        return found

    def cancel(self) -> Build:
        """Ask it to stop."""
        found: Build = self._builds.cancel(self.name)
        return found

    def wait(
        self,
        *,
        timeout: float | None = None,
        on_log: Callable[[LogLine], None] | None = None,
        on_state: Callable[[Build], None] | None = None,
    ) -> Build:
        """The build when it has ended. Raises BuildFailed, DeadlineExceeded after `timeout` seconds."""
        found: Build = self._builds.wait(self.name, timeout=timeout, on_log=on_log, on_state=on_state)
        return found

    def logs(self) -> list[LogLine]:
        """Its log lines so far."""
        return list(self._builds.logs(self.name))

    def _repr_html_(self) -> str:
        steps = [(step.id or f"#{number}", step.name, step.status.name) for number, step in enumerate(self.proto.steps)]
        return _html.grid(f"build {self.id}: {self.state.name}", ("step", "image", "state"), steps)


def failure(build: Build, lines: Sequence[LogLine]) -> BuildFailed:
    """Names the step that failed, with its last lines; the build's own last ones where none did."""
    state, bad = build.state.name, ("FAILURE", "TIMEOUT", "INTERNAL_ERROR", "CANCELLED")
    # a step that is cut off because another failed is no culprit
    order = [(bad.index(step.status.name), number) for number, step in enumerate(build.proto.steps)
             if step.status.name in bad]  # fmt: skip
    next_step = f"All of its log: `gcpmlops builds logs {build.id}`."
    if not order:
        tail = [line.text for line in lines[-_TAIL:]]
        why = f": {build.error}" if build.error else ""
        message = f"build {build.id} ended {state}{why}"
        return BuildFailed(message, build=build.name, state=state, log_tail=tail, next_step=next_step)
    number = min(order)[1]
    step = build.proto.steps[number]
    title = f'#{number} "{step.id}"' if step.id else f"#{number}"
    how = f"exit code {step.exit_code}" if step.exit_code else step.status.name
    own = [line.text for line in lines if line.task == f"Step #{number}"]
    if len(build.proto.steps) == 1 and not own:  # its log does not name the step
        own = [line.text for line in lines]
    return BuildFailed(
        f"build {build.id} ended {state}: step {title} ({step.name}): {how}",
        build=build.name, state=state, step=step.id or str(number), log_tail=own[-_TAIL:], next_step=next_step,
    )  # fmt: skip
