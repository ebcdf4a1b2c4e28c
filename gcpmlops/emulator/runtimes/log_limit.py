"""The bound of one job's log: a program that prints without end fills neither memory nor disk."""

from __future__ import annotations

import threading
from collections import deque

from gcpmlops.emulator.runtimes.replicas import OnTaskLine

_LIMIT = 100 << 20
_LINE = 256  # what a line takes beside its text
_LAST = 1000


class LogLimit:
    """Lets lines through up to a limit, then only counts them, and at the end writes the last ones.

    Args:
        on_line: takes what is let through.
        limit: bytes of all lines of the job; each line counts 256 more than its text.
        last: how many of the last lines are written at the end.
    """

    def __init__(self, on_line: OnTaskLine, *, limit: int = _LIMIT, last: int = _LAST) -> None:
        self._on_line = on_line
        self._limit = limit
        self._left = limit
        self._last: deque[tuple[str, str, str]] = deque(maxlen=last)
        self._over = 0
        self._over_bytes = 0
        self._lock = threading.Lock()

    def line(self, task: str, stream: str, text: str) -> None:
        """Takes one line of a task; what the service itself says always passes."""
        if task == "service" or self._passes(task, stream, text):
            self._on_line(task, stream, text)
        elif self._over == 1:
            self._say(
                f"The log of this job has grown over {self._limit >> 20} MiB: from here on lines are left out; "
                f"the last {self._last.maxlen} are written when the job ends."
            )

    def close(self) -> None:
        """Writes what was kept, after a line about what was not."""
        left_out = self._over - len(self._last)
        if left_out > 0:
            size = self._over_bytes - sum(len(text) for _, _, text in self._last)
            self._say(f"{left_out} lines ({size / (1 << 20):.1f} MiB) were left out of the log here.")
        for kept in self._last:
            self._on_line(*kept)

    def _passes(self, task: str, stream: str, text: str) -> bool:
        with self._lock:
            if self._left > 0:
                self._left -= len(text) + _LINE
                return True
            self._over += 1
            self._over_bytes += len(text)
            self._last.append((task, stream, text))
            return False

    def _say(self, text: str) -> None:
        self._on_line("service", "stderr", text)
