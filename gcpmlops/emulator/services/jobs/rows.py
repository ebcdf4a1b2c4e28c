"""The stored rows of one kind of job: what may follow on what, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.rpc import status_pb2

from gcpmlops.emulator.kernel import filters, names, paging
from gcpmlops.emulator.kernel.errors import to_status
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.training_spec import State

M = TypeVar("M")

FINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})
RESTARTED = "The emulator was restarted while the job ran."
RESTARTED_BEFORE = "The emulator was restarted before the job's turn came."
_PARENT = "projects/{project}/locations/{location}"
_OUTPUT_ONLY = ("start_time", "end_time", "error", "web_access_uris")
_CANCELLED = status_pb2.Status(code=1, message="CANCELED")


class JobRows(Generic[M]):
    """Jobs of one message type, under `PARENT/COLLECTION/ID`.

    Args:
        context: the store and the clock.
        message_type: `CustomJob`, `HyperparameterTuningJob`, `TrainingPipeline`, ...
        collection: the name's segment, e.g. `customJobs`.
        states: the enum of `state`, `JobState` or `PipelineState`.
    """

    def __init__(self, context: Context, message_type: type[M], collection: str, states: Any = types.JobState) -> None:
        self._context = context
        self._rows: Any = context.store.collection(message_type)
        self._type: Any = message_type
        self._collection = collection
        self._states = states
        self._prefix = states(0).name.removesuffix("UNSPECIFIED")

    def insert(self, parent: str, message: M) -> M:
        """A new job, QUEUED, with a name of its own; what only the service may say is cleared."""
        names.parse(_PARENT, parent)
        job = self._type(message)
        job.name = f"{parent}/{self._collection}/{names.new_id()}"
        job.state = self.enum(State.QUEUED)
        job.create_time = job.update_time = self._context.clock.now()
        for field in _OUTPUT_ONLY:
            if field in self._type.meta.fields:
                setattr(job, field, None)
        inserted: M = self._rows.insert(job.name, job, parent=parent)
        self._context.agenda.begin(job.name)  # a clock that is moved waits for it
        return inserted

    def get(self, name: str) -> M:
        """Raises: InvalidArgument for another form of name, NotFound."""
        names.parse(f"{_PARENT}/{self._collection}/{{job}}", name)
        found: M = self._rows.get(name)
        return found

    def page(self, request: Any) -> tuple[list[M], str]:
        """One page of what a List request asks for, newest first, and the next page's token."""
        names.parse(_PARENT, request.parent)
        found = [job for job in reversed(self._rows.list(request.parent)) if filters.matches(request.filter, job)]
        items, token = paging.page(found, request)
        return list(items), token

    def update(self, name: str, state: State | None = None, **fields: Any) -> M:
        """Sets fields. Never takes a job out of a final state, nor from CANCELLING into one that is not final."""

        def change(job: Any) -> None:
            if state is not None and not (self.state(job) is State.CANCELLING and state not in FINAL):
                job.state = self.enum(state)
            for key, value in fields.items():
                setattr(job, key, value)

        return self.change(name, change)

    def change(self, name: str, change: Callable[[Any], None]) -> M:
        """Edits a job in place, unless it has ended; returns it as it is then stored."""
        has_ended = False

        def edit(job: Any) -> Any:
            nonlocal has_ended
            if self.state(job) not in FINAL:
                change(job)
                job.update_time = self._context.clock.now()
                has_ended = self.state(job) in FINAL
            return job

        changed: M = self._rows.update(name, edit)
        if has_ended:
            self._context.agenda.end(name)
        return changed

    def finish(self, name: str, state: State, error: Exception | None = None) -> M:
        """The final state, the end time and the reason."""
        status = to_status(error) if error is not None else _CANCELLED if state is State.CANCELLED else None
        return self.update(name, state, end_time=self._context.clock.now(), error=status)

    def delete_ended(self, name: str) -> operations_pb2.Operation:
        """Deletes a job. Raises: FailedPrecondition where it has not ended."""
        job: Any = self.get(name)
        if self.state(job) not in FINAL:
            raise exceptions.FailedPrecondition(
                f"{name} is in state {job.state.name} and can't be deleted: cancel it first."
            )
        self._rows.delete(name)
        parent = name.partition(f"/{self._collection}/")[0]
        return self._context.operations.finished(parent=parent, metadata=types.DeleteOperationMetadata(), response=None)

    def unfinished(self) -> list[M]:
        """What has not ended, the oldest first: at a start, what an earlier emulator left."""
        return [job for job in self._rows.list() if self.state(job) not in FINAL]

    def fail_unfinished(self, reason: str = "") -> list[M]:
        """Ends what an earlier emulator left, and returns it; without a `reason`, with that of a restart."""
        return [self._fail(job, reason) for job in self.unfinished()]

    def _fail(self, job: Any, reason: str) -> M:
        own = RESTARTED_BEFORE if self.state(job) is State.QUEUED else RESTARTED
        return self.finish(job.name, State.FAILED, exceptions.Aborted(reason or own))

    def state(self, job: Any) -> State | None:
        """A job's state; None for one that has no counterpart here (PAUSED, ...)."""
        word = self._states(job.state).name.removeprefix(self._prefix)
        return State(word) if word in State.__members__ else None

    def enum(self, state: State) -> Any:
        """The enum value of a state."""
        return self._states[f"{self._prefix}{state.value}"]
