"""The processes of one attempt at a training job, from the first start to the last exit."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.process import Exit, Process, Processes, ProcessSpec
from gcpmlops.emulator.runtimes.training_spec import Replica

OnTaskLine = Callable[[str, str, str], None]
"""Called with task name (`workerpool0-0`), stream and text."""

_TAIL_LINES = 20
_HINT = (
    "\nHint: this machine does not let a job mount /gcs. Give the path as an argument or an environment variable, "
    "where it is rewritten, or write to the gs:// URI in AIP_MODEL_DIR, AIP_CHECKPOINT_DIR or AIP_TENSORBOARD_LOG_DIR "
    "through the Cloud Storage client."
)


@dataclass(frozen=True)
class Prepared:
    """A replica, ready to start."""

    replica: Replica
    spec: ProcessSpec


@dataclass(eq=False)
class ReplicaFailed(Exception):  # noqa: N818 - the event, which may be got over
    """A replica ended otherwise than by code 0."""

    replica: Replica
    result: Exit
    sees_gcs: bool

    @property
    def status(self) -> int:
        """The exit code as a shell has it: 128 and the signal's number where a signal ended it."""
        return self.result.code if self.result.code is not None else 128 + (self.result.signal or 0)

    def describe(self) -> str:
        """Vertex AI's own sentence."""
        if self.result.timed_out:
            return f"The replica {self.replica.name} was stopped: scheduling.timeout ran out."
        reason = "Error" if self.result.code is not None else self.result.describe()
        return (
            f"The replica {self.replica.name} exited with a non-zero status of {self.status}. "
            f"Termination reason: {reason}."
        )

    def error(self) -> exceptions.GoogleAPICallError:
        """DeadlineExceeded after the timeout, else InvalidArgument, as Vertex AI has it; with the last log lines."""
        tail = "\n".join(self.result.tail[-_TAIL_LINES:])
        shown = f"\nLast log lines:\n{tail}" if tail else ""
        hint = _HINT if "/gcs/" in tail and not self.sees_gcs else ""
        kind = exceptions.DeadlineExceeded if self.result.timed_out else exceptions.InvalidArgument
        return kind(f"{self.describe()}{shown}{hint}")


class Replicas:
    """Runs the replicas of one job together, once."""

    def __init__(self, processes: Processes, cancellation: Cancellation, on_line: OnTaskLine) -> None:
        self._processes = processes
        self._cancellation = cancellation
        self._on_line = on_line
        self._exits: queue.Queue[tuple[Replica, Exit]] = queue.Queue()

    def until_done(self, prepared: Sequence[Prepared], started: Callable[[], None]) -> None:
        """Runs to the end of the primary replica, or to the first failure; then ends what is left.

        Raises: Cancelled, ReplicaFailed.
        """
        with ExitStack() as stack:
            running = {item.replica: self._start(item) for item in prepared}
            for process in running.values():
                stack.enter_context(self._cancellation.calls(process.cancel))
            started()
            first = self._first_decisive(len(running))
            for process in running.values():
                process.cancel()
            for process in running.values():
                process.wait()
        self._cancellation.check()
        if first is not None:
            replica, result = first
            raise ReplicaFailed(replica, result, sees_gcs=running[replica].sees_mounts)

    def _start(self, item: Prepared) -> Process:
        name = item.replica.name
        return self._processes.start(
            item.spec,
            lambda stream, text: self._on_line(name, stream, text),
            lambda result: self._exits.put((item.replica, result)),
        )

    def _first_decisive(self, count: int) -> tuple[Replica, Exit] | None:
        """The first failure, or None once the primary replica has succeeded."""
        for _ in range(count):
            replica, result = self._exits.get()
            if not result.ok:
                return replica, result
            if replica.pool_index == 0 and replica.index == 0:
                return None
        return None
