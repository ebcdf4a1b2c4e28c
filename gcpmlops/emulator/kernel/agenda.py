"""What is to happen at a time of the emulator's clock, and how that clock is moved on.

In real time what is due is given to a pool. A clock that is moved goes from one due moment to the next and stands still
at each: everything that is due there runs, in order, and so does what that sets off (``busy``), before it goes on.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from google.api_core import exceptions

from gcpmlops.emulator.kernel.clock import TravelClock

log = logging.getLogger(__name__)

Work = Callable[[], object]


@dataclass(order=True)
class Appointment:
    """Work at a moment of the clock; ``cancel`` it, or let it be done once."""

    when: datetime
    order: int
    do: Work = field(compare=False)
    name: str = field(compare=False)
    is_cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        """It will not be done; what has begun goes on."""
        self.is_cancelled = True


class Agenda:
    """Appointments in the order of their time.

    Args:
        clock: decides what is due.
        pool: does the work; appointments of one moment are given to it in order.
    """

    def __init__(self, clock: TravelClock, pool: Executor) -> None:
        self._clock = clock
        self._pool = pool
        self._due: list[Appointment] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._busy: Counter[str] = Counter()
        self._travelling = threading.Lock()
        self._is_travelling = False
        self._closed = False
        clock.listeners.append(self._notify)
        self._thread: threading.Thread | None = None  # started by the first appointment

    def at(self, when: datetime, do: Work, *, name: str) -> Appointment:
        """Has ``do`` done when the clock says ``when`` (at once where that is past).

        Args:
            when: aware.
            do: must not raise; runs on a pool's thread, and may make appointments.
            name: the resource that it is about: shown to who waits for it.
        """
        appointment = Appointment(when, next(self._numbers), do, name)
        with self._changed:
            heapq.heappush(self._due, appointment)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._watch, name="agenda", daemon=True)
                self._thread.start()
            self._changed.notify_all()
        return appointment

    def after(self, by: timedelta, do: Work, *, name: str) -> Appointment:
        """``at`` a time from now."""
        return self.at(self._clock.now() + by, do, name=name)

    @contextmanager
    def busy(self, name: str) -> Iterator[None]:
        """A clock that is moved stands still while this is open: for work that was set off and runs elsewhere."""
        self.begin(name)
        try:
            yield
        finally:
            self.end(name)

    def begin(self, name: str) -> None:
        """As ``busy``, for work that one thread begins and another ends."""
        with self._changed:
            self._busy[name] += 1

    def end(self, name: str) -> None:
        """The other half of ``begin``."""
        with self._changed:
            self._busy[name] -= 1
            if self._busy[name] <= 0:
                del self._busy[name]
            self._changed.notify_all()

    def in_flight(self) -> list[str]:
        """What a moving clock would wait for now."""
        with self._changed:
            return sorted(self._busy)

    def travel(self, to: datetime, *, patience: float | None = 600.0) -> int:
        """Moves the clock to ``to``, doing on the way all that is due, each at its time; returns how many there were.

        Args:
            to: not before now.
            patience: real seconds that one moment may take; None does not wait for what is in flight.

        Raises: InvalidArgument for a time in the past; DeadlineExceeded naming what did not end (the clock stays).
        """
        with self._travelling:
            if to < self._clock.now():
                raise exceptions.InvalidArgument(f"{to.isoformat()} is past: the emulator's clock goes only forward.")
            frozen_before = self._clock.frozen
            self._clock.freeze()
            self._is_travelling = True
            try:
                return self._through(to, patience)
            finally:
                self._is_travelling = False
                if frozen_before is None:
                    self._clock.run()
                self._notify()

    def close(self) -> None:
        """Nothing more is begun."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _through(self, to: datetime, patience: float | None) -> int:
        done = 0
        self._settle(patience)
        while (moment := self._next()) is not None and moment <= to:
            if moment > self._clock.now():
                self._clock.set(moment)
            works = self._take()
            done += len(works)
            wait([self._pool.submit(self._do, work) for work in works], timeout=patience)
            self._settle(patience)
        self._clock.set(to)
        return done

    def _settle(self, patience: float | None) -> None:
        if patience is None:
            return
        end = monotonic() + patience
        with self._changed:
            while self._busy:
                if not self._changed.wait(max(0.0, end - monotonic())) and monotonic() >= end:
                    raise exceptions.DeadlineExceeded(
                        f"The clock stands at {self._clock.now().isoformat()}: still running after {patience:.0f} s: "
                        f"{', '.join(sorted(self._busy))}."
                    )

    def _next(self) -> datetime | None:
        with self._changed:
            while self._due and self._due[0].is_cancelled:
                heapq.heappop(self._due)
            return self._due[0].when if self._due else None

    def _take(self) -> list[Appointment]:
        """All that is due now; each counts as busy until it is done."""
        now, taken = self._clock.now(), []
        with self._changed:
            while self._due and self._due[0].when <= now:
                appointment = heapq.heappop(self._due)
                if not appointment.is_cancelled:
                    self._busy[appointment.name] += 1
                    taken.append(appointment)
        return taken

    def _do(self, appointment: Appointment) -> None:
        try:
            if not appointment.is_cancelled:
                appointment.do()
        except Exception:
            log.exception("what was due for %s failed", appointment.name)
        finally:
            self.end(appointment.name)

    def _watch(self) -> None:
        """Real time: gives to the pool what falls due; nothing while the clock is moved."""
        while True:
            with self._changed:
                if self._closed:
                    return
                moment = self._next()
                pause = None if moment is None or self._is_travelling else self._clock.seconds_until(moment)
                if pause is None or pause > 0:
                    self._changed.wait(pause)
                    continue
            for appointment in self._take():
                self._pool.submit(self._do, appointment)

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()
