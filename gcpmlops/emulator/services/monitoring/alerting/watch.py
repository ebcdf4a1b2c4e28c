"""One policy over time series: a look at it opens and closes incidents."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gcpmlops.emulator.services.monitoring.alerting import payload
from gcpmlops.emulator.services.monitoring.alerting.combining import Key, combined
from gcpmlops.emulator.services.monitoring.alerting.conditions import Met, MetricCondition
from gcpmlops.emulator.services.monitoring.alerting.incidents import Changes, Incident, new_id
from gcpmlops.emulator.services.monitoring.alerting.snoozes import Snoozes
from gcpmlops.emulator.services.monitoring.alerting.states import DAY, State, earliest

_AUTO_CLOSE = 7 * DAY
_STALE = DAY // 24  # a stored time of the newest point may be this much older than it is
SNOOZED = "the policy is snoozed"


@dataclass(frozen=True)
class Names:
    """What a project's notifications say beside what a policy says.

    Attributes:
        project: id.
        number: of the project.
        metric: the display name of a metric, by its type.
        resource: the display name of a monitored resource, by its type.
    """

    project: str
    number: int
    metric: Callable[[str], str]
    resource: Callable[[str], str]


class Watch:
    """A policy that is looked at.

    Args:
        policy: `AlertPolicy`, enabled, with conditions over time series only.
        conditions: compiled.
        names: for notifications.
        open_: its open incidents.
        snoozes: hold it back.
    """

    def __init__(
        self,
        policy: Any,
        conditions: Sequence[MetricCondition],
        names: Names,
        open_: Sequence[Incident],
        snoozes: Snoozes,
    ) -> None:
        self.policy = policy
        self.open: dict[Key, Incident] = {incident.key: incident for incident in open_}
        self._conditions = {each.name: each for each in conditions}
        self._specs = {each.name: each for each in policy.conditions}
        self._names = names
        self._snoozes = snoozes
        self._combiner: str = policy.combiner.name
        self._auto_close = auto_close(policy)
        self._stored: dict[Key, State] = self._states()

    def look(self, now: int) -> Changes:
        """Looks at all conditions; what follows from it is to be stored. `now` is in microseconds since 1970."""
        changes = Changes()
        for condition in self._conditions.values():
            condition.look(now)
        self._close_for_want_of_data(now, changes)
        found = combined(self._combiner, {name: each.met() for name, each in self._conditions.items()})
        held = {key for key, met in found.items() if self._snoozes.holds(self.policy.name, met.series, now)}
        for key in [key for key in self.open if key not in found or key in held]:
            gone = "normal" if key[0] in self._conditions else "its condition was removed"
            self._close(key, now, SNOOZED if key in held else gone, changes)
        for key, met in found.items():
            if key not in self.open and key not in held:
                self._open(key, met, now, changes)
        changes.states = self._changed_states()
        return changes

    def due(self, now: int) -> int | None:
        """When to look again although no point comes."""
        times = [condition.due(now) for condition in self._conditions.values()]
        times += [self._auto_closes(key, incident) for key, incident in self.open.items()]
        return earliest([*times, self._snoozes.due(self.policy.name, now)], now)

    def _open(self, key: Key, met: Met, now: int, changes: Changes) -> None:
        spec, id_ = self._specs[key[0]], new_id()
        subject = subject_of(self.policy, spec, met, self._names)
        body = {"incident": payload.opened(subject, id_, now, met.value), "policy": snapshot(self.policy)}
        incident = Incident(id_, self._names.project, self.policy.name, key[0], key[1], now, None, body)
        self.open[key] = incident
        changes.opened.append(incident)

    def _close(self, key: Key, now: int, reason: str, changes: Changes) -> None:
        condition = self._conditions.get(key[0])
        value = condition.values.get(key[1]) if condition else None
        changes.changed.append(ended(self.open.pop(key), now, reason, value))

    def _close_for_want_of_data(self, now: int, changes: Changes) -> None:
        for key, incident in list(self.open.items()):
            if (at := self._auto_closes(key, incident)) is not None and now >= at:
                self._conditions[key[0]].spend(key[1])
                self._close(key, now, "no data arrived for as long as auto_close says", changes)

    def _auto_closes(self, key: Key, incident: Incident) -> int | None:
        condition = self._conditions.get(key[0])
        if condition is None or (state := condition.states.get(key[1])) is None:
            return None
        return max(incident.opened, state.last) + self._auto_close + condition.rule.patience

    def _states(self) -> dict[Key, State]:
        return {(name, key): state for name, each in self._conditions.items() for key, state in each.states.items()}

    def _changed_states(self) -> list[tuple[str, str, str, State | None]]:
        """Those to be stored: a restart goes on from them; where nothing happens, nothing is."""
        known = {key: state for key, state in self._states().items() if _matters(state)}
        changed: list[tuple[str, str, str, State | None]] = []
        for key, state in known.items():
            before = self._stored.get(key)
            if before is None or replace(before, last=0) != replace(state, last=0) or state.last - before.last > _STALE:
                changed.append((self.policy.name, *key, state))
                self._stored[key] = state
        for key in [key for key in self._stored if key not in known]:
            changed.append((self.policy.name, *key, None))
            del self._stored[key]
        return changed


def auto_close(policy: Any) -> int:
    """Microseconds without data after which an incident closes."""
    given = policy.alert_strategy.auto_close
    return int(given.total_seconds() * 1_000_000) if given else _AUTO_CLOSE


def ended(incident: Incident, now: int, reason: str, value: float | None = None) -> Incident:
    """The incident closed."""
    told = payload.closed(incident.body["incident"], now, reason, value)
    return replace(incident, closed=now, body={**incident.body, "incident": told, "reason": reason})


def subject_of(
    policy: Any, condition: Any, met: Met, names: Names, extracted: Mapping[str, str] | None = None
) -> payload.Subject:
    """What a new incident is about."""
    return payload.Subject(
        project=names.project,
        number=names.number,
        policy=policy,
        condition=condition,
        series=met.series,
        display_name=names.metric(met.series.metric),
        resource_name=names.resource(met.series.resource),
        extracted=extracted,
    )


def snapshot(policy: Any) -> dict[str, Any]:
    """What an alert tells of its policy."""
    return {
        "name": policy.name,
        "displayName": policy.display_name,
        "userLabels": dict(policy.user_labels),
        "severity": policy.severity.name,
    }


def _matters(state: State) -> bool:
    return state.met or state.spent or state.since is not None
