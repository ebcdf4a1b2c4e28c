"""An incident as one HTML page: what the policy saw, what happened, what to do."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gcpmlops._durations import spoken
from gcpmlops._monitoring import figures, html_page
from gcpmlops._monitoring.incidents import Incident, Incidents
from gcpmlops._monitoring.markdown import to_html
from gcpmlops._monitoring.policies import Policies, Policy
from gcpmlops._monitoring.queries import Line, Queries
from gcpmlops._monitoring.readings import Reading
from gcpmlops.exceptions import NotFound

_LEAST = timedelta(hours=1)
_VARIABLE = re.compile(r"\$\{(?:metric|resource)\.labels?\.(\w+)\}")


class IncidentPage:
    """Writes pages of incidents."""

    def __init__(self, reading: Reading, policies: Policies, incidents: Incidents, now: datetime) -> None:
        self._reading = reading
        self._policies = policies
        self._incidents = incidents
        self._now = now

    def write(self, incident: Incident, path: Path) -> Path:
        """Raises MissingExtra, InvalidArgument where the file can't be written."""
        end = incident.closed or self._now
        took = spoken(max(1.0, (end - incident.opened).total_seconds()))
        state = "open for" if incident.state == "OPEN" else "was open for"
        subtitle = f"{incident.severity} · {state} {took} · {incident.name}"
        parts = [
            _tile(1, 32, 18, "What the policy saw", self._picture(incident, end)),
            _tile(33, 16, 18, "What happened", self._timeline(incident)),
            _tile(1, 48, 0, "What to do", self._runbook(incident)),
        ]
        body = f'<main class="incident">{"".join(parts)}</main>'
        return html_page.write(path, title=incident.policy, subtitle=subtitle, body=body)

    def _picture(self, incident: Incident, end: datetime) -> str:
        policy = self._policy(incident)
        around = max(_LEAST, (end - incident.opened) / 2)
        time = (incident.opened - around, min(self._now, end + around / 2) + timedelta(seconds=1))
        spec = _watched(policy) if policy else None
        if spec is None:
            return html_page.note("Nothing that can be drawn: a policy on logs, or one that is gone.")
        lines: list[tuple[Line, str]] = [(line, "LINE") for line in Queries(self._reading, *time).watched(spec)]
        limits = [("limit", spec.threshold_value)] if hasattr(spec, "threshold_value") else []
        return figures.over_time(lines, unit="", limits=limits, time=time, marked=[(incident.opened, end)])

    def _timeline(self, incident: Incident) -> str:
        lines = (
            f"<li><time>{moment.at:%b %d, %H:%M:%S}</time> {html.escape(moment.what)}</li>"
            for moment in self._incidents.timeline(incident)
        )
        labels = ", ".join(f"{key}={value}" for key, value in incident.labels.items())
        return f'<ol class="timeline">{"".join(lines)}</ol><p class="said">{html.escape(labels)}</p>'

    def _runbook(self, incident: Incident) -> str:
        policy = self._policy(incident)
        text = policy.proto.documentation.content if policy else ""
        filled = filled_in(text, incident.labels).replace("${condition.display_name}", incident.policy)
        return to_html(filled) if text else html_page.note("The policy has no documentation.")

    def _policy(self, incident: Incident) -> Policy | None:
        try:
            return self._policies.get(incident.policy_name)
        except NotFound:  # it was deleted since
            return None


def filled_in(text: str, labels: Mapping[str, str]) -> str:
    """Documentation with its variables, as notifications have it."""
    return _VARIABLE.sub(lambda match: labels.get(match[1], match[0]), text)


def _watched(policy: Policy) -> Any:
    """What its first condition on a metric looks at."""
    for condition in policy.proto.conditions:
        for kind in ("condition_threshold", "condition_absent"):
            if kind in condition:
                return getattr(condition, kind)
    return None


def _tile(column: int, width: int, height: int, title: str, inner: str) -> str:
    row = "1 / span 18" if height else "19 / span 12"
    place = f"grid-column: {column} / span {width}; grid-row: {row}"
    return f'<section class="tile" style="{place}"><h3>{title}</h3><div>{inner}</div></section>'
