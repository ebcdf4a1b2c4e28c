"""Looks whether a trigger's condition holds now, and keeps what it saw as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gcpmlops._retraining.triggers import DataDrift, NewData, OnAlert, QualityBelow, Schedule, Trigger
from gcpmlops.exceptions import Unimplemented

if TYPE_CHECKING:
    from gcpmlops.bigquery import BigQuery
    from gcpmlops.drift import Drift


@dataclass(frozen=True)
class Look:
    """What was seen: whether to retrain, why or why not, and whether the data themselves are broken."""

    retrain: bool
    why: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    broken: bool = False


class Lookout:
    """Knows where each kind of trigger has to look."""

    def __init__(self, bigquery: BigQuery, drift: Drift) -> None:
        self._bigquery = bigquery
        self._drift = drift

    def look(self, trigger: Trigger, *, now: datetime, since: datetime, incident: Mapping[str, Any]) -> Look:
        """Args: `since` is the time of the last run's data; `incident` is what an alert sent."""
        if isinstance(trigger, Schedule):
            return Look(True, f"the schedule {trigger.cron} ({trigger.time_zone})")
        if isinstance(trigger, DataDrift):
            return self._by_drift(trigger, now)
        if isinstance(trigger, QualityBelow):
            return self._by_quality(trigger, now)
        if isinstance(trigger, NewData):
            return self._by_rows(trigger, now, since)
        if isinstance(trigger, OnAlert):
            return _by_incident(trigger, incident)
        raise Unimplemented(f"a trigger {trigger!r}")

    def _by_drift(self, trigger: DataDrift, now: datetime) -> Look:
        own = {**dict.fromkeys(trigger.features, trigger.threshold), **trigger.thresholds}
        found = self._drift.compare(
            at(trigger.baseline, now),
            at(trigger.current, now),
            features=list(trigger.features) or None,
            thresholds=own or trigger.threshold,
        )
        evidence = found.to_dict()
        if found.data_problems:
            return Look(
                False, f"the data are broken: {'; '.join(map(str, found.data_problems))}", evidence, broken=True
            )
        drifted = [f"{each.name} {each.distance:.3g} > {each.threshold:g}" for each in found.anomalies]
        return Look(bool(drifted), f"drift: {', '.join(drifted)}" if drifted else "no drift", evidence)

    def _by_quality(self, trigger: QualityBelow, now: datetime) -> Look:
        value = self._number(trigger.query, now)
        if value is None:
            return Look(False, "too few outcomes are known yet")
        evidence = {"quality": value, "minimum": trigger.minimum, "maximum": trigger.maximum}
        if trigger.minimum is not None and value < trigger.minimum:
            return Look(True, f"quality {value:.4g} < {trigger.minimum:g}", evidence)
        if trigger.maximum is not None and value > trigger.maximum:
            return Look(True, f"quality {value:.4g} > {trigger.maximum:g}", evidence)
        return Look(False, f"quality {value:.4g} is within its limits", evidence)

    def _by_rows(self, trigger: NewData, now: datetime, since: datetime) -> Look:
        sql = (
            f"SELECT COUNT(*) FROM `{trigger.table}`"
            f" WHERE {trigger.time_column} > {_literal(since)} AND {trigger.time_column} <= @now"
        )
        rows = int(self._number(sql, now) or 0)
        evidence = {"rows": rows, "since": since.isoformat()}
        return Look(rows >= trigger.rows, f"{rows:,} new rows of {trigger.rows:,} in {trigger.table}", evidence)

    def _number(self, sql: str, now: datetime) -> float | None:
        rows = self._bigquery.query(at(sql, now)).rows()
        value = next(iter(rows[0].values())) if rows else None
        return None if value is None else float(value)


def at(sql: str, now: datetime) -> str:
    """The query at a time: @now as a literal, so that it may stand inside other queries."""
    return sql.replace("@now", _literal(now))


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.isoformat()}'"


def _by_incident(trigger: OnAlert, incident: Mapping[str, Any]) -> Look:
    state, summary = str(incident.get("state", "")), str(incident.get("summary", ""))
    why = f"alert {trigger.policy}: {summary or state}"
    return Look(state.lower() == "open", why, {key: incident[key] for key in _KEPT if key in incident})


_KEPT = ("incident_id", "policy_name", "condition_name", "summary", "observed_value", "threshold_value", "started_at",
         "state", "url")  # fmt: skip
