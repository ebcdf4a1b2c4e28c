"""Everything that the library raises on purpose.

GcpMlopsError                an error that names the resource and the next step
├── InvalidArgument          field, value, allowed: what was wrong and what would be right
│   ├── PreflightFailed      problems: what would have made the job fail
│   └── ConfigError          a setting is missing, unknown or unreadable; source: where it came from
├── NotFound                 the resource does not exist
├── AlreadyExists            a resource of that name exists
├── FailedPrecondition       the resource is in a state that forbids it (not empty, still deployed, changed meanwhile)
│   └── ServingCheckFailed   stage, log_tail, result: the model would not serve; nothing was registered
├── Unauthenticated          no credentials, or they were refused
├── PermissionDenied         permission, role, principal, fix: the command that grants it
├── QuotaExceeded            quota: the limit that was hit
├── Unavailable              the service cannot be reached, or did not answer in time
│   └── DeadlineExceeded     the time given to a call or a wait ran out
├── Unimplemented            the service does not have this method
├── JobFailed                job, state, exit_code, cause, log_tail
│   └── JobCancelled         the job was cancelled
├── BuildFailed              build, state, step, log_tail: a build ended without success
├── DeliveryFailed           step, delivery: a step failed, or the model was refused
├── FunctionFailed           status, body: a function answered an error of its own
├── MissingExtra             extra: what to install, as in pip install 'gcpmlops[plots]'
├── RolloutFailed            rollout: steps, reasons and figures of a deployment that was undone or stopped
├── OperationFailed          a long-running operation ended with an error (a deployment that never became healthy)
└── DataCheckFailed          report: every check with what was found

`translated()` turns google.api_core exceptions into these; the original stays as `__cause__`.
"""

# ruff: noqa: N818 - named as Google names the status codes, so that one vocabulary serves both

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcpmlops._endpoints.rollout import Rollout, Step
    from gcpmlops._models.serving_check import ServingCheck
    from gcpmlops._preflight import Problem
    from gcpmlops.checks import CheckReport
    from gcpmlops.cicd import Delivery


class GcpMlopsError(Exception):
    """Base of all. `message` says what happened to which `resource`; `next_step` says what to do about it."""

    def __init__(self, message: str, *, resource: str = "", next_step: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.resource = resource
        self.next_step = next_step

    def __str__(self) -> str:
        return f"{self.message}\n{self.next_step}" if self.next_step else self.message


class InvalidArgument(GcpMlopsError):
    """A value that cannot be right: `field` names it, `allowed` says what is."""

    def __init__(
        self,
        message: str = "",
        *,
        field: str = "",
        value: object = None,
        allowed: str = "",
        resource: str = "",
        next_step: str = "",
    ) -> None:
        self.field, self.value, self.allowed = field, value, allowed
        message = message or f"{field}: {value!r} is not valid"
        super().__init__(message, resource=resource, next_step=next_step or (f"Allowed: {allowed}" if allowed else ""))


class ConfigError(InvalidArgument):
    """A setting is missing, unknown or unreadable."""


class PreflightFailed(InvalidArgument):
    """The job would fail; `problems` says of each why, where and what to do. Nothing was started."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        found = "\n".join(f"  {problem}" for problem in self.problems)
        count = f"{len(self.problems)} problem{'s' * (len(self.problems) > 1)}"
        super().__init__(
            f"the job would fail: {count}\n{found}",
            field="source",
            next_step="Nothing was started. To start it all the same: preflight=False (--no-preflight).",
        )


class NotFound(GcpMlopsError):
    """The resource does not exist."""


class AlreadyExists(GcpMlopsError):
    """A resource of that name exists already."""


class FailedPrecondition(GcpMlopsError):
    """The state of the resource forbids the call."""


class ServingCheckFailed(FailedPrecondition):
    """A model server did not start, answer or keep its limits; `result` has what was measured."""

    def __init__(self, result: ServingCheck) -> None:
        self.result, self.stage, self.log_tail = result, result.stage, tuple(result.log_tail)
        super().__init__(
            f"the serving check failed at {result.stage}: {result.error}",
            next_step="Nothing was registered. To register it all the same: check=False (--no-check).",
        )

    def __str__(self) -> str:
        tail = "\n".join(f"    {line}" for line in self.log_tail if line.strip() not in self.message)
        return "\n".join(part for part in (self.message, tail, self.next_step) if part)


class Unauthenticated(GcpMlopsError):
    """No credentials were found, or they were refused."""


class PermissionDenied(GcpMlopsError):
    """The caller may not do this; `fix` is the command that would allow it."""

    def __init__(
        self,
        message: str,
        *,
        resource: str = "",
        permission: str = "",
        role: str = "",
        principal: str = "",
        fix: str = "",
    ) -> None:
        self.permission, self.role, self.principal, self.fix = permission, role, principal, fix
        super().__init__(message, resource=resource, next_step=f"Fix: {fix}" if fix else "")


class QuotaExceeded(GcpMlopsError):
    """A limit was hit; `quota` names it where Google does."""

    def __init__(self, message: str, *, resource: str = "", quota: str = "", next_step: str = "") -> None:
        self.quota = quota
        super().__init__(message, resource=resource, next_step=next_step)


class Unavailable(GcpMlopsError):
    """The service cannot be reached."""


class DeadlineExceeded(Unavailable):
    """The time given ran out; what was started may still be going on."""


class Unimplemented(GcpMlopsError):
    """The service does not have this method."""


class JobFailed(GcpMlopsError):
    """A job ended without success. `cause` is the line that most likely says why; `log_tail` its last log lines."""

    def __init__(
        self,
        message: str,
        *,
        job: str = "",
        state: str = "",
        exit_code: int | None = None,
        cause: str = "",
        log_tail: Sequence[str] = (),
        next_step: str = "",
    ) -> None:
        self.job, self.state, self.exit_code, self.cause, self.log_tail = job, state, exit_code, cause, tuple(log_tail)
        super().__init__(message, resource=job, next_step=next_step)

    def __str__(self) -> str:
        said = all(line.strip() in self.message for line in self.log_tail)  # the service's reason may quote them
        tail = "" if said else "\n".join(f"    {line}" for line in self.log_tail)
        return "\n".join(part for part in (self.message, tail, self.next_step) if part)


class JobCancelled(JobFailed):
    """The job was cancelled before it ended."""


class BuildFailed(GcpMlopsError):
    """A build ended without success: `step` is the one that failed, `log_tail` its last lines."""

    def __init__(
        self,
        message: str,
        *,
        build: str,
        state: str,
        step: str = "",
        log_tail: Sequence[str] = (),
        next_step: str = "",
    ) -> None:
        self.build, self.state, self.step, self.log_tail = build, state, step, tuple(log_tail)
        super().__init__(message, resource=build, next_step=next_step)

    def __str__(self) -> str:
        tail = "\n".join(f"    {line}" for line in self.log_tail)
        return "\n".join(part for part in (self.message, tail, self.next_step) if part)


class DeliveryFailed(GcpMlopsError):
    """A step of a delivery failed, or its model was refused; `delivery` has every step as it ended."""

    def __init__(self, message: str, *, step: str, delivery: Delivery) -> None:
        self.step, self.delivery = step, delivery
        super().__init__(message)


class OperationFailed(GcpMlopsError):
    """A long-running operation ended with an error; the message is the service's own."""


class FunctionFailed(GcpMlopsError):
    """A function answered an error of its own: `status` is HTTP's, `body` what it said (bytes)."""

    def __init__(self, message: str, *, status: int, body: bytes, resource: str = "", next_step: str = "") -> None:
        self.status, self.body = status, body
        super().__init__(message, resource=resource, next_step=next_step)


class RolloutFailed(GcpMlopsError):
    """A rollout was undone, or stopped as somebody else changed the endpoint; `rollout` has what was measured."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        name = rollout.endpoint.rpartition("/")[2]
        undone = rollout.decision == "ROLLED_BACK"
        done = f"the traffic is what it was: {dict(rollout.previous)}" if undone else "the traffic was left as it is"
        why = "\n".join(f"  {line}" for line in [*map(str, rollout.steps), *(rollout.reasons if not undone else ())])
        step = f"Where it stands: `gcpmlops endpoints get {name}`; back to what served: `... rollback {name}`."
        super().__init__(
            f"{rollout.model} was not promoted: {'; '.join(rollout.reasons)}; {done}" + (f"\n{why}" if why else ""),
            resource=rollout.endpoint,
            next_step="\n".join([*rollout.notes, *([] if undone else [step])]),
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps with their figures."""
        return self.rollout.steps

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why, with figures."""
        return self.rollout.reasons


class MissingExtra(GcpMlopsError):
    """A package is not installed that one of the extras brings: `extra` names it."""

    def __init__(self, message: str, *, extra: str) -> None:
        self.extra = extra
        super().__init__(message, next_step=f"Install it with: pip install 'gcpmlops[{extra}]'")


class DataCheckFailed(GcpMlopsError):
    """At least one data check failed; `report` has them all."""

    def __init__(self, message: str, *, report: CheckReport) -> None:
        self.report = report
        super().__init__(message, resource=report.table)


def translated(resource: str = "", *, next_step: str = "") -> Any:
    """Context manager and decorator: google.api_core exceptions leave it as the ones above, about `resource`."""
    from gcpmlops._translate import Translated

    return Translated(resource, next_step)
