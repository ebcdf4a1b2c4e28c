"""Alerting as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from google.api import metric_pb2

from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.logging.entries import Entries
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.monitoring import messages, selection
from gcpmlops.emulator.services.monitoring.alerting import payload
from gcpmlops.emulator.services.monitoring.alerting.alerts import Alerts
from gcpmlops.emulator.services.monitoring.alerting.channel_codes import Codes
from gcpmlops.emulator.services.monitoring.alerting.channels import NotificationChannels
from gcpmlops.emulator.services.monitoring.alerting.deliveries import Deliveries
from gcpmlops.emulator.services.monitoring.alerting.incidents import AlertRows, Changes, Delivery
from gcpmlops.emulator.services.monitoring.alerting.log_matches import LogMatches
from gcpmlops.emulator.services.monitoring.alerting.mail import Mail
from gcpmlops.emulator.services.monitoring.alerting.notices import Notices
from gcpmlops.emulator.services.monitoring.alerting.policies import AlertPolicies
from gcpmlops.emulator.services.monitoring.alerting.policy_checks import PolicyChecks
from gcpmlops.emulator.services.monitoring.alerting.senders import Publisher, Senders
from gcpmlops.emulator.services.monitoring.alerting.snoozes import Snoozes
from gcpmlops.emulator.services.monitoring.alerting.watch import Names
from gcpmlops.emulator.services.monitoring.alerting.watching import Watching
from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.resource_types import RESOURCES
from gcpmlops.emulator.services.monitoring.series import Series, micros
from gcpmlops.emulator.services.outbound import Outbound


class Alerting:
    """Its services, and what looks at policies; made when the first of its calls comes, or policies are stored.

    Args:
        context: shared by all services.
        points: arrivals are looked at.
        reading: of time series.
        metrics: descriptors.
        entries: log entries that arrive are looked at.
        write_log: tells what could not be delivered.
        outbound: makes the calls of webhooks.
        publisher: of Pub/Sub, made when it is needed.
        timeout: real seconds that a webhook may be silent.
    """

    def __init__(
        self,
        context: Context,
        *,
        points: Points,
        reading: Reading,
        metrics: MetricTypes,
        entries: Entries,
        write_log: WriteLog,
        outbound: Outbound,
        publisher: Callable[[], Publisher],
        timeout: float = 10.0,
    ) -> None:
        settings, agenda, clock = context.settings, context.agenda, context.clock
        self._metrics = metrics
        self._settings = settings
        mail = Mail(settings.smtp, settings.data_dir / "outbox", clock)
        rows = self._rows = AlertRows(context.store)
        self._clock = clock
        self.channels = NotificationChannels(
            context,
            Codes(context.store, clock, mail.send),
            lambda name: self.policies.notifying(name),
            lambda name: self.policies.without_channel(name),
        )
        checks = PolicyChecks(self._descriptors, self.channels.stored)
        self.policies = AlertPolicies(context, checks, self._put, self._remove)
        self.snoozes = Snoozes(context, self.policies.stored, lambda names: self._watching.look_at(names))
        self._deliveries = Deliveries(
            rows,
            self.channels.stored,
            Senders(outbound, publisher, mail, timeout=timeout),
            agenda=agenda,
            clock=clock,
            write_log=write_log,
        )
        notices = Notices(rows, self._deliveries, self.policies.stored, agenda=agenda, clock=clock)
        self._watching = Watching(reading, rows, notices, self.snoozes, self._names, agenda=agenda, clock=clock)
        self._logs = LogMatches(rows, notices, self.snoozes, self._names, agenda=agenda, clock=clock)
        self.alerts = Alerts(rows, settings.project_number, settings.project)
        points.on_add.append(self._watching.on_add)
        entries.on_append.append(self._logs.on_append)
        agenda.on_back.append(self._watching.on_back)

    def services(self) -> tuple[Service, ...]:
        """What answers calls."""
        return self.policies, self.channels, self.snoozes

    def notify(self, channel: str, incident: Mapping[str, Any]) -> None:
        """Brings a notification of another service to a channel, attempted again as those of policies are.

        Args:
            channel: resource name.
            incident: what the notification's JSON says, with the keys of a policy's incident.

        Raises: NotFound.
        """
        self.channels.stored(channel)
        told = {"incident": dict(incident), "version": payload.VERSION}
        delivery = Delivery(channel, told, micros(self._clock.now()))
        self._deliveries.send(self._rows.commit(Changes(deliveries=[delivery])))

    def resume(self) -> None:
        """Goes on with the policies and the deliveries that are stored; once."""
        for policy in self.policies.all():
            self._put(policy)
        self._deliveries.resume()

    def close(self) -> None:
        """Ends deliveries; what is under way is stored."""
        self._deliveries.close()

    def _put(self, policy: Any) -> None:
        of_logs = "condition_matched_log" in policy.conditions[0]
        (self._logs if of_logs else self._watching).put(policy)

    def _remove(self, policy: Any) -> None:
        of_logs = "condition_matched_log" in policy.conditions[0]
        (self._logs if of_logs else self._watching).remove(policy)

    def _descriptors(self, project: str, text: str) -> list[metric_pb2.MetricDescriptor]:
        """Of the metrics that a filter names."""
        wanted = selection.parse(text)
        if kind := selection.metric_type(wanted):
            found = self._metrics.find(project, kind)
            return [found] if found else []
        tests = [(op, value) for path, op, value in wanted.comparisons if list(path) == ["metric", "type"]]
        only = selection.parse(" AND ".join(f"metric.type {op} {_quoted(value)}" for op, value in tests))
        return [each for each in self._metrics.list(project) if only(_about(each.type))]

    def _names(self, project: str) -> Names:
        return Names(
            project=project,
            number=self._settings.project_number,
            metric=lru_cache(256)(lambda kind: self._display_name(project, kind)),
            resource=_resource_name,
        )

    def _display_name(self, project: str, kind: str) -> str:
        found = self._metrics.find(project, kind)
        return str(found.display_name) if found and found.display_name else kind


def _resource_name(kind: str) -> str:
    return RESOURCES[kind].display_name if kind in RESOURCES else kind


def _quoted(value: str) -> str:
    """A comparison's value as a filter has it: text, or a function of texts."""
    name, bracket, rest = value.partition("(")
    if not bracket:
        return f'"{value}"'
    return f"{name}({', '.join(chr(34) + each + chr(34) for each in rest.removesuffix(')').split(', '))})"


def _about(kind: str) -> Any:
    return messages.time_series(Series("", kind, (), "", (), "GAUGE", "DOUBLE"))
