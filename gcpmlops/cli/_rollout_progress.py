"""A rollout that is waited for: what happens line by line, and on a terminal the figures of the step as they come."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gcpmlops.cli._progress import Display

_QUIET = 60.0  # seconds


class RolloutProgress(Display):
    """A spinner with the latest figures on a terminal; elsewhere a line for what happened, and one a minute."""

    columns = ("SpinnerColumn", "TextColumn", "TimeElapsedColumn")

    def __init__(self) -> None:
        super().__init__()
        self._said = time.monotonic()

    def event(self, event: Any) -> None:
        """What just happened."""
        if event.kind != "looked":
            self.line(event.text)
            if self._display is not None:
                self._display.update(self._task, description=event.kind)
        elif self._display is not None:
            self._display.update(self._task, description=event.text)
        elif time.monotonic() - self._said >= _QUIET:  # a log says once in a while that it goes on
            self.line(event.text)
            self._said = time.monotonic()


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextmanager
def ended_politely() -> Iterator[None]:
    """SIGTERM, with which CI systems end what they run, is like Ctrl-C: the traffic goes back."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
