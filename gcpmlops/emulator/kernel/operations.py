"""Long-running operations (AIP-151): started by services, polled by clients, kept over restarts."""

from __future__ import annotations

import contextvars
import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import Executor, wait
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, Protocol

from google.api_core import exceptions
from google.longrunning import operations_pb2
from google.protobuf import any_pb2, duration_pb2, empty_pb2
from google.rpc import status_pb2

from gcpmlops.emulator.kernel import filters, names, paging
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.kernel.errors import to_status
from gcpmlops.emulator.kernel.masks import raw

log = logging.getLogger(__name__)
Operation = operations_pb2.Operation

_PACKAGE = re.compile(r"\.(\w+)\.v\d\w*\.\w+$")
_SOON_S = 0.05  # what is done so soon is answered as done: clients look again only after a second


class OperationRows(Protocol):
    """``state.Collection[Operation]``."""

    def get(self, name: str) -> Any: ...
    def find(self, name: str) -> Any: ...
    def insert(self, name: str, message: Any) -> Any: ...
    def put(self, name: str, message: Any) -> Any: ...
    def update(self, name: str, change: Callable[[Any], Any]) -> Any: ...
    def delete(self, name: str) -> Any: ...
    def list(self, parent: str | None = None) -> Any: ...


class Operations:
    """Runs work in the background and answers ``google.longrunning.Operations``.

    ``busy`` is open while an operation runs: a clock that is moved waits for it.
    """

    def __init__(
        self,
        rows: OperationRows,
        clock: Clock,
        pool: Executor,
        *,
        busy: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext(),
    ) -> None:
        self._busy = busy
        self._rows = rows
        self._clock = clock
        self._pool = pool
        self._changed = threading.Condition()
        self._cancels: dict[str, Callable[[], None]] = {}

    def start(
        self, *, parent: str, metadata: Any, run: Callable[[], Any], on_cancel: Callable[[], None] | None = None
    ) -> operations_pb2.Operation:
        """Starts ``run`` in the background; where that takes but a moment, the operation is done.

        Args:
            parent: the resource or location that the operation stands below.
            metadata: the RPC's operation metadata message.
            run: returns the response message (None is Empty); what it raises becomes ``operation.error``.
            on_cancel: called when a client cancels; ``run`` should end soon after. Without it, cancelling is refused.
        """
        name = f"{parent}/operations/{names.new_id()}"
        version = current_call().version
        operation = Operation(name=name, metadata=_pack(self._stamped(metadata), version))
        self._rows.insert(name, operation)
        if on_cancel is not None:
            self._cancels[name] = on_cancel
        context = contextvars.copy_context()
        open_ = ExitStack()
        open_.enter_context(self._busy(name))
        try:
            running = self._pool.submit(context.run, self._run, name, run, version)
        except BaseException:  # the emulator stops
            open_.close()
            raise
        running.add_done_callback(lambda _: open_.close())
        wait([running], timeout=_SOON_S)
        return self._rows.find(name) or operation

    def finished(self, *, parent: str = "", name: str = "", metadata: Any, response: Any) -> operations_pb2.Operation:
        """An operation whose work is done already, below a parent or under a name of its own."""
        name = name or f"{parent}/operations/{names.new_id()}"
        version = current_call().version
        operation = Operation(name=name, done=True, metadata=_pack(self._stamped(metadata), version))
        operation.response.CopyFrom(_pack(response, version))
        self._rows.insert(name, operation)
        return operation

    def open(self, name: str, *, metadata: Any, on_cancel: Callable[[], None]) -> operations_pb2.Operation:
        """An operation whose work others do, under a name of their choice, until they `settle` it.

        One of that name that is there already (its work goes on after a restart) is opened again.
        """
        operation = Operation(name=name, metadata=_pack(metadata, "v1"))
        self._rows.put(name, operation)
        self._cancels[name] = on_cancel
        return operation

    def tell(self, name: str, metadata: Any) -> None:
        """How far the work of an open operation is."""
        packed = _pack(metadata, "v1")
        self._rows.update(name, lambda operation: operation.metadata.CopyFrom(packed))

    def settle(self, name: str, *, response: Any = None, error: status_pb2.Status | None = None) -> None:
        """Ends an open operation, by its response or an error."""
        self._finish(name, response=None if error is not None else _pack(response, "v1"), error=error)
        self._cancels.pop(name, None)

    def failed(self, *, parent: str, metadata: Any, error: BaseException) -> operations_pb2.Operation:
        """An operation that came to nothing."""
        name = f"{parent}/operations/{names.new_id()}"
        packed = _pack(self._stamped(metadata), current_call().version)
        operation = Operation(name=name, done=True, metadata=packed, error=to_status(error))
        self._rows.insert(name, operation)
        return operation

    def fail_unfinished(self, reason: str) -> int:
        """After a restart: nothing runs any more for what is not done. Returns how many there were."""
        open_ones = [operation.name for operation in self._rows.list() if not operation.done]
        for name in open_ones:
            self._finish(name, error=status_pb2.Status(code=10, message=reason))
        return len(open_ones)

    def get_operation(self, request: Any) -> operations_pb2.Operation:
        return self._rows.get(request.name)

    def list_operations(self, request: Any) -> operations_pb2.ListOperationsResponse:
        """Those of the API that is asked: a client doesn't know the messages of another."""
        parent, host = request.name.removesuffix("/operations"), current_call().host
        found = [op for op in self._rows.list() if op.name.startswith(f"{parent}/") and _is_of(host, op)]
        chosen = [op for op in found if filters.matches(request.filter, op)]
        items, token = paging.page(chosen, request)
        return operations_pb2.ListOperationsResponse(operations=items, next_page_token=token)

    def delete_operation(self, request: Any) -> empty_pb2.Empty:
        if not self._rows.get(request.name).done:
            raise exceptions.FailedPrecondition(f"Operation {request.name} is still running: cancel it first.")
        self._rows.delete(request.name)
        return empty_pb2.Empty()

    def cancel_operation(self, request: Any) -> empty_pb2.Empty:
        """Best effort, as everywhere: a finished operation stays as it is."""
        operation = self._rows.get(request.name)
        cancel = self._cancels.get(request.name)
        if not operation.done and cancel is None:
            raise exceptions.MethodNotImplemented(f"Operation {request.name} can't be cancelled.")
        if cancel is not None:
            cancel()
        return empty_pb2.Empty()

    def wait_operation(self, request: Any) -> operations_pb2.Operation:
        """Returns the operation when it is done, or as it is after ``request.timeout``."""
        seconds = _seconds(request.timeout) if request.HasField("timeout") else None
        limit = current_call().remaining()
        bounds = [value for value in (seconds, limit, 600.0) if value is not None]
        with self._changed:
            self._changed.wait_for(lambda: self._rows.get(request.name).done, timeout=min(bounds))
        return self._rows.get(request.name)

    def _run(self, name: str, run: Callable[[], Any], version: str) -> None:
        try:
            response = run()
        except Exception as error:  # noqa: BLE001 - whatever went wrong is the operation's error
            self._finish(name, error=to_status(error))
        else:
            self._finish(name, response=_pack(response, version))
        finally:
            self._cancels.pop(name, None)

    def _finish(
        self, name: str, *, response: any_pb2.Any | None = None, error: status_pb2.Status | None = None
    ) -> None:
        def change(operation: operations_pb2.Operation) -> None:
            operation.done = True
            if error is not None:
                operation.error.CopyFrom(error)
            elif response is not None:
                operation.response.CopyFrom(response)

        try:
            self._rows.update(name, change)
        except exceptions.NotFound:  # reset or deleted meanwhile
            log.info("operation %s is gone before it ended", name)
        with self._changed:
            self._changed.notify_all()

    def _stamped(self, metadata: Any) -> Any:
        message = raw(metadata)
        generic = getattr(message, "generic_metadata", None)
        if generic is not None:
            for stamp in (generic.create_time, generic.update_time):
                stamp.FromDatetime(self._clock.now())
        return message


def _is_of(host: str, operation: operations_pb2.Operation) -> bool:
    """By the package of its metadata, google.cloud.functions.v2; all of them for another address than Google's."""
    package = _PACKAGE.search(operation.metadata.type_url)
    return not host.endswith(".googleapis.com") or package is None or package[1] in host


def _pack(message: Any, version: str) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(empty_pb2.Empty() if message is None else raw(message))
    if version == "v1beta1":  # a beta client unpacks its own type; the bytes are the same
        packed.type_url = packed.type_url.replace(".v1.", ".v1beta1.")
    return packed


def _seconds(duration: duration_pb2.Duration) -> float:
    return float(duration.seconds) + float(duration.nanos) / 1e9
