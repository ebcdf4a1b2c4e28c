"""Incidents: what policies opened, and when it was over."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from gcpmlops import _html
from gcpmlops._durations import Duration, seconds_of, spoken
from gcpmlops._monitoring.descriptors import all_of, labels_are, project_of, quoted
from gcpmlops._monitoring.readings import Reading, plain
from gcpmlops.clients import Clients
from gcpmlops.exceptions import GcpMlopsError, translated
from gcpmlops.types import one_of

if TYPE_CHECKING:
    from gcpmlops.monitoring import Monitoring

STATES = ("OPEN", "CLOSED")
_PAGE = 1000
_BEFORE = timedelta(minutes=10)
BY_VALUE = ("ALIGN_NONE", "ALIGN_MEAN", "ALIGN_MAX", "ALIGN_MIN", "ALIGN_SUM", "ALIGN_NEXT_OLDER")


class Moment(NamedTuple):
    """One line of an incident's timeline."""

    at: datetime
    what: str

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}  {self.what}"


@dataclass(frozen=True)
class Incident:
    """One incident as it was when asked for; `resource` is Google's Alert as JSON has it."""

    resource: Mapping[str, Any] = field(repr=False)
    _monitoring: Monitoring = field(repr=False, compare=False)

    @property
    def name(self) -> str:
        """projects/PROJECT/alerts/ID."""
        return str(self.resource["name"])

    @property
    def id(self) -> str:
        """The last part of the name."""
        return self.name.rpartition("/")[2]

    @property
    def state(self) -> str:
        """OPEN or CLOSED."""
        return str(self.resource.get("state", "STATE_UNSPECIFIED"))

    @property
    def policy(self) -> str:
        """The display name of the policy that opened it."""
        return str(self._policy.get("displayName", ""))

    @property
    def policy_name(self) -> str:
        """The full name of the policy."""
        return str(self._policy.get("name", ""))

    @property
    def severity(self) -> str:
        """Of the policy, when it was opened."""
        return str(self._policy.get("severity", "")).removeprefix("SEVERITY_UNSPECIFIED")

    @property
    def opened(self) -> datetime:
        """When it was opened."""
        return _time(self.resource["openTime"])

    @property
    def closed(self) -> datetime | None:
        """When it was closed; None: it is open."""
        return _time(self.resource["closeTime"]) if self.resource.get("closeTime") else None

    @property
    def metric(self) -> str:
        """The type of the metric; empty for log entries."""
        return str(self.resource.get("metric", {}).get("type", ""))

    @property
    def labels(self) -> dict[str, str]:
        """Labels of the metric, or what was extracted of the log entry."""
        found = self.resource.get("metric", {}).get("labels") or self.resource.get("log", {}).get("extractedLabels")
        return dict(found or {})

    @property
    def duration(self) -> timedelta | None:
        """How long it was open; None: it still is."""
        return self.closed - self.opened if self.closed else None

    @property
    def timeline(self) -> Sequence[Moment]:
        """What happened, in order: the value that set it off, opened, snoozed, closed. Asks the service."""
        return self._monitoring.timeline(self)

    def row(self) -> dict[str, Any]:
        """As a table has it."""
        took = spoken(self.duration.total_seconds()) if self.duration else None
        shown = {"state": self.state, "policy": self.policy, "severity": self.severity, "opened": self.opened}
        return {**shown, "closed": self.closed, "took": took, "labels": self.labels, "id": self.id}

    @property
    def _policy(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.resource.get("policy", {})
        return found

    def __repr__(self) -> str:
        return f"Incident({self.policy!r}, {self.state}, opened={self.opened:%Y-%m-%d %H:%M:%S})"

    def _repr_html_(self) -> str:
        return _html.card(f"{self.policy}: {self.state}", self.row())


class Incidents:
    """API: projects.alerts of Cloud Monitoring v3, by REST: the official client has no method for it."""

    def __init__(self, clients: Clients, reading: Reading, monitoring: Monitoring) -> None:
        self._clients = clients
        self._reading = reading
        self._monitoring = monitoring

    def list(
        self, *, state: str | None = None, policy: str | None = None, since: Duration | datetime | None = None
    ) -> list[Incident]:
        """The newest first; `policy` is a full name; see `Monitoring.incidents`."""
        wanted = one_of(state, STATES, field="state") if state else ""
        start = self._start(since)
        found = []
        for each in self._all():
            over = start is not None and each.closed is not None and each.closed < start
            if not over and wanted in ("", each.state) and policy in (None, each.policy_name):
                found.append(each)
        return found

    def get(self, name: str) -> Incident:
        """By id or full name (alerts.get). Raises NotFound."""
        full = name if "/" in name else f"{project_of(self._clients)}/alerts/{name}"
        with translated(f"incident {name}", next_step="See them with `gcpmlops monitoring incidents`."):
            return Incident(self._clients.get_json("monitoring.googleapis.com", f"v3/{full}"), self._monitoring)

    def timeline(self, incident: Incident) -> Sequence[Moment]:
        """What happened, in order."""
        moments = [*self._value(incident), Moment(incident.opened, f"opened: {incident.policy}")]
        moments += [
            Moment(start, f"snoozed until {end:%Y-%m-%d %H:%M}: {why}") for start, end, why in self._snoozes(incident)
        ]
        if incident.closed and incident.duration:
            moments.append(Moment(incident.closed, f"closed after {spoken(incident.duration.total_seconds())}"))
        return sorted(moments)

    def _value(self, incident: Incident) -> Iterator[Moment]:
        """The last value before it was opened, where the metric still has it."""
        try:
            where = self._watched(incident)
            if not where:
                return
            found = [
                *self._reading.list(where, start=incident.opened - _BEFORE, end=incident.opened + timedelta(seconds=1))
            ]
        except GcpMlopsError:  # the policy or the metric is gone: the rest of the timeline is still true
            return
        points = [point for series in found for point in series.points]
        if points:
            at, value = max(points, key=lambda point: point[0])
            yield Moment(at, f"{incident.metric.rpartition('googleapis.com/')[2]} was {plain(value):.6g}")

    def _watched(self, incident: Incident) -> str:
        """The filter of the time series that set it off; empty where it was no value: a rate, a ratio, a log entry."""
        for condition in self._monitoring.get_alert(incident.policy_name).proto.conditions:
            spec = condition.condition_threshold
            plain_values = all(step.per_series_aligner.name in BY_VALUE for step in spec.aggregations)
            if (
                f"metric.type = {quoted(incident.metric)}" in spec.filter
                and plain_values
                and not spec.denominator_filter
            ):
                labels = {
                    key: value for key, value in incident.labels.items() if f"metric.labels.{key} " not in spec.filter
                }
                return all_of(spec.filter, labels_are(labels))
        return ""

    def _snoozes(self, incident: Incident) -> Iterator[tuple[datetime, datetime, str]]:
        with translated("snoozes"):
            for each in self._clients.snoozes.list_snoozes(
                parent=project_of(self._clients), **self._clients.idempotent
            ):
                start, end = each.interval.start_time, each.interval.end_time
                over = incident.closed is not None and start > incident.closed
                if incident.policy_name in each.criteria.policies and end > incident.opened and not over:
                    yield start, end, each.display_name

    def _all(self) -> Iterator[Incident]:
        token, path = "", f"v3/{project_of(self._clients)}/alerts"
        while True:
            query = {"pageSize": _PAGE, "orderBy": "open_time desc", **({"pageToken": token} if token else {})}
            with translated("incidents"):
                answer = self._clients.get_json("monitoring.googleapis.com", path, **query)
            yield from (Incident(each, self._monitoring) for each in answer.get("alerts", ()))
            token = answer.get("nextPageToken", "")
            if not token:
                return

    def _start(self, since: Duration | datetime | None) -> datetime | None:
        if since is None or isinstance(since, datetime):
            return since
        return self._clients.now() - timedelta(seconds=seconds_of(since, field="since"))


def table(incidents: Sequence[Incident]) -> str:
    """As HTML."""
    rows = [list(each.row().values()) for each in incidents]
    return _html.grid("Incidents", list(incidents[0].row()) if incidents else [], rows)


def _time(text: str) -> datetime:
    """RFC 3339, of up to nine digits."""
    whole, dot, rest = text.rstrip("Z").partition(".")
    digits = rest[:6].ljust(6, "0") if dot else "000000"
    return datetime.fromisoformat(f"{whole}.{digits}").replace(tzinfo=UTC)
