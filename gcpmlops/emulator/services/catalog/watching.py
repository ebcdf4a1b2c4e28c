"""Cloud Logging and Cloud Monitoring: sinks, log-based metrics, alerts, uptime checks, dashboards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gcpmlops.emulator.kernel.gate import Needed
from gcpmlops.emulator.kernel.registry import JsonRoute
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.catalog.messages import Messages
from gcpmlops.emulator.services.catalog.parts import made_once
from gcpmlops.emulator.services.monitoring import promql

if TYPE_CHECKING:
    from gcpmlops.emulator.services.logging.log_metrics import LogMetrics
    from gcpmlops.emulator.services.logging.sinks import Sinks
    from gcpmlops.emulator.services.monitoring.alerting.alerting import Alerting
    from gcpmlops.emulator.services.monitoring.uptime.rounds import Rounds


class Watching(Messages):
    """With logs' ways and alerts."""

    def _logging(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.logging.config import ConfigServiceV2
        from gcpmlops.emulator.services.logging.metrics import MetricsServiceV2
        from gcpmlops.emulator.services.logging.service import LoggingServiceV2

        return (
            LoggingServiceV2(self._context, self.entries),
            ConfigServiceV2(self._context, self._log_sinks),
            MetricsServiceV2(self._context, self._log_metrics, self._metric_types),
        )

    @made_once
    def _log_sinks(self) -> Sinks:
        from gcpmlops.emulator.services.logging.destinations.making import Destinations
        from gcpmlops.emulator.services.logging.sink_errors import SinkErrors
        from gcpmlops.emulator.services.logging.sinks import Sinks

        make = Destinations(
            publisher=lambda: self._publisher,
            objects=self.storage,
            tables=lambda: self._exports.sources.tables,
            now=self._context.clock.now,
        )
        sinks: Sinks = self._closed_later(Sinks(self._context, self.entries, make, SinkErrors(self.logs.write)))
        return sinks

    @made_once
    def _log_metrics(self) -> LogMetrics:
        from gcpmlops.emulator.services.logging.log_metrics import LogMetrics

        return LogMetrics(self._context, self.entries, self._points)

    def _resume_logging(self) -> None:
        sql = "SELECT DISTINCT type FROM resources WHERE type GLOB 'google.logging.v2.*'"
        kinds = {row[0] for row in self._context.store.read(lambda conn: conn.execute(sql).fetchall())}
        if kinds & {"google.logging.v2.LogSink", "google.logging.v2.LogExclusion"}:
            _ = self._log_sinks
        if "google.logging.v2.LogMetric" in kinds:
            _ = self._log_metrics

    @made_once
    def _alerting(self) -> Alerting:
        from gcpmlops.emulator.services.monitoring.alerting.alerting import Alerting

        alerting: Alerting = self._closed_later(
            Alerting(
                self._context,
                points=self._points,
                reading=self._reading,
                metrics=self._metric_types,
                entries=self.entries,
                write_log=self.logs.write,
                outbound=self.outbound,
                publisher=lambda: self._publisher,
            )
        )
        alerting.resume()
        return alerting

    @made_once
    def _uptime(self) -> Rounds:
        from gcpmlops.emulator.services.monitoring.uptime.probes import Prober
        from gcpmlops.emulator.services.monitoring.uptime.rounds import Rounds

        agent = f"service-{self._settings.project_number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
        store, agenda, prober = self._context.store, self._context.agenda, Prober(self.outbound, agent)
        made: Rounds = self._closed_later(Rounds(store, agenda, prober, self._points, self.logs.write))
        return made

    def _monitoring_routes(self) -> tuple[JsonRoute, ...]:
        of_all, of_one = (Needed(f"monitoring.alerts.{verb}", "projects/{project}") for verb in ("list", "get"))
        alerts = "/v3/projects/{project}/alerts"
        return (
            *promql.ROUTES,
            JsonRoute("GET", alerts, lambda *call: self._alerting.alerts.list(*call), of_all),
            JsonRoute("GET", f"{alerts}/{{alert}}", lambda *call: self._alerting.alerts.get(*call), of_one),
        )

    def _dashboards(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.dashboards.service import DashboardsService

        return (DashboardsService(self._context),)
