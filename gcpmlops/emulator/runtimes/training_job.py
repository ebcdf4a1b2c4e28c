"""One training job: prepared, run to its end, and told about."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.attempts import Attempts
from gcpmlops.emulator.runtimes.cancellation import Cancellation, Cancelled
from gcpmlops.emulator.runtimes.gcs_paths import GcsPaths
from gcpmlops.emulator.runtimes.log_limit import LogLimit
from gcpmlops.emulator.runtimes.preparation import Preparation
from gcpmlops.emulator.runtimes.replicas import OnTaskLine, Replicas
from gcpmlops.emulator.runtimes.training_spec import State, TrainingSpec
from gcpmlops.emulator.runtimes.workspace import Workspace

if TYPE_CHECKING:
    from gcpmlops.emulator.runtimes.training import Training

log = logging.getLogger(__name__)

OnState = Callable[[State, Exception | None], None]
"""Called with each new state; FAILED comes with the reason as a Google API error."""


class TrainingJob:
    """One job; made by `Training`."""

    def __init__(self, training: Training, spec: TrainingSpec, on_state: OnState, on_line: OnTaskLine) -> None:
        self._training = training
        self._spec = spec
        self._on_state = on_state
        self._log = LogLimit(on_line)
        self._on_line = self._log.line
        self._cancellation = Cancellation()
        self._thread = threading.Thread(target=self._run, name=f"job-{spec.job_id}", daemon=True)

    def begin(self) -> None:
        """Starts the job's thread."""
        self._thread.start()

    def cancel(self) -> None:
        """Asks the job to stop, in whatever phase it is; returns at once."""
        self._cancellation.request()

    def join(self, timeout: float | None = None) -> None:
        """Waits until the final state was told, `timeout` seconds at most."""
        self._thread.join(timeout)

    def _run(self) -> None:
        state, error = State.FAILED, None
        try:
            self._on_state(State.PENDING, None)
            self._cancellation.check()
            self._execute()
            state = State.SUCCEEDED
        except Cancelled:
            state = State.CANCELLED
        except exceptions.GoogleAPICallError as failure:
            error = failure
        except Exception as failure:
            log.exception("job %s", self._spec.job_id)
            error = _reason(failure)
        self._on_state(state, error)

    def _execute(self) -> None:
        with ExitStack() as cleanups:
            cleanups.callback(self._log.close)
            workspace = Workspace(self._training.directory / self._spec.job_id)
            cleanups.callback(workspace.remove)
            gcs = GcsPaths(workspace.gcs, self._training.store, self._note)
            prepared = Preparation(
                self._training, self._spec, workspace, gcs, self._cancellation, self._on_line, cleanups
            ).all()
            self._cancellation.check()
            with gcs.kept_in_store():
                Attempts(self._spec, self._replicas, self._started, self._note).until_done(prepared)

    def _replicas(self) -> Replicas:
        return Replicas(self._training.processes, self._cancellation, self._on_line)

    def _started(self) -> None:
        self._on_state(State.RUNNING, None)

    def _note(self, text: str) -> None:
        self._on_line("service", "stderr", text)


def _reason(failure: Exception) -> exceptions.GoogleAPICallError:
    if isinstance(failure, OSError) and failure.errno == errno.E2BIG:
        return exceptions.InvalidArgument(
            "The job's arguments and variables are too long for this system: each may have 128 KiB at most, and so may "
            "the whole specification, which CLUSTER_SPEC repeats."
        )
    return exceptions.InternalServerError(f"The job could not be run: {failure}")
