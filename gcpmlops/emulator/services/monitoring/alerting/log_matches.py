"""Policies over log entries: an incident for each combination of the labels that are extracted."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gcpmlops.emulator.kernel import names as resource_names
from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.services.logging import query
from gcpmlops.emulator.services.monitoring.alerting import extraction, payload
from gcpmlops.emulator.services.monitoring.alerting.conditions import Met
from gcpmlops.emulator.services.monitoring.alerting.incidents import AlertRows, Changes, Incident, new_id
from gcpmlops.emulator.services.monitoring.alerting.notices import Notices
from gcpmlops.emulator.services.monitoring.alerting.snoozes import Snoozes
from gcpmlops.emulator.services.monitoring.alerting.times import moment
from gcpmlops.emulator.services.monitoring.alerting.watch import Names, auto_close, ended, snapshot, subject_of
from gcpmlops.emulator.services.monitoring.series import Series, labels, micros


@dataclass(frozen=True)
class _Watched:
    """A policy whose condition is a log match."""

    policy: Any
    prefix: str  # of the names of logs
    matches: Callable[[Any], bool]
    extractors: Mapping[str, extraction.Extractor]

    def extracted(self, entry: Any) -> dict[str, str]:
        return {key: extract(entry) for key, extract in self.extractors.items()}


@dataclass(frozen=True)
class _Match:
    policy: str
    series: Series
    extracted: dict[str, str]

    @property
    def key(self) -> str:
        return json.dumps(self.extracted, sort_keys=True, ensure_ascii=False)


class LogMatches:
    """Watches log entries; the arguments are those of `Watching`."""

    def __init__(
        self,
        rows: AlertRows,
        notices: Notices,
        snoozes: Snoozes,
        names: Callable[[str], Names],
        *,
        agenda: Agenda,
        clock: Clock,
    ) -> None:
        self._rows = rows
        self._notices = notices
        self._snoozes = snoozes
        self._names = names
        self._agenda = agenda
        self._clock = clock
        self._looking = threading.RLock()
        self._watched: dict[str, _Watched] = {}
        self._told: dict[tuple[str, str], int] = {}  # when a combination's channels were last told

    def put(self, policy: Any) -> None:
        """A policy is new, or was changed."""
        with self._looking:
            self._watched = {name: each for name, each in self._watched.items() if name != policy.name}
            if not policy.enabled:
                self._notices.close_all(policy, "the policy is disabled")
                return
            spec = policy.conditions[0].condition_matched_log
            prefix = f"projects/{resource_names.project_of(policy.name)}/"
            extractors = {key: extraction.compiled(text) for key, text in spec.label_extractors.items()}
            watched = _Watched(policy, prefix, query.compiled(spec.filter), extractors)
            self._watched = {**self._watched, policy.name: watched}
            for incident in self._rows.open(policy.name):
                self._told.setdefault((policy.name, incident.series), incident.body.get("told", incident.opened))
                self._close_later(policy, incident)

    def remove(self, policy: Any) -> None:
        """It is deleted."""
        with self._looking:
            self._watched = {name: each for name, each in self._watched.items() if name != policy.name}
            self._notices.close_all(policy, "the policy was deleted")

    def on_append(self, entries: Sequence[Any]) -> None:
        """Entries were stored."""
        found: dict[tuple[str, str], _Match] = {}
        for watched in self._watched.values():
            for entry in entries:
                if entry.log_name.startswith(watched.prefix) and watched.matches(entry):
                    match = _Match(watched.policy.name, _series(watched, entry), watched.extracted(entry))
                    found.setdefault((match.policy, match.key), match)
        for match in found.values():
            self._agenda.at(self._clock.now(), lambda each=match: self._matched(each), name=match.policy)  # type: ignore[misc]

    def _matched(self, match: _Match) -> None:
        with self._looking:
            watched, now = self._watched.get(match.policy), micros(self._clock.now())
            if watched is None or self._snoozes.holds(match.policy, match.series, now):
                return
            known = next((one for one in self._rows.open(match.policy) if one.series == match.key), None)
            incident = known or self._opened(watched.policy, match, now)
            incident = replace(incident, body={**incident.body, "last": now})
            last = self._told.get((match.policy, match.key))
            if tell := last is None or now - last >= _period(watched.policy):
                self._told[match.policy, match.key] = incident.body["told"] = now
            self._notices.commit(watched.policy, _changes(incident, is_new=known is None), again=tell, tell=tell)
            if known is None:
                self._close_later(watched.policy, incident)

    def _opened(self, policy: Any, match: _Match, now: int) -> Incident:
        condition, id_ = policy.conditions[0], new_id()
        names = self._names(resource_names.project_of(policy.name))
        subject = subject_of(policy, condition, Met(match.series, None), names, match.extracted)
        told = payload.opened(subject, id_, now, None)
        body = {"incident": told, "policy": snapshot(policy), "log": match.extracted}
        return Incident(id_, names.project, policy.name, condition.name, match.key, now, None, body)

    def _close_later(self, policy: Any, incident: Incident) -> None:
        at = incident.body.get("last", incident.opened) + auto_close(policy)
        self._agenda.at(moment(at), lambda: self._close(incident.id), name=policy.name)

    def _close(self, id_: str) -> None:
        with self._looking:
            incident, now = self._rows.get(id_), micros(self._clock.now())
            watched = self._watched.get(incident.policy) if incident else None
            if incident is None or incident.closed is not None or watched is None:
                return
            if now < incident.body.get("last", incident.opened) + auto_close(watched.policy):
                self._close_later(watched.policy, incident)
            else:
                reason = "nothing matched for as long as auto_close says"
                self._notices.commit(watched.policy, Changes(changed=[ended(incident, now, reason)]))


def _changes(incident: Incident, *, is_new: bool) -> Changes:
    return Changes(opened=[incident]) if is_new else Changes(changed=[incident])


def _series(watched: _Watched, entry: Any) -> Series:
    project = watched.prefix.split("/")[1]
    return Series(project, "", (), entry.resource.type, labels(entry.resource.labels), "GAUGE", "DOUBLE")


def _period(policy: Any) -> int:
    return int(policy.alert_strategy.notification_rate_limit.period.total_seconds() * 1_000_000)
