"""The clock's place in the data directory: an emulator that starts again goes on from there."""

from __future__ import annotations

import json
import logging
import threading
from datetime import datetime, timedelta
from pathlib import Path

from gcpmlops.emulator.kernel.clock import TravelClock

log = logging.getLogger(__name__)

NAME = "clock.json"


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
    """Keeps every change of a clock; a clock that somebody moves is kept as the running one that it will be."""

    def __init__(self, directory: Path, clock: TravelClock) -> None:
        self._path = directory / NAME
        self._clock = clock
        self._lock = threading.Lock()
        clock.listeners.append(self._save)

    def _save(self) -> None:
        with self._lock:
            state = self._clock.state
            stands = None if state.stands_at is None or state.is_held else state.stands_at.isoformat()
            text = json.dumps({"offset_seconds": state.offset.total_seconds(), "frozen": stands})
            part = self._path.with_name(f".{NAME}")
            try:
                part.write_text(text, "utf-8")
                part.replace(self._path)
            except OSError as error:  # a full disk, or a folder that is gone: the clock goes on all the same
                log.warning("%s can't be written: %s", self._path, error)
