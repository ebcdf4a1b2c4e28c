"""What a deployed model's processes are started from, and how one that does not start is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.process import Exit, ProcessSpec
from gcpmlops.emulator.runtimes.scaling import Scaling
from gcpmlops.emulator.runtimes.unix_http import UnixHttp

TAIL_LINES = 20


class ServerStoppedError(exceptions.ServiceUnavailable):
    """The model was undeployed before anything of this request was sent to it: another one may answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call]  # google.api_core has no annotations here


class NeverReadyError(exceptions.FailedPrecondition):
    """The process runs, and its health route does not answer 200."""

    def __init__(self, message: str) -> None:
        super().__init__(message)  # type: ignore[no-untyped-call]  # as above


@dataclass(frozen=True)
class HealthProbe:
    """How a running process is watched; times in seconds.

    Every `period` comes a GET of `path` (empty: the health route) that may take `timeout`; where it fails for as long
    as so many `failures` in a row take, the process is started anew.
    """

    path: str = ""
    period: float = 3.0
    timeout: float = 3.0
    failures: int = 3


@dataclass(frozen=True)
class ServerSpec:
    """A deployed model, as its processes need it.

    `model_dir`: the artifacts; times in seconds; `grpc`: spoken, too; `account`: the service account that it runs as.
    """

    name: str
    image: str
    model_dir: Path
    artifact_uri: str
    health_route: str
    predict_route: str
    env: Mapping[str, str] = field(default_factory=dict)
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    ready_seconds: float = 300.0
    scaling: Scaling = field(default_factory=Scaling)
    probe: HealthProbe = field(default_factory=HealthProbe)
    grpc: bool = False
    account: str = ""

    @property
    def health_path(self) -> str:
        """What is asked for health."""
        return self.probe.path or self.health_route


@dataclass(frozen=True)
class Launch:
    """One start of one process: what to run, and where it will answer."""

    process: ProcessSpec
    client: UnixHttp
    gone: Callable[[], None] = lambda: None
    """Called once it has ended."""


Launcher = Callable[[ServerSpec], Launch]


def exited(spec: ServerSpec, result: Exit | None) -> exceptions.FailedPrecondition:
    """The error of a server that ended before it was healthy, with its last words."""
    how = result.describe() if result else "still running"
    return exceptions.FailedPrecondition(
        f"Model server of {spec.name} exited unexpectedly ({how}). {_last_words(result)}"
    )


def never_ready(spec: ServerSpec, health: str, result: Exit | None) -> NeverReadyError:
    """The error of a server that runs and does not get healthy; `health` is what its health route did last."""
    return NeverReadyError(
        f"Model server of {spec.name} never became ready in {spec.ready_seconds:g} s: {spec.health_path} {health}. "
        f"{_last_words(result)}"
    )


def _last_words(result: Exit | None) -> str:
    tail = "\n".join(result.tail[-TAIL_LINES:]) if result and result.tail else "(it printed nothing)"
    return f"Please validate that your model file or container configuration are valid. Its last log lines:\n{tail}"
