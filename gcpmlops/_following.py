"""The log of a job while it runs, and the job at its end: streamed, listed where the stream is refused or breaks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Generic

from gcpmlops import _waiting
from gcpmlops._jobs.logs import JobLogs, LogLine
from gcpmlops._log_stream import LogStream
from gcpmlops._waiting import J
from gcpmlops.clients import Clients

_SERVICE = "service"  # the task of what Vertex AI itself says
_AT_ONCE = 0.02  # seconds between looks, to begin with, after the service said something


class Following(Generic[J]):
    """Follows one job; `get` fetches it as it is now.

    A line of the service itself ("Job completed successfully.") wakes the next look at the job, so that its end is
    noticed at once; without one the looks are 0.1 s apart, then a fifth more each time, 5 s at most.
    """

    def __init__(
        self,
        clients: Clients,
        get: Callable[[], J],
        *,
        timeout: float | None = None,
        on_state: Callable[[J], None] | None = None,
    ) -> None:
        self._clients = clients
        self._get = get
        self._limit = _waiting.Limit(timeout)
        self._on_state = on_state
        self._streaming = False
        self.job = get()
        """As it was at the last look; ended when `lines` is through."""
        self.logs = JobLogs(clients, self.job.name)

    def lines(self) -> Iterator[LogLine]:
        """Each line as it comes, until the job has ended. Raises DeadlineExceeded; the job goes on then."""
        pauses = _waiting.pauses()
        with LogStream(self._clients, self.logs.filter) as stream:
            while not self._look():
                if not self._streaming or not stream.is_open:
                    for line in self.logs.new_lines():
                        yield line
                        if line.task == _SERVICE:
                            pauses = _waiting.pauses(_AT_ONCE)
                for entries in self._arriving(stream, self._limit.within(next(pauses), self.job)):
                    yield from self._unread(entries)
                    if any(map(_is_the_services, entries)):
                        pauses = _waiting.pauses(_AT_ONCE)
        yield from self.logs.new_lines()  # what came between the last entry and the end

    def _look(self) -> bool:
        """Fetch the job; whether it has ended."""
        before, self.job = self.job, self._get()
        if self._on_state is not None:
            self._on_state(self.job)
        return _waiting.has_ended(self.job.state) or _waiting.has_ended(before.state)

    def _arriving(self, stream: LogStream, pause: float) -> Iterator[list[Any]]:
        """Entries for `pause` seconds; no longer once the service itself said something."""
        end = time.monotonic() + pause
        while (left := end - time.monotonic()) > 0:
            entries = stream.take(left)
            if entries:
                yield entries
                if any(map(_is_the_services, entries)):
                    return
            elif not stream.is_open:
                time.sleep(max(0.0, end - time.monotonic()))

    def _unread(self, entries: list[Any]) -> Iterator[LogLine]:
        """The entries' lines; before the stream's first ones, what was written before it was open."""
        if not self._streaming:
            self._streaming = True
            yield from self.logs.new_lines()
        yield from self.logs.unread(entries)


def _is_the_services(entry: Any) -> bool:
    return bool(entry.resource.labels.get("task_name") == _SERVICE)
