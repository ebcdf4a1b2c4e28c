"""Alert policies: made, brought up to date, found, snoozed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gcpmlops import _display_names, _google, _html
from gcpmlops._durations import Duration
from gcpmlops._handle import Named
from gcpmlops._monitoring import conditions
from gcpmlops._monitoring.alerts import Alert, LogMatch
from gcpmlops._monitoring.descriptors import CUSTOM, project_of, quoted
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, NotFound, translated
from gcpmlops.types import Labels, check_labels, one_of

if TYPE_CHECKING:
    from gcpmlops._monitoring.incidents import Incident
    from gcpmlops.monitoring import Monitoring

LABEL = "gcpmlops-alert"
SEVERITIES = ("CRITICAL", "ERROR", "WARNING")
_HINT = "See them with `gcpmlops monitoring list-alerts`."
_COMPARED = (
    "display_name", "documentation", "user_labels", "conditions", "combiner", "enabled", "notification_channels",
    "alert_strategy", "severity",
)  # fmt: skip


@dataclass(frozen=True)
class Policy(Named):
    """An alert policy as it was when asked for; `proto` is Google's AlertPolicy."""

    proto: Any = field(repr=False)
    _monitoring: Monitoring = field(repr=False, compare=False)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What each of its conditions says."""
        return tuple(each.display_name for each in self.proto.conditions)

    @property
    def kind(self) -> str:
        """error_rate, drift, ...; empty where gcpmlops didn't make it."""
        return str(self.proto.user_labels.get("gcpmlops-kind", ""))

    @property
    def severity(self) -> str:
        """CRITICAL, ERROR, WARNING, or SEVERITY_UNSPECIFIED."""
        return str(self.proto.severity.name)

    @property
    def channels(self) -> tuple[str, ...]:
        """Full names of those who are told."""
        return tuple(self.proto.notification_channels)

    @property
    def enabled(self) -> bool:
        """Whether it is evaluated."""
        return bool(self.proto.enabled)

    def incidents(self, **options: Any) -> list[Incident]:
        """Its incidents; see `Monitoring.incidents`."""
        return self._monitoring.incidents(policy=self.name, **options)

    def delete(self) -> None:
        """Delete it."""
        self._monitoring.delete_alert(self.name)

    def __repr__(self) -> str:
        return f"Policy({self.display_name!r}, {self.kind or 'own'})"

    def _repr_html_(self) -> str:
        shown = {"conditions": ", ".join(self.conditions), "severity": self.severity, "channels": len(self.channels)}
        return _html.card(self.display_name, {"name": self.name, **shown, "enabled": self.enabled})


@dataclass(frozen=True)
class Snooze(Named):
    """A time in which a policy opens no incidents; `proto` is Google's Snooze."""

    proto: Any = field(repr=False)

    @property
    def until(self) -> datetime:
        """When it ends."""
        end: datetime = self.proto.interval.end_time
        return end

    def __repr__(self) -> str:
        return f"Snooze({self.display_name!r}, until={self.until:%Y-%m-%d %H:%M})"


class Policies:
    """API: AlertPolicyService, SnoozeService."""

    def __init__(self, clients: Clients, monitoring: Monitoring) -> None:
        self._clients = clients
        self._monitoring = monitoring

    def ensure(
        self,
        name: str,
        alert: Alert,
        *,
        channels: Sequence[str],
        severity: str = "WARNING",
        auto_close: Duration = "7d",
        runbook: str = "",
        labels: Labels | None = None,
        enabled: bool = True,
    ) -> Policy:
        """The policy of this display name, made or changed; see `Monitoring.ensure_alert`."""
        wanted = _google.alert.AlertPolicy(
            display_name=_checked_name(name),
            documentation={
                "content": "\n\n".join(filter(None, (alert.runbook(), runbook))),
                "mime_type": "text/markdown",
            },
            user_labels={**check_labels(labels), LABEL: slug(name), "gcpmlops-kind": alert.kind},
            conditions=alert.conditions(self.endpoint),
            combiner="OR" if len(alert.conditions(self.endpoint)) == 1 else alert.combiner,
            enabled=enabled,
            notification_channels=list(channels),
            alert_strategy=_strategy(alert, auto_close),
            severity=one_of(severity, SEVERITIES, field="severity"),
        )
        found = self._of_name(name)
        if not found:
            return self._created(wanted)
        return self._updated(found[0], wanted)

    def get(self, name: str) -> Policy:
        """By id, display name or full name (GetAlertPolicy). Raises NotFound, InvalidArgument where several fit."""
        folder = f"{project_of(self._clients)}/alertPolicies"
        full = name
        if not name.startswith("projects/"):
            full = _display_names.resolve(name, field="policy", find=self.list, folder=folder)
        with translated(f"alert policy {name}", next_step=_HINT):
            return self._handle(self._clients.alert_policies.get_alert_policy(name=full, **self._clients.idempotent))

    def list(self, filter: str | None = None) -> list[Policy]:  # noqa: A002 - the API calls it so
        """The project's policies (ListAlertPolicies)."""
        request: Any = {"name": project_of(self._clients), "filter": filter or ""}
        with translated("alert policies"):
            found = self._clients.alert_policies.list_alert_policies(request=request, **self._clients.idempotent)
            return [self._handle(each) for each in found]

    def delete(self, name: str) -> None:
        """Delete it (DeleteAlertPolicy). Raises NotFound."""
        full = self.get(name).name
        with translated(f"alert policy {name}", next_step=_HINT):
            self._clients.alert_policies.delete_alert_policy(name=full, **self._clients.idempotent)

    def snooze(self, name: str, *, hours: float, why: str) -> Snooze:
        """No incidents of the policy from now on, for so long (CreateSnooze)."""
        if not 0 < hours <= 24 * 365:
            raise InvalidArgument(f"{hours} hours", field="hours", value=hours, allowed="more than 0, at most a year")
        if not why.strip():
            raise InvalidArgument("a snooze has a reason", field="why", value=why, allowed="a sentence")
        policy, now = self.get(name), self._clients.now()
        wanted = _google.snooze.Snooze(
            display_name=why.strip(),
            criteria={"policies": [policy.name]},
            interval={"start_time": now, "end_time": now + timedelta(hours=hours)},
        )
        with translated(f"snooze of {policy.display_name}"):
            made = self._clients.snoozes.create_snooze(
                parent=project_of(self._clients), snooze=wanted, **self._clients.once
            )
        return Snooze(made)

    def endpoint(self, name: str) -> str:
        """The full name of an endpoint: from an id, a display name, or a handle's name."""
        if name.startswith("projects/"):
            return name
        folder = f"{self._clients.parent}/endpoints"
        return _display_names.resolve(name, field="endpoint", find=self._endpoints, folder=folder)

    def _endpoints(self, where: str) -> Sequence[_Any]:
        request: Any = {"parent": self._clients.parent, "filter": where}
        with translated("endpoints"):
            found = self._clients.endpoints.list_endpoints(request=request, **self._clients.idempotent)
            return [_Any(each) for each in found]

    def _of_name(self, name: str) -> Sequence[Policy]:
        """Those of this display name: ours before others, the oldest first."""
        found = [each for each in self.list(f"display_name={quoted(name)}") if each.display_name == name]
        return sorted(found, key=_seniority)

    def _created(self, wanted: Any) -> Policy:
        """Made; where somebody else made one at the same time, the first one stays."""
        with translated(f"alert policy {wanted.display_name}"):
            made = _patient(wanted)(self._clients.alert_policies.create_alert_policy)(
                name=project_of(self._clients), alert_policy=wanted, **self._clients.once
            )
        others = self._of_name(wanted.display_name)
        if len(others) < 2 or others[0].name == made.name:
            return self._handle(made)
        with suppress(NotFound):  # the other one may have tidied up
            self.delete(made.name)
        return self._updated(others[0], wanted)

    def _updated(self, found: Policy, wanted: Any) -> Policy:
        """With what changed, and nothing else (UpdateAlertPolicy); conditions keep their names."""
        names = {each.display_name: each.name for each in found.proto.conditions}
        for condition in wanted.conditions:
            condition.name = names.get(condition.display_name, "")
        changed = [key for key in _COMPARED if getattr(found.proto, key) != getattr(wanted, key)]
        if not changed:
            return found
        wanted.name = found.name
        request: Any = {"alert_policy": wanted, "update_mask": {"paths": changed}}
        with translated(f"alert policy {wanted.display_name}"):
            return self._handle(
                self._clients.alert_policies.update_alert_policy(request=request, **self._clients.idempotent)
            )

    def _handle(self, proto: Any) -> Policy:
        return Policy(proto, self._monitoring)


@dataclass(frozen=True)
class _Any(Named):
    """A resource of which the names are enough."""

    proto: Any


def _patient(wanted: Any) -> Any:
    """Repeats a call while Monitoring doesn't know a custom metric yet: that takes some seconds after it was made."""
    from google.api_core import exceptions as theirs
    from google.api_core.retry import Retry

    ours = any(CUSTOM in each.condition_threshold.filter for each in wanted.conditions)

    def is_new(exc: Exception) -> bool:
        return ours and isinstance(exc, theirs.NotFound) and "metric" in str(exc)

    return Retry(predicate=is_new, initial=1, maximum=10, timeout=60)


def _seniority(policy: Policy) -> tuple[bool, str, str]:
    """Whoever comes later sees all that came before: the first of ours is the same one for everybody."""
    made = policy.proto.creation_record.mutate_time
    return LABEL not in policy.proto.user_labels, made.isoformat() if made else "", policy.name


def slug(name: str) -> str:
    """A display name as the value of a label."""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-")[:63]


def _checked_name(name: str) -> str:
    if not name.strip() or len(name) > 512:
        raise InvalidArgument(
            "an alert has a name", field="name", value=name, allowed="1 to 512 characters, such as 'flights: drift'"
        )
    return name


def _strategy(alert: Alert, auto_close: Duration) -> Mapping[str, Any]:
    close = {"seconds": conditions.minutes(auto_close, field="auto_close", least=1800, most=7 * 86400)}
    if not isinstance(alert, LogMatch):
        return {"auto_close": close}
    period = {"seconds": conditions.minutes(alert.at_most_every, field="at_most_every", least=60, most=2 * 86400)}
    return {"auto_close": close, "notification_rate_limit": {"period": period}}
