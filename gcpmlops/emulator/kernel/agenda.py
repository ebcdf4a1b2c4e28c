"""What is to happen at a time of the emulator's clock, and how that clock is moved on.

In real time what is due is given to a pool. A clock that is moved goes from one due moment to the next and stands still
at each: everything that is due there runs, in order, and so does what that sets off (``busy``), before it goes on.
Where that takes longer than a moment (a training job, a canary) the clock runs meanwhile, as it does for what is real.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import monotonic

from google.api_core import exceptions

from gcpmlops.emulator.kernel.clock import TravelClock

log = logging.getLogger(__name__)

Work = Callable[[], object]

_MOST_AT_ONCE = 10_000  # rounds of appointments at one moment: what makes its next one for now never ends
_RETRY_S = 1.0  # real seconds until a pool that refused is asked again
_MOMENT_S = 0.25  # real seconds after which what is in flight is no matter of a moment any more
_LOOK_S = 60.0  # real seconds after which the clock is looked at again: a machine that slept has lost some
_SHOWN = 5  # names in an error


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

    Attributes:
        clock: the same clock.
        before_moving: called at each moment of a journey once nothing is in flight, before the clock goes on: whoever
            gathers what services wrote passes it on then, which may set off more.
        on_back: called after the clock was set back: who made appointments for times to come makes them anew.
    """

    def __init__(self, clock: TravelClock, pool: Executor) -> None:
        self.clock = clock
        self._pool = pool
        self._due: list[Appointment] = []
        self._last: list[Appointment] = []  # due when a traveller has done with a moment
        self._numbers = itertools.count()
        self._changed = threading.Condition()  # guards all that follows
        self._busy: Counter[str] = Counter()  # what a traveller waits for: appointments being done, and `begin`
        self._done = 0  # appointments that were given to the pool
        self._doing = 0  # of these, those that have not ended
        self._is_travelling = False
        self._is_stopped = False
        self._closed = False
        self._thread: threading.Thread | None = None  # started by the first appointment
        self._moving = threading.Lock()  # held by who changes the clock
        self.before_moving: list[Callable[[], None]] = []
        self.on_back: list[Callable[[], None]] = []
        clock.listeners.append(self._notify)

    def at(self, when: datetime, do: Work, *, name: str) -> Appointment:
        """Has ``do`` done when the clock says ``when`` (at once where that is past).

        Args:
            when: aware.
            do: must not raise (it is logged); runs on a pool's thread, and may make appointments.
            name: the resource that it is about: shown to who waits for it.

        Raises: ValueError for a time without a zone.
        """
        if when.tzinfo is None:
            raise ValueError(f"{when} has no time zone")
        appointment = Appointment(when, next(self._numbers), do, name)
        with self._changed:
            heapq.heappush(self._due, appointment)
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._watch, name="agenda", daemon=True)
                self._thread.start()
            if self._due[0] is appointment:  # else nobody waits for less time than before
                self._changed.notify_all()
        return appointment

    def after(self, by: timedelta, do: Work, *, name: str) -> Appointment:
        """``at`` a time from now."""
        return self.at(self.clock.now() + by, do, name=name)

    def last(self, do: Work, *, name: str) -> None:
        """Now; where the clock is moved, once nothing else of this moment is due or in flight."""
        with self._changed:
            if self._is_travelling:
                self._last.append(Appointment(self.clock.now(), next(self._numbers), do, name))
            else:
                self.at(self.clock.now(), do, name=name)

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
            if not self._busy:
                self._changed.notify_all()

    def in_flight(self) -> list[str]:
        """What a moving clock would wait for now."""
        with self._changed:
            return sorted(self._busy)

    @property
    def is_travelling(self) -> bool:
        """Whether somebody moves the clock now."""
        return self._is_travelling

    def next(self) -> Appointment | None:
        """What is due first."""
        with self._changed:
            while self._due and self._due[0].is_cancelled:
                heapq.heappop(self._due)
            return self._due[0] if self._due else None

    def travel(self, to: datetime | timedelta, *, patience: float | None = 600.0) -> int:
        """Moves the clock, doing on the way all that is due, each at its time; returns how many there were.

        Who travels while somebody else does waits for that one to arrive.

        Args:
            to: a time that is not past, or how far from now.
            patience: real seconds that one moment may take; None does not wait for what the appointments set off.

        Raises: InvalidArgument for a time in the past; DeadlineExceeded naming what did not end, Cancelled after
            ``stop`` or ``close`` (the clock goes on from where it is then).
        """
        with self._moving:
            now = self.clock.now()
            target = now + to if isinstance(to, timedelta) else to
            if target < now:
                raise exceptions.InvalidArgument(
                    f"{target.isoformat()} is past: the emulator's clock is at {now.isoformat()}, and travels forward."
                )
            self._set_travelling(True)
            try:
                self.clock.hold()
                return self._through(target, patience)
            finally:
                self._set_travelling(False)
                self.clock.release()

    def stop(self) -> None:
        """Ends a ``travel`` of another thread where it is."""
        with self._changed:
            self._is_stopped = self._is_travelling
            self._changed.notify_all()

    def set_back(self, to: datetime) -> None:
        """Sets the clock to an earlier time, without doing anything on the way."""
        with self._moving:
            self.clock.set(to)
            for listener in list(self.on_back):
                listener()

    def freeze(self) -> None:
        """Stops the clock; waits for who moves it."""
        with self._moving:
            self.clock.freeze()

    def run(self) -> None:
        """Lets the clock go on; waits for who moves it."""
        with self._moving:
            self.clock.run()

    def close(self) -> None:
        """Nothing more is begun; a traveller gives up."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _set_travelling(self, value: bool) -> None:
        with self._changed:
            self._is_travelling, self._is_stopped = value, False
            self._due_now()
            self._changed.notify_all()

    def _through(self, to: datetime, patience: float | None) -> int:
        before, rounds = self._done, 0
        self._settle(patience)
        while (following := self._following(to)) is not None:
            if following.when > self.clock.now():
                self.clock.set(following.when)
                rounds = 0
            if (rounds := rounds + 1) > _MOST_AT_ONCE:
                raise exceptions.InternalServerError(f"{following.name} is due at {following.when} again and again.")
            with self._changed:
                self._give()
            self._settle(patience)
        if to > self.clock.now():
            self.clock.set(to)
        return self._done - before

    def _following(self, to: datetime) -> Appointment | None:
        """What is due next until then; of this moment at the end what comes last of it."""
        with self._changed:
            following, now = self.next(), self.clock.now()
            if self._last and (following is None or following.when > now):
                self._due_now()
                following = self.next()
            return following if following is not None and following.when <= max(to, now) else None

    def _due_now(self) -> None:
        for appointment in self._last:
            heapq.heappush(self._due, appointment)
        self._last.clear()

    def _settle(self, patience: float | None) -> None:
        """Returns when nothing is in flight, and nothing that was gathered has set off more."""
        self._wait(patience)
        for pass_on in list(self.before_moving):
            pass_on()
        self._wait(patience)

    def _wait(self, patience: float | None) -> None:
        """Returns when nothing is in flight; without patience, when what was given to the pool has ended."""
        began = monotonic()
        end = None if patience is None else began + patience
        with self._changed:
            while self._doing if end is None else self._busy:
                self._check_going()
                if monotonic() - began >= _MOMENT_S:
                    self._let_go_on()
                left = None if end is None else end - monotonic()
                if left is not None and left <= 0:
                    raise exceptions.DeadlineExceeded(
                        f"The clock is at {self.clock.now().isoformat()}: still running after {patience:g} s: "
                        f"{_listed(sorted(self._busy))}."
                    )
                self._changed.wait(_MOMENT_S if left is None else min(left, _MOMENT_S))
            self._check_going()
            self.clock.hold()

    def _let_go_on(self) -> None:
        """The clock runs meanwhile, unless somebody froze it, and what falls due is done."""
        if self.clock.state.is_held:
            self.clock.release()
        self._give()

    def _check_going(self) -> None:
        if self._closed or self._is_stopped:
            why = "The emulator stops" if self._closed else "The journey was ended"
            raise exceptions.Cancelled(f"{why}: the clock is at {self.clock.now().isoformat()}.")

    def _give(self) -> bool:
        """Gives all that is due to the pool; the lock is held. Each counts as busy until it has ended.

        False where the pool takes no more; what it did not take stays due.
        """
        now = self.clock.now()
        while self._due and self._due[0].when <= now:
            appointment = heapq.heappop(self._due)
            if appointment.is_cancelled:
                continue
            self._busy[appointment.name] += 1
            self._doing += 1
            try:
                self._pool.submit(self._do, appointment)
            except RuntimeError:  # it was shut down
                self._ended(appointment)
                heapq.heappush(self._due, appointment)
                return False
            self._done += 1
        return True

    def _do(self, appointment: Appointment) -> None:
        try:
            if not appointment.is_cancelled:
                appointment.do()
        except Exception:
            log.exception("what was due for %s failed", appointment.name)
        finally:
            self._ended(appointment)

    def _ended(self, appointment: Appointment) -> None:
        with self._changed:
            self._doing -= 1
            self.end(appointment.name)
            self._changed.notify_all()

    def _watch(self) -> None:
        """Real time: gives to the pool what falls due; nothing while the clock is moved."""
        with self._changed:
            while not self._closed:
                following = None if self._is_travelling else self.next()
                pause = None if following is None else self.clock.seconds_until(following.when)
                if pause == 0:
                    pause = None if self._give() else _RETRY_S
                    if pause is None:
                        continue
                self._changed.wait(pause if pause is None else min(pause, _LOOK_S))

    def _notify(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _listed(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
