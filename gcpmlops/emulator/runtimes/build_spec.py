"""What a build runs, free of any service's messages, and how its steps end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum


class StepState(Enum):
    """The values are the names in `Build.Status`."""

    QUEUED = "QUEUED"
    WORKING = "WORKING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    TIMEOUT = "TIMEOUT"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class StepSpec:
    """One step, with every substitution made.

    Attributes:
        index: its place in the build.
        image: the URI.
        entrypoint: in place of the image's own; empty: that one.
        args: its arguments.
        script: what runs in place of entrypoint and arguments.
        folder: where it runs, below /workspace unless it is absolute.
        env: its variables, without secrets.
        secrets: those with a secret's value.
        volumes: the volume's name by its path.
        after: the steps that it waits for.
        timeout_s: None: as long as the build.
        allow_failure: whether the build goes on whatever its exit code is.
        allow_exit_codes: codes with which the build goes on.
    """

    index: int
    image: str
    entrypoint: str = ""
    args: Sequence[str] = ()
    script: str = ""
    folder: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    volumes: Mapping[str, str] = field(default_factory=dict)
    after: frozenset[int] = frozenset()
    timeout_s: float | None = None
    allow_failure: bool = False
    allow_exit_codes: frozenset[int] = frozenset()

    def tolerates(self, end: StepEnd) -> bool:
        """Whether the build goes on after the step did not succeed, but ended like that."""
        if end.state is StepState.FAILURE:
            return self.allow_failure or end.code in self.allow_exit_codes
        return self.allow_failure and end.state is StepState.TIMEOUT


@dataclass(frozen=True)
class StepEnd:
    """How a step ended; `reason` says it in words where it did not succeed."""

    state: StepState
    code: int | None = None
    reason: str = ""
