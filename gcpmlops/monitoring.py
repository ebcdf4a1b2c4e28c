"""Cloud Monitoring: metrics, alert policies, channels, incidents and the dashboard of a model's life."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops._durations import Duration
from gcpmlops._monitoring import alert_file
from gcpmlops._monitoring.alerts import (
    Absence,
    Alert,
    Drift,
    ErrorRate,
    Latency,
    LogMatch,
    NoTraffic,
    Quality,
    StaleData,
    Threshold,
)
from gcpmlops._monitoring.channels import Channel, Channels, Email, PubSub, Target, Webhook
from gcpmlops._monitoring.dashboards import Dashboard, Dashboards
from gcpmlops._monitoring.data_age import data_age
from gcpmlops._monitoring.descriptors import CUSTOM, DATA_AGE, Descriptors, Metric
from gcpmlops._monitoring.incidents import Incident, Incidents, Moment
from gcpmlops._monitoring.points import Point, Resource, Writing
from gcpmlops._monitoring.policies import Policies, Policy, Snooze
from gcpmlops._monitoring.readings import Reading, Readings, Series
from gcpmlops._monitoring.rehearsal import AlertTest, Rehearsal
from gcpmlops.clients import Clients
from gcpmlops.types import Labels, Path_

if TYPE_CHECKING:
    from gcpmlops.bigquery import BigQuery

__all__ = [
    "Absence",
    "Alert",
    "AlertTest",
    "Channel",
    "Dashboard",
    "Drift",
    "Email",
    "ErrorRate",
    "Incident",
    "Latency",
    "LogMatch",
    "Metric",
    "Moment",
    "Monitoring",
    "NoTraffic",
    "Point",
    "Policy",
    "PubSub",
    "Quality",
    "Readings",
    "Resource",
    "Series",
    "Snooze",
    "StaleData",
    "Threshold",
    "Webhook",
]


class Monitoring:
    """`client.monitoring`. API: Cloud Monitoring v3, Dashboards v1.

    A metric's name without a host is one of ours: `queue/length` is custom.googleapis.com/gcpmlops/queue/length.
    """

    def __init__(self, clients: Clients, bigquery: BigQuery) -> None:
        self._clients = clients
        self._bigquery = bigquery
        self._descriptors = Descriptors(clients)
        self._writing = Writing(clients, self._descriptors)
        self._reading = Reading(clients)
        self._policies = Policies(clients, self)
        self._channels = Channels(clients)
        self._incidents = Incidents(clients, self._reading, self)
        self._dashboards = Dashboards(clients, self._reading, self._policies, self._incidents)

    def now(self) -> datetime:
        """The service's time."""
        return self._clients.now()

    def ensure_metric(
        self,
        name: str,
        *,
        kind: str = "GAUGE",
        value_type: str = "DOUBLE",
        unit: str = "1",
        labels: Mapping[str, str] | None = None,
        description: str = "",
    ) -> Metric:
        """The metric, made if need be; labels (key → what it is) are added, unit and description follow.

        `kind` is GAUGE or CUMULATIVE; `value_type` DOUBLE, INT64, BOOL, STRING or DISTRIBUTION
        (CreateMetricDescriptor). Raises FailedPrecondition where there is one of another kind or value type,
        InvalidArgument.
        """
        return self._descriptors.ensure(
            name, kind=kind, value_type=value_type, unit=unit, labels=labels, description=description
        )

    def get_metric(self, name: str) -> Metric:
        """The metric (GetMetricDescriptor). Raises NotFound."""
        return self._descriptors.get(name)

    def list_metrics(self, prefix: str = CUSTOM) -> list[Metric]:
        """The metrics whose types start so (ListMetricDescriptors)."""
        return self._descriptors.list(prefix)

    def delete_metric(self, name: str) -> None:
        """Delete a metric with all its data (DeleteMetricDescriptor). Raises NotFound."""
        self._descriptors.delete(name)

    def write(
        self,
        metric: str,
        value: Any,
        *,
        labels: Mapping[str, Any] | None = None,
        resource: Resource | None = None,
        at: datetime | None = None,
    ) -> None:
        """Write one value of a gauge (CreateTimeSeries); `at` is the service's time unless given.

        Google takes points of the last 25 hours, of one time series in order of time and 5 s apart. Raises
        InvalidArgument before anything is sent for a value or label that the metric doesn't have, NotFound.
        """
        self.write_all([Point(metric, value, labels or {}, resource or Resource(), at)])

    def write_all(self, points: Iterable[Point]) -> int:
        """Write many values, in order of time, 200 a request; how many. All are checked before the first is sent."""
        return self._writing.write(points)

    def read(
        self,
        metric: str,
        *,
        since: Duration | datetime = "1h",
        until: datetime | None = None,
        align: str | None = None,
        reduce: str | None = None,
        by: Sequence[str] = (),
        every: Duration = 60,
        labels: Mapping[str, str] | None = None,
        resource: Mapping[str, str] | None = None,
    ) -> Readings:
        """The time series of a metric (ListTimeSeries): `.rows()`, `.to_dataframe()`.

        Args:
            metric: name or full type.
            since: a moment, or how long ago.
            until: now, unless given.
            align: one value for each `every` (at least 60 s): mean, max, sum, rate, delta, p50, p95, p99, count, ...
            reduce: of several time series one: sum, mean, max, p95, ...
            by: labels of which each value stays apart: "version" is metric.labels.version.
            every: the period of `align`.
            labels: of the metric, that have to be so.
            resource: labels of the monitored resource, that have to be so.

        Raises: InvalidArgument, NotFound.
        """
        return self._reading.read(
            metric,
            since=since,
            until=until,
            align=align,
            reduce=reduce,
            by=by,
            every=every,
            labels=labels,
            resource=resource,
        )

    def check_data_age(self, table: str, *, column: str) -> float:
        """Write how old the newest row of a table is, in seconds, for StaleData; `column` has the rows' time.

        Raises FailedPrecondition for a table without rows, NotFound, InvalidArgument.
        """
        age = data_age(self._bigquery, table, column, now=self.now())
        self.write(DATA_AGE.name, age, labels={"table": table})
        return age

    def ensure_alert(
        self,
        name: str,
        alert: Alert,
        *,
        channels: Sequence[Channel | str] = (),
        severity: str = "WARNING",
        auto_close: Duration = "7d",
        runbook: str = "",
        labels: Labels | None = None,
        enabled: bool = True,
    ) -> Policy:
        """The alert policy of this display name, made or brought up to date (CreateAlertPolicy, UpdateAlertPolicy).

        Args:
            name: display name; there is never a second one of it.
            alert: what it is about: ErrorRate, Latency, NoTraffic, Drift, Quality, StaleData, Threshold, Absence,
                LogMatch.
            channels: who is told: handles, display names, ids.
            severity: CRITICAL, ERROR or WARNING.
            auto_close: an incident without new data closes after so long; 30 minutes to 7 days.
            runbook: Markdown, after the text that the kind of alert brings.
            labels: user labels.
            enabled: whether it is evaluated.

        Raises: InvalidArgument, NotFound (a channel, an endpoint, a metric of your own that isn't there).
        """
        told = self._channels.resolved(channels)
        if isinstance(alert, (Threshold, Absence)) and "." not in alert.metric.partition("/")[0]:
            self._descriptors.of(alert.metric)
        elif isinstance(alert, (Drift, Quality, StaleData)):
            self._descriptors.of({"stale_data": DATA_AGE.name}.get(alert.kind, alert.kind))
        return self._policies.ensure(
            name,
            alert,
            channels=told,
            severity=severity,
            auto_close=auto_close,
            runbook=runbook,
            labels=labels,
            enabled=enabled,
        )

    def get_alert(self, name: str) -> Policy:
        """An alert policy, by display name, id or full name. Raises NotFound, InvalidArgument where several fit."""
        return self._policies.get(name)

    def list_alerts(self, filter: str | None = None) -> list[Policy]:  # noqa: A002 - the API calls it so
        """The project's alert policies (ListAlertPolicies)."""
        return self._policies.list(filter)

    def delete_alert(self, name: str) -> None:
        """Delete an alert policy (DeleteAlertPolicy). Raises NotFound."""
        self._policies.delete(name)

    def ensure_channel(
        self, name: str, target: Target, *, labels: Labels | None = None, enabled: bool = True
    ) -> Channel:
        """The notification channel of this display name, made or brought up to date: Webhook, PubSub or Email.

        Raises InvalidArgument, also where one of this name is of another type, which can't change.
        """
        return self._channels.ensure(name, target, labels=labels, enabled=enabled)

    def get_channel(self, name: str) -> Channel:
        """A channel, by display name, id or full name. Raises NotFound."""
        return self._channels.get(name)

    def list_channels(self, filter: str | None = None) -> list[Channel]:  # noqa: A002 - the API calls it so
        """The project's notification channels (ListNotificationChannels)."""
        return self._channels.list(filter)

    def delete_channel(self, name: str, *, force: bool = False) -> None:
        """Delete a channel; with `force` although policies name it (DeleteNotificationChannel). Raises NotFound."""
        self._channels.delete(name, force=force)

    def apply(self, path: Path_) -> list[Policy]:
        """Ensure the channels and alerts of a YAML file, which is read and checked whole before anything is changed.

        Raises InvalidArgument with file and line.
        """
        channels, alerts = alert_file.AlertFile(Path(path)).read()
        for name, target in channels.items():
            self.ensure_channel(name, target)
        return [self.ensure_alert(name, alert, **options) for name, alert, options in alerts]

    def incidents(
        self, *, state: str | None = None, policy: str | None = None, since: Duration | datetime | None = None
    ) -> list[Incident]:
        """Incidents, the newest first (projects.alerts.list).

        Args:
            state: OPEN or CLOSED; both where it isn't said.
            policy: only this policy's: display name, id or full name.
            since: only those that were open after this moment, or so long ago.
        """
        full = None if policy is None else policy if policy.startswith("projects/") else self.get_alert(policy).name
        return self._incidents.list(state=state, policy=full, since=since)

    def get_incident(self, name: str) -> Incident:
        """An incident, by id or full name (projects.alerts.get). Raises NotFound."""
        return self._incidents.get(name)

    def timeline(self, incident: Incident | str) -> Sequence[Moment]:
        """What happened in an incident, in order."""
        found = self.get_incident(incident) if isinstance(incident, str) else incident
        return self._incidents.timeline(found)

    def render_incident(self, incident: Incident | str, path: Path_) -> Path:
        """Write an incident as one HTML page that needs no network: what the policy saw, the timeline, the runbook.

        Needs plotly: `pip install 'gcpmlops[plots]'`. Raises NotFound, MissingExtra, InvalidArgument.
        """
        from gcpmlops._monitoring.incident_page import IncidentPage

        found = self.get_incident(incident) if isinstance(incident, str) else incident
        return IncidentPage(self._reading, self._policies, self._incidents, self.now()).write(found, Path(path))

    def test_alert(self, policy: Policy | str, *, timeout: float = 300, unmarked: bool = False) -> AlertTest:
        """Write a marked value that violates the policy, wait until its incident is open, and put the value right.

        The mark stands in a label that the policy leaves open, so that it is seen that this was a test. Where there is
        none: `unmarked` writes it all the same. `timeout` in seconds. Raises DeadlineExceeded, FailedPrecondition for
        a policy that no value can violate (metrics of Google's own, absence, rates).
        """
        found = policy if isinstance(policy, Policy) else self.get_alert(policy)
        return Rehearsal(self, found, unmarked=unmarked).run(timeout=timeout)

    def snooze(self, policy: Policy | str, *, hours: float, why: str) -> Snooze:
        """No incidents of a policy from now on, for so long (CreateSnooze). Raises NotFound, InvalidArgument."""
        return self._policies.snooze(policy if isinstance(policy, str) else policy.name, hours=hours, why=why)

    def ensure_dashboard(
        self,
        name: str,
        *,
        endpoint: str | None = None,
        model: str | None = None,
        metrics: Sequence[str] = ("roc_auc",),
        alerts: Sequence[Policy | str] = (),
        drift_above: float = 0.3,
        logs: str = "",
    ) -> Dashboard:
        """The dashboard of a model's life, made or brought up to date (CreateDashboard, UpdateDashboard).

        Args:
            name: display name.
            endpoint: whose traffic, errors, latency and replicas are shown.
            model: whose quality and drift are shown, as it was published.
            metrics: of quality.
            alerts: policies that are shown with their limits.
            drift_above: the line in the picture of drift.
            logs: a filter of Cloud Logging, instead of the endpoint's own and the retraining's.

        Raises: InvalidArgument, NotFound.
        """
        policies = [each if isinstance(each, Policy) else self.get_alert(each) for each in alerts]
        return self._dashboards.ensure(
            name,
            endpoint=endpoint,
            model=model,
            metrics=tuple(metrics),
            policies=policies,
            drift_above=drift_above,
            logs=logs,
        )

    def get_dashboard(self, name: str) -> Dashboard:
        """A dashboard, by display name, id or full name. Raises NotFound."""
        return self._dashboards.get(name)

    def list_dashboards(self) -> list[Dashboard]:
        """The project's dashboards (ListDashboards)."""
        return self._dashboards.list()

    def delete_dashboard(self, name: str) -> None:
        """Delete a dashboard (DeleteDashboard). Raises NotFound."""
        self._dashboards.delete(name)

    def render_dashboard(self, name: str, path: Path_, *, since: Duration | datetime = "1d") -> Path:
        """Write a dashboard as one HTML page that needs no network: its own definition, and the data that it names.

        Needs plotly: `pip install 'gcpmlops[plots]'`. Raises NotFound, MissingExtra, InvalidArgument.
        """
        return self._dashboards.render(name, Path(path), since=since)
