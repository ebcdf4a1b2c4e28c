"""All policies over time series: looked at when points arrive, and when their state can change without any."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from datetime import timedelta
from time import monotonic
from typing import Any

from gcpmlops.emulator.kernel import names as resource_names
from gcpmlops.emulator.kernel.agenda import Agenda, Appointment
from gcpmlops.emulator.kernel.clock import Clock, TravelClock
from gcpmlops.emulator.services.monitoring import selection
from gcpmlops.emulator.services.monitoring.alerting.conditions import compiled
from gcpmlops.emulator.services.monitoring.alerting.incidents import AlertRows
from gcpmlops.emulator.services.monitoring.alerting.notices import Notices
from gcpmlops.emulator.services.monitoring.alerting.sampling import series_of
from gcpmlops.emulator.services.monitoring.alerting.snoozes import Snoozes
from gcpmlops.emulator.services.monitoring.alerting.times import moment
from gcpmlops.emulator.services.monitoring.alerting.watch import Names, Watch
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import Series, micros

log = logging.getLogger(__name__)

_PAUSE_S = 0.25  # of a running clock between two looks that arriving points bring about, at least,
_SHARE = 20  # and this many times as long as the looks took
_NAME = "alert policies"


class Watching:
    """Looks at policies; threads share it.

    Args:
        reading: of time series.
        rows: the tables.
        notices: store what changes, and tell of it.
        snoozes: hold policies back.
        names: for notifications, by project.
        agenda: of looks.
        clock: the emulator's.
    """

    def __init__(
        self,
        reading: Reading,
        rows: AlertRows,
        notices: Notices,
        snoozes: Snoozes,
        names: Callable[[str], Names],
        *,
        agenda: Agenda,
        clock: Clock,
    ) -> None:
        self._reading = reading
        self._rows = rows
        self._notices = notices
        self._snoozes = snoozes
        self._names = names
        self._agenda = agenda
        self._clock = clock
        self._looking = threading.RLock()  # held by who looks at policies, or changes which there are
        self._watches: dict[str, Watch] = {}
        self._due: dict[str, Appointment] = {}
        self._guard = threading.Lock()  # for what follows
        self._by_metric: dict[tuple[str, str], set[str]] = {}
        self._changed: set[str] = set()
        self._is_called = False
        self._paused_until = clock.now()

    def put(self, policy: Any) -> None:
        """A policy is new, or was changed."""
        with self._looking:
            self._drop(policy.name)
            if not policy.enabled:
                self._notices.close_all(policy, "the policy is disabled")
                self._rows.forget(policy.name)
                return
            self._watches[policy.name] = watch = self._watch(policy)
            with self._guard:
                for key in _metrics(policy):
                    self._by_metric.setdefault(key, set()).add(policy.name)
            self._notices.remind(policy, watch.open.values())
        self.look_at([policy.name])

    def remove(self, policy: Any) -> None:
        """It is deleted."""
        with self._looking:
            self._drop(policy.name)
            self._notices.close_all(policy, "the policy was deleted")
            self._rows.forget(policy.name)

    def look_at(self, policies: Iterable[str]) -> None:
        """Soon; now, where the clock stands still or is moved."""
        with self._guard:
            self._changed.update(policies)
            if not self._changed or self._is_called:
                return
            self._is_called = True
        if self._stands():  # what happens at this moment of a clock that is moved comes first
            self._agenda.last(self._look_at_changed, name=_NAME)
        else:
            self._agenda.at(max(self._clock.now(), self._paused_until), self._look_at_changed, name=_NAME)

    def on_add(self, series: Collection[Series]) -> None:
        """Points arrived."""
        if not self._by_metric:
            return
        with self._guard:
            kinds = {(each.project, each.metric) for each in series} | {(each.project, "") for each in series}
            found = set().union(*(self._by_metric.get(kind, ()) for kind in kinds))
        if found:
            self.look_at(found)

    def on_back(self) -> None:
        """The clock was set back: what was due, or known of later times, is not any more."""
        with self._looking:
            with self._guard:
                self._paused_until, self._is_called = self._clock.now(), False
            for name, watch in self._watches.items():
                if appointment := self._due.pop(name, None):
                    appointment.cancel()
                self._rows.forget(name)
                self._watches[name] = self._watch(watch.policy)
            self.look_at(list(self._watches))

    def _watch(self, policy: Any) -> Watch:
        project = resource_names.project_of(policy.name)
        since = micros(policy.mutation_record.mutate_time)
        states = self._rows.states(policy.name)
        conditions = [
            compiled(
                condition,
                self._reading,
                project,
                since,
                {key: (series_of(project, key), one) for (name, key), one in states.items() if name == condition.name},
            )
            for condition in policy.conditions
        ]
        return Watch(policy, conditions, self._names(project), self._rows.open(policy.name), self._snoozes)

    def _drop(self, name: str) -> None:
        self._watches.pop(name, None)
        if appointment := self._due.pop(name, None):
            appointment.cancel()
        with self._guard:
            for names in self._by_metric.values():
                names.discard(name)

    def _look_at_changed(self) -> None:
        with self._looking:
            with self._guard:
                changed, self._changed, self._is_called = self._changed, set(), False
            began = monotonic()
            for name in [name for name in self._watches if name in changed]:
                self._look(name)
            pause = max(_PAUSE_S, _SHARE * (monotonic() - began))
            self._paused_until = self._clock.now() + timedelta(seconds=pause)

    def _look_when_due(self, name: str, appointment: list[Appointment]) -> None:
        with self._looking:
            if self._due.get(name) in appointment:
                del self._due[name]
        self.look_at([name])

    def _look(self, name: str) -> None:
        watch = self._watches.get(name)
        if watch is None:
            return
        now = micros(self._clock.now())
        try:
            self._notices.commit(watch.policy, watch.look(now))
        except Exception:  # of one policy: the others are looked at all the same
            log.exception("%s could not be evaluated", name)
        self._come_back(name, watch.due(now))

    def _come_back(self, name: str, due: int | None) -> None:
        """Makes an appointment, unless there is an earlier one, which does no harm."""
        known = self._due.get(name)
        if due is None or (known is not None and known.when <= moment(due)):
            return
        if known is not None:
            known.cancel()
        own: list[Appointment] = []
        own.append(self._agenda.at(moment(due), lambda: self._look_when_due(name, own), name=name))
        self._due[name] = own[0]

    def _stands(self) -> bool:
        clock = self._clock
        return self._agenda.is_travelling or (isinstance(clock, TravelClock) and clock.frozen is not None)


def _metrics(policy: Any) -> set[tuple[str, str]]:
    """The project and the metric types whose points concern it; an empty type stands for any."""
    project, found = resource_names.project_of(policy.name), set()
    for condition in policy.conditions:
        spec = condition.condition_absent if "condition_absent" in condition else condition.condition_threshold
        texts = [spec.filter, getattr(spec, "denominator_filter", "")]
        found |= {(project, selection.metric_type(selection.parse(text))) for text in texts if text}
    return found
