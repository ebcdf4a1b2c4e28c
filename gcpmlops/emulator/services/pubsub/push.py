"""Push delivery: an HTTP call a message, as many at a time as the endpoint keeps up with, back-off where it fails."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

from google.pubsub_v1 import types

from gcpmlops.emulator.kernel.agenda import Appointment
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.outbound import Outbound, UnreachableError
from gcpmlops.emulator.services.pubsub import wrapping
from gcpmlops.emulator.services.pubsub.backlog import Want
from gcpmlops.emulator.services.pubsub.lanes import Lease
from gcpmlops.emulator.services.pubsub.names import AckId
from gcpmlops.emulator.services.pubsub.queues import Queue

log = logging.getLogger(__name__)

_FIRST_WINDOW, _WINDOW = 3, 32  # calls to one endpoint at a time
_IN_A_ROW = 5  # failures after which an endpoint is left alone for a while
_LEAST_S, _MOST_S = 0.1, 60.0  # that while
_SUCCESS = (102, 200, 201, 202, 204)


class Pusher:
    """Has every subscription with an endpoint pushed."""

    def __init__(self, context: Context, outbound: Outbound, write_log: WriteLog) -> None:
        self._context = context
        self._outbound = outbound
        self._write_log = write_log
        self._pushes: dict[str, Push] = {}

    def serve(self, queue: Queue) -> None:
        """Begins or stops, as the subscription's configuration has it."""
        endpoint = queue.resource.push_config.push_endpoint
        push = self._pushes.get(queue.name)
        if push is not None and push.queue is queue and push.endpoint == endpoint:
            return
        self._pushes.pop(queue.name, None)
        queue.on_ready = None
        if endpoint:
            push = self._pushes[queue.name] = Push(queue, self._context, self._outbound, self._write_log)
            queue.on_ready = push.wake
            push.wake()


class Push:
    """One subscription's calls to one endpoint. The window grows by a success and is halved by a failure."""

    def __init__(self, queue: Queue, context: Context, outbound: Outbound, write_log: WriteLog) -> None:
        self.queue = queue
        self.endpoint: str = queue.resource.push_config.push_endpoint
        self._context = context
        self._outbound = outbound
        self._write_log = write_log
        self._lock = threading.Lock()
        self._window = _FIRST_WINDOW
        self._workers = 0
        self._failures = 0  # in a row
        self._pause: Appointment | None = None

    def wake(self) -> None:
        """There may be messages: has them sent."""
        with self._lock:
            free = self._window - self._workers
            for _ in range(min(free, self.queue.backlog.ready) if self._has_work() else 0):
                self._workers += 1
                self._context.agenda.begin(self.queue.name)
                # Not a pool's: those are waited for at the end of the process, and an endpoint may hang for long.
                threading.Thread(target=self._work, name="push", daemon=True).start()

    def _has_work(self) -> bool:
        is_served = self.queue.on_ready == self.wake and not self.queue.is_deleted
        return is_served and self._pause is None and self.queue.backlog.ready > 0

    def _left(self) -> None:
        self._workers -= 1
        self._context.agenda.end(self.queue.name)

    def _work(self) -> None:
        try:
            while lease := self._next():
                try:
                    self._deliver(lease)
                except Exception:  # a defect here must not keep a message
                    log.exception("pushing for %s failed", self.queue.name)
                    self.queue.fail([lease])
                self.wake()
        except Exception:
            log.exception("a worker of %s ended", self.queue.name)
            with self._lock:
                self._left()

    def _next(self) -> Lease | None:
        """The next message; None ends the worker, which is no longer counted then."""
        with self._lock:
            taken: list[Lease] = []
            if self._has_work() and self._workers <= self._window:
                taken = self.queue.take(Want(messages=1, one_by_one=True))
            if not taken:
                self._left()
            return taken[0] if taken else None

    def _deliver(self, lease: Lease) -> None:
        failure = self._failure(lease)
        if failure is None:
            self._succeeded()
            self.queue.acknowledge([AckId(lease.number, lease.token)])
        else:
            self._failed(failure)
            self.queue.fail([lease])

    def _failure(self, lease: Lease) -> str | None:
        """Sends it; what is wrong with the answer, or None."""
        resource = types.Subscription.pb(self.queue.resource)
        config = resource.push_config
        content = wrapping.content(resource, lease.message, self.queue.attempt(lease))
        headers = {**content.headers, **self._token(config)}
        timeout = float(resource.ack_deadline_seconds)
        try:
            answer = self._outbound.send(
                "POST", config.push_endpoint, headers=headers, body=content.body, timeout=timeout
            )
        except UnreachableError as error:
            return str(error)
        return None if answer.status in _SUCCESS else f"HTTP {answer.status}"

    def _token(self, config: Any) -> dict[str, str]:
        if not config.HasField("oidc_token"):
            return {}
        token = config.oidc_token
        return self._outbound.oidc(token.service_account_email, token.audience or config.push_endpoint)

    def _succeeded(self) -> None:
        with self._lock:
            self._window = min(_WINDOW, self._window + 1)
            self._failures = 0

    def _failed(self, failure: str) -> None:
        with self._lock:
            self._window = max(1, self._window // 2)
            self._failures += 1
            failures = self._failures
            if failures >= _IN_A_ROW and self._pause is None:
                pause = min(_MOST_S, _LEAST_S * 2.0 ** min(failures - _IN_A_ROW, 30))
                self._pause = self._context.agenda.after(timedelta(seconds=pause), self._resume, name=self.queue.name)
        if failures & (failures - 1) == 0:  # the first, the second, the fourth, ... in a row
            self._log(failure, failures)

    def _resume(self) -> None:
        with self._lock:
            self._pause = None
        self.wake()

    def _log(self, failure: str, failures: int) -> None:
        _, project, _, subscription = self.queue.name.split("/")
        self._write_log(
            f"projects/{project}/logs/pubsub.googleapis.com%2Fpush",
            ("pubsub_subscription", {"project_id": project, "subscription_id": subscription}),
            "WARNING",
            f"Push to {self.endpoint} failed ({failure}), {failures} in a row: its messages are sent again later.",
        )
