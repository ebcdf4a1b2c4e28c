"""The clock's place in the data directory: an emulator that starts again goes on from there."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import datetime, timedelta
from pathlib import Path

from gcpmlops.emulator.kernel.clock import TravelClock

log = logging.getLogger(__name__)

NAME = "clock.json"
_LENGTH = 128  # characters: every state is as long


def load(directory: Path) -> TravelClock:
    """The clock as it was kept; real time where none was, or where the file can't be read.

    A clock that ran has run on meanwhile; one that stood still stands there.
    """
    path = directory / NAME
    try:
        kept = json.loads(path.read_text("utf-8"))
        frozen = datetime.fromisoformat(kept["frozen"]) if kept["frozen"] else None
        return TravelClock(offset=timedelta(seconds=float(kept["offset_seconds"])), frozen=frozen)
    except FileNotFoundError:
        return TravelClock()
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        log.warning("%s can't be read: the clock is at real time", path)
        return TravelClock()


class ClockFile:
    """Keeps every change of a clock; a clock that somebody moves is kept as the running one that it will be.

    A journey changes it thousands of times: one write over what is there, which a kill leaves whole.
    """

    def __init__(self, directory: Path, clock: TravelClock) -> None:
        self._path = directory / NAME
        self._clock = clock
        self._lock = threading.Lock()
        self._file: int | None = None  # opened by the first change
        clock.listeners.append(self._save)

    def close(self) -> None:
        """Nothing more is kept."""
        self._clock.listeners.remove(self._save)
        with self._lock:
            if self._file is not None:
                os.close(self._file)

    def _save(self) -> None:
        with self._lock:
            state = self._clock.state
            stands = None if state.stands_at is None or state.is_held else state.stands_at.isoformat()
            text = json.dumps({"offset_seconds": state.offset.total_seconds(), "frozen": stands})
            try:
                if self._file is None:
                    self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600)
                os.pwrite(self._file, text.ljust(_LENGTH).encode(), 0)
            except OSError as error:  # a full disk, or a folder that is gone: the clock goes on all the same
                log.warning("%s can't be written: %s", self._path, error)
