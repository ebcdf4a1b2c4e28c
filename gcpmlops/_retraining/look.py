"""Looks whether a trigger's condition holds now, and keeps what it saw as evidence."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gcpmlops._durations import seconds_of
from gcpmlops._monitoring.rehearsal import MARK
from gcpmlops._retraining.recipe import Recipe
from gcpmlops._retraining.triggers import DataDrift, NewData, OnAlert, QualityBelow, Schedule, Trigger
from gcpmlops.exceptions import InvalidArgument, Unimplemented

if TYPE_CHECKING:
    from gcpmlops.bigquery import BigQuery
    from gcpmlops.drift import Drift, DriftResult
    from gcpmlops.feedback import Feedback
    from gcpmlops.monitoring import Monitoring


@dataclass(frozen=True)
class Look:
    """What was seen: whether to retrain, why or why not, and whether the data themselves are broken."""

    retrain: bool
    why: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    broken: bool = False


@dataclass(frozen=True)
class Lookout:
    """Knows where each kind of trigger has to look; what it measures becomes metrics, for alerts and dashboards."""

    bigquery: BigQuery
    drift: Drift
    feedback: Feedback
    monitoring: Monitoring

    def look(
        self, trigger: Trigger, recipe: Recipe, *, now: datetime, since: datetime, incident: Mapping[str, Any]
    ) -> Look:
        """Args: `since` is the time of the last run's data; `incident` is what an alert sent."""
        if isinstance(trigger, Schedule):
            return Look(True, f"the schedule {trigger.cron} ({trigger.time_zone})")
        if isinstance(trigger, DataDrift):
            return self._by_drift(trigger, recipe, now)
        if isinstance(trigger, QualityBelow):
            return self._by_quality(trigger, recipe, now)
        if isinstance(trigger, NewData):
            return self._by_rows(trigger, now, since)
        if isinstance(trigger, OnAlert):
            return _by_incident(trigger, incident)
        raise Unimplemented(f"a trigger {trigger!r}")

    def _by_drift(self, trigger: DataDrift, recipe: Recipe, now: datetime) -> Look:
        found = self.drift.compare(
            at(trigger.baseline, now),
            at(trigger.current, now),
            features=list(trigger.features) or None,
            thresholds={"*": trigger.threshold, **trigger.thresholds},
        )
        evidence = found.to_dict()
        self._write_drift(found, recipe)
        if found.data_problems:
            return Look(
                False, f"the data are broken: {'; '.join(map(str, found.data_problems))}", evidence, broken=True
            )
        drifted = [f"{each.name} {each.distance:.3g} > {each.threshold:g}" for each in found.anomalies]
        return Look(bool(drifted), f"drift: {', '.join(drifted)}" if drifted else "no drift", evidence)

    def _write_drift(self, found: DriftResult, recipe: Recipe) -> None:
        from gcpmlops.monitoring import Point

        about = {"model": recipe.model, "endpoint": recipe.endpoint.rpartition("/")[2], "kind": "skew"}
        measured = [each for each in found.features if each.distance is not None]
        self.monitoring.write_all(Point("drift", each.distance, {**about, "feature": each.name}) for each in measured)

    def _by_quality(self, trigger: QualityBelow, recipe: Recipe, now: datetime) -> Look:
        value = self._by_feedback(trigger, recipe, now) if trigger.metric else self._number(trigger.query, now)
        if value is None:
            return Look(False, "too few outcomes are known yet")
        name = trigger.metric or "quality"
        evidence = {name: value, "minimum": trigger.minimum, "maximum": trigger.maximum}
        if trigger.minimum is not None and value < trigger.minimum:
            return Look(True, f"{name} {value:.4g} < {trigger.minimum:g}", evidence)
        if trigger.maximum is not None and value > trigger.maximum:
            return Look(True, f"{name} {value:.4g} > {trigger.maximum:g}", evidence)
        return Look(False, f"{name} {value:.4g} is within its limits", evidence)

    def _by_feedback(self, trigger: QualityBelow, recipe: Recipe, now: datetime) -> float | None:
        """Of the version that was asked most; None where too few outcomes are known."""
        log = self.feedback.request_log(
            recipe.endpoint, key=trigger.key, prediction=trigger.prediction, features=recipe.features
        )
        found = self.feedback.quality(
            predictions=log,
            outcomes=trigger.outcomes,
            task="binary" if recipe.task == "classification" else recipe.task,
            metrics=[trigger.metric],
            by=("version",),
            since=now - timedelta(seconds=seconds_of(trigger.window, field="window")),
            until=now,
            minimum=trigger.outcomes_needed,
        )
        if not found:
            return None
        self.feedback.publish(found, model=recipe.model)
        most = max(found, key=lambda each: each.outcomes)
        return most.values.get(trigger.metric)

    def _by_rows(self, trigger: NewData, now: datetime, since: datetime) -> Look:
        sql = (
            f"SELECT COUNT(*) FROM `{trigger.table}`"
            f" WHERE {trigger.time_column} > {_literal(since)} AND {trigger.time_column} <= @now"
        )
        rows = int(self._number(sql, now) or 0)
        evidence = {"rows": rows, "since": since.isoformat()}
        return Look(rows >= trigger.rows, f"{rows:,} new rows of {trigger.rows:,} in {trigger.table}", evidence)

    def _number(self, sql: str, now: datetime) -> float | None:
        rows = self.bigquery.query(at(sql, now)).rows()
        value = next(iter(rows[0].values())) if rows else None
        try:
            return None if value is None else float(value)
        except (TypeError, ValueError):
            raise InvalidArgument(
                f"the query gives {value!r}, which is no number", field="query", allowed="one number, or NULL"
            ) from None


def at(sql: str, now: datetime) -> str:
    """The query at a time: @now as a literal, so that it may stand inside other queries."""
    return sql.replace("@now", _literal(now))


def _literal(moment: datetime) -> str:
    return f"TIMESTAMP '{moment.isoformat()}'"


def _by_incident(trigger: OnAlert, incident: Mapping[str, Any]) -> Look:
    state, summary = str(incident.get("state", "")), str(incident.get("summary", ""))
    why = f"alert {trigger.policy}: {summary or state}"
    if MARK in json.dumps([incident.get("metric"), incident.get("resource")]):
        return Look(False, f"alert {trigger.policy}: only a test of it")
    return Look(state.lower() == "open", why, {key: incident[key] for key in _KEPT if key in incident})


_KEPT = ("incident_id", "policy_name", "condition_name", "summary", "observed_value", "threshold_value", "started_at",
         "state", "url")  # fmt: skip
