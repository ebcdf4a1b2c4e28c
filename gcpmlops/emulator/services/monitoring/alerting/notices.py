"""What is stored of a change, and who is told: openings, closings, and reminders of what stays open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.services.monitoring.alerting import payload
from gcpmlops.emulator.services.monitoring.alerting.deliveries import Deliveries
from gcpmlops.emulator.services.monitoring.alerting.incidents import AlertRows, Changes, Delivery, Incident
from gcpmlops.emulator.services.monitoring.alerting.times import moment
from gcpmlops.emulator.services.monitoring.alerting.watch import SNOOZED, ended
from gcpmlops.emulator.services.monitoring.series import micros


class Notices:
    """Stores changes together with the notifications that they bring, and sends these.

    Args:
        rows: the tables.
        deliveries: bring notifications to channels.
        policy: a policy as it is now, by name. Raises NotFound.
        agenda: of reminders.
        clock: the emulator's.
    """

    def __init__(
        self,
        rows: AlertRows,
        deliveries: Deliveries,
        policy: Callable[[str], Any],
        *,
        agenda: Agenda,
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._deliveries = deliveries
        self._policy = policy
        self._agenda = agenda
        self._clock = clock
        self._guard = threading.Lock()
        self._reminded: set[tuple[str, str]] = set()  # incident and channel

    def commit(self, policy: Any, changes: Changes, *, tell: bool = True, again: bool = False) -> None:
        """Stores changes, tells the policy's channels of what opened and closed.

        Args:
            policy: whose.
            changes: what is to be stored.
            tell: False: only stores.
            again: tells of what stays open, too.
        """
        open_ = [*changes.opened, *(each for each in changes.changed if again and each.closed is None)]
        closed = [each for each in changes.changed if each.closed and each.body.get("reason") != SNOOZED]
        now = micros(self._clock.now())
        for prompt, incidents in (("OPENED", open_), ("CLOSED", closed)) if tell else ():
            for incident in incidents:
                changes.deliveries += self._told(policy, incident, prompt, now)
        self._deliveries.send(self._rows.commit(changes))
        self.remind(policy, changes.opened)

    def close_all(self, policy: Any, reason: str) -> None:
        """Closes a policy's open incidents."""
        now = micros(self._clock.now())
        closed = [ended(incident, now, reason) for incident in self._rows.open(policy.name)]
        self.commit(policy, Changes(changed=closed))

    def remind(self, policy: Any, incidents: Iterable[Incident]) -> None:
        """Has the policy's channels reminded of incidents as long as these are open."""
        for channel, interval in _intervals(policy).items():
            for incident in incidents:
                self._remind_later(incident, channel, interval)

    def _told(self, policy: Any, incident: Incident, prompt: str, now: int) -> Iterator[Delivery]:
        if prompt in _prompts(policy):
            told = {"incident": incident.body["incident"], "version": payload.VERSION}
            yield from (Delivery(channel, told, now) for channel in policy.notification_channels)

    def _remind_later(self, incident: Incident, channel: str, interval: int) -> None:
        with self._guard:
            if (incident.id, channel) in self._reminded:
                return
            self._reminded.add((incident.id, channel))
        passed = (micros(self._clock.now()) - incident.opened) // interval
        when = moment(incident.opened + (passed + 1) * interval)
        self._agenda.at(when, lambda: self._remind(incident.id, channel), name=incident.policy)

    def _remind(self, id_: str, channel: str) -> None:
        with self._guard:
            self._reminded.discard((id_, channel))
        incident = self._rows.get(id_)
        if incident is None or incident.closed is not None:
            return
        try:
            interval = _intervals(self._policy(incident.policy)).get(channel)
        except exceptions.NotFound:
            return
        if interval:
            now = micros(self._clock.now())
            told = {"incident": incident.body["incident"], "version": payload.VERSION}
            self._deliveries.send(self._rows.commit(Changes(deliveries=[Delivery(channel, told, now)])))
            self._remind_later(incident, channel, interval)


def _prompts(policy: Any) -> set[str]:
    if any("condition_matched_log" in condition for condition in policy.conditions):
        return {"OPENED"}
    return {each.name for each in policy.alert_strategy.notification_prompts} or {"OPENED", "CLOSED"}


def _intervals(policy: Any) -> dict[str, int]:
    """Microseconds between reminders, by channel."""
    found = {}
    for strategy in policy.alert_strategy.notification_channel_strategy:
        if interval := strategy.renotify_interval // timedelta(microseconds=1):
            found.update(dict.fromkeys(strategy.notification_channel_names, interval))
    return found
