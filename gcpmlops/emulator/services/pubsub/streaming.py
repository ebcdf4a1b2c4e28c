"""StreamingPull: messages as they come, within what the subscriber has room for; acknowledgements on one stream."""

from __future__ import annotations

import logging
import math
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

from google.api_core import exceptions
from google.pubsub_v1 import types

from gcpmlops.emulator.services.pubsub import names
from gcpmlops.emulator.services.pubsub.backlog import Want
from gcpmlops.emulator.services.pubsub.lanes import Lease
from gcpmlops.emulator.services.pubsub.queues import Queue

log = logging.getLogger(__name__)

_MESSAGES, _BYTES = 1000, 4 << 20  # of one response at most
_Response: Any = types.StreamingPullResponse.pb()


class Stream:
    """One subscriber's stream. A thread of its own reads its requests; none waits but for something to do.

    Args:
        queue: the subscription.
        first: the request that opened it.

    Raises: InvalidArgument for a deadline that can't be.
    """

    def __init__(self, queue: Queue, first: Any) -> None:
        self._queue = queue
        self._deadline = _deadline(first.stream_ack_deadline_seconds)
        self._max_messages = first.max_outstanding_messages if first.max_outstanding_messages > 0 else math.inf
        self._max_bytes = first.max_outstanding_bytes if first.max_outstanding_bytes > 0 else math.inf
        self._messages, self._bytes = 0, 0  # that are with the subscriber
        self._confirmations: deque[Any] = deque()
        self._error: Exception | None = None
        self._is_over = False

    def responses(self, requests: Iterable[Any]) -> Iterator[Any]:
        """What goes to the subscriber, until it or the subscription goes.

        Raises: NotFound once the subscription is deleted; FailedPrecondition once it is no longer to be pulled.
        """
        threading.Thread(target=self._read, args=(requests,), name="pubsub-stream", daemon=True).start()
        self._queue.streams += 1
        try:
            while True:
                leases = self._queue.wait_for(self._want, until=math.inf, goes_on=self._goes_on)
                yield from self._drained()
                if leases:
                    yield self._response(leases)
                elif not self._goes_on():
                    return self._end()
        finally:
            self._queue.streams -= 1
            self._is_over = True

    def took(self, leases: list[Lease]) -> None:
        """These go to the subscriber now."""
        self._messages += len(leases)
        self._bytes += sum(lease.size for lease in leases)

    def gave(self, lease: Lease) -> None:
        """The subscriber no longer has this one."""
        self._messages -= 1
        self._bytes -= lease.size

    def handle(self, request: Any) -> None:
        """Acknowledgements and deadlines of one request; an empty one is a sign of life.

        Raises: InvalidArgument.
        """
        if request.stream_ack_deadline_seconds:
            self._deadline = _deadline(request.stream_ack_deadline_seconds)
        if request.ack_ids:
            self._acknowledge([names.parse_ack_id(text) for text in request.ack_ids])
        if request.modify_deadline_ack_ids:
            self._modify(request)

    def _want(self) -> Want | None:
        messages = min(_MESSAGES, self._max_messages - self._messages)
        size = min(_BYTES, self._max_bytes - self._bytes)
        if messages <= 0 or size <= 0:
            return None
        return Want(int(messages), size, deadline=self._queue.now() + self._deadline, owner=self)

    def _goes_on(self) -> bool:
        return not (self._is_over or self._confirmations or self._queue.is_deleted or not self._queue.is_pulled)

    def _drained(self) -> Iterator[Any]:
        while self._confirmations:
            yield self._confirmations.popleft()

    def _end(self) -> None:
        if self._error is not None:
            raise self._error
        if self._is_over:
            return
        if self._queue.is_deleted:
            raise names.not_found(self._queue.name)
        self._queue.check_pulled()

    def _response(self, leases: list[Lease]) -> Any:
        response = _Response()
        add, attempt = response.received_messages.add, self._queue.attempt
        for lease in leases:
            ack_id = f"{lease.number:x}-{lease.token:x}"
            add(ack_id=ack_id, message=lease.message, delivery_attempt=attempt(lease))
        resource = self._queue.resource
        response.subscription_properties.exactly_once_delivery_enabled = resource.enable_exactly_once_delivery
        response.subscription_properties.message_ordering_enabled = resource.enable_message_ordering
        return response

    def _read(self, requests: Iterable[Any]) -> None:
        try:
            for request in requests:
                self.handle(request)
        except exceptions.GoogleAPICallError as error:
            self._error = error
        except Exception as error:  # noqa: BLE001 - whatever ends the requests, the stream is over
            if not self._is_over:
                log.debug("%s: a stream ended: %s", self._queue.name, error)
        with self._queue.changed:
            self._is_over = True
            self._queue.changed.notify_all()

    def _acknowledge(self, acks: list[names.AckId]) -> None:
        late, stored = self._queue.acknowledge(acks)
        if not self._queue.is_exact:
            return
        if stored is not None:
            stored.result()
        confirmation = _Response.AcknowledgeConfirmation(
            ack_ids=[str(ack) for ack in acks if ack not in set(late)], invalid_ack_ids=[str(ack) for ack in late]
        )
        self._confirm(_Response(acknowledge_confirmation=confirmation))

    def _modify(self, request: Any) -> None:
        by_seconds: dict[int, list[names.AckId]] = {}
        for text, seconds in zip(request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=False):
            by_seconds.setdefault(seconds, []).append(names.parse_ack_id(text))
        late = {ack for seconds, acks in by_seconds.items() for ack in self._queue.extend(acks, seconds)}
        if self._queue.is_exact:
            acks = [ack for some in by_seconds.values() for ack in some]
            confirmation = _Response.ModifyAckDeadlineConfirmation(
                ack_ids=[str(ack) for ack in acks if ack not in late], invalid_ack_ids=[str(ack) for ack in late]
            )
            self._confirm(_Response(modify_ack_deadline_confirmation=confirmation))

    def _confirm(self, response: Any) -> None:
        properties = response.subscription_properties
        properties.exactly_once_delivery_enabled = True
        properties.message_ordering_enabled = self._queue.resource.enable_message_ordering
        with self._queue.changed:
            self._confirmations.append(response)
            self._queue.changed.notify_all()


def _deadline(seconds: int) -> int:
    if not 10 <= seconds <= 600:
        raise exceptions.InvalidArgument(
            f"stream_ack_deadline_seconds {seconds}: a streaming pull needs 10 to 600 seconds."
        )
    return int(seconds)
