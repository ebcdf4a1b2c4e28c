"""What a notification tells: Google's JSON, version 1.2, of an incident's opening and closing."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.services.monitoring.series import Series

VERSION = "1.2"
_CONSOLE = "https://console.cloud.google.com/monitoring/alerting/alerts"
_SEVERITIES = {"CRITICAL": "Critical", "ERROR": "Error", "WARNING": "Warning"}
_VARIABLE = re.compile(r"\$\{([^}]+)\}")
_BESIDE = {"COMPARISON_GT": "above", "COMPARISON_LT": "below"}


@dataclass(frozen=True)
class Subject:
    """What an incident is about.

    Attributes:
        project: id.
        number: of the project.
        policy: `AlertPolicy`.
        condition: its `Condition`.
        series: what meets it.
        display_name: of the metric.
        resource_name: display name of the resource's type.
        extracted: labels of a log entry.
    """

    project: str
    number: int
    policy: Any
    condition: Any
    series: Series
    display_name: str = ""
    resource_name: str = ""
    extracted: Mapping[str, str] | None = None


def severity(policy: Any) -> str:
    """As notifications show it."""
    return _SEVERITIES.get(policy.severity.name, "No severity")


def opened(subject: Subject, id_: str, at: int, value: float | None) -> dict[str, Any]:
    """The `incident` of a notification. `at` is in microseconds."""
    policy, condition, series = subject.policy, subject.condition, subject.series
    spec = condition.condition_threshold if "condition_threshold" in condition else None
    incident: dict[str, Any] = {
        "incident_id": id_,
        "scoping_project_id": subject.project,
        "scoping_project_number": subject.number,
        "url": f"{_CONSOLE}/{id_}?project={subject.project}",
        "severity": severity(policy),
        "started_at": at // 1_000_000,
        "ended_at": None,
        "state": "open",
        "summary": _summary(subject, value),
        "observed_value": "" if value is None else f"{value:.3f}",
        "resource": {"type": series.resource, "labels": dict(series.resource_labels)},
        "resource_type_display_name": subject.resource_name or series.resource,
        "resource_id": "",
        "resource_display_name": "",
        "resource_name": _resource(subject),
        "metric": {
            "type": series.metric,
            "displayName": subject.display_name or series.metric,
            "labels": dict(series.metric_labels),
        },
        "metadata": {"system_labels": {}, "user_labels": {}},
        "policy_name": policy.display_name,
        "policy_user_labels": dict(policy.user_labels),
        "condition": json_format.MessageToDict(raw(condition)),
        "condition_name": condition.display_name,
        "threshold_value": "" if spec is None else f"{spec.threshold_value:g}",
    }
    documentation = _documentation(subject)
    return incident | ({"documentation": documentation} if documentation else {})


def closed(incident: Mapping[str, Any], at: int, reason: str, value: float | None) -> dict[str, Any]:
    """The same incident at its end. `reason`: `normal`, or why else it ended."""
    about = f"{incident['metric']['displayName']} for {incident['resource_name']}"
    observed = incident["observed_value"] if value is None else f"{value:.3f}"
    text = f"{about} returned to normal" + (f" with a value of {observed}." if value is not None else ".")
    return {
        **incident,
        "ended_at": at // 1_000_000,
        "state": "closed",
        "observed_value": observed,
        "summary": text if reason == "normal" else f"The incident of {about} was closed: {reason}.",
    }


def _summary(subject: Subject, value: float | None) -> str:
    condition, about = subject.condition, f"{subject.display_name or subject.series.metric} for {_resource(subject)}"
    if "condition_matched_log" in condition:
        labels = ", ".join(f"{key}={text}" for key, text in (subject.extracted or {}).items())
        return f"Log match condition fired for {_resource(subject)}" + (f" with {{{labels}}}." if labels else ".")
    if "condition_absent" in condition:
        minutes = condition.condition_absent.duration.total_seconds() / 60
        return f"{about} is absent: no data for {minutes:g} min."
    spec = condition.condition_threshold
    text = f"{about} is {_BESIDE[spec.comparison.name]} the threshold of {spec.threshold_value:.3f}"
    return f"{text} with a value of {value:.3f}." if value is not None else f"{text}: no data."


def _resource(subject: Subject) -> str:
    labels = ", ".join(f"{key}={value}" for key, value in subject.series.resource_labels)
    kind = subject.resource_name or subject.series.resource
    return f"{subject.project} {kind}" + (f" labels {{{labels}}}" if labels else "")


def _documentation(subject: Subject) -> dict[str, Any]:
    given = subject.policy.documentation
    values = _variables(subject)
    found: dict[str, Any] = {}
    if given.content:
        found = {"content": _filled(given.content, values), "mime_type": given.mime_type or "text/markdown"}
    if given.subject:
        found["subject"] = _filled(given.subject, values)
    if given.links:
        found["links"] = [
            {"displayName": _filled(link.display_name, values), "url": _filled(link.url, values)}
            for link in given.links
        ]
    return found


def _filled(text: str, values: Mapping[str, str]) -> str:
    """With its variables replaced; one that has no value is `null`, one that does not exist stays."""
    return _VARIABLE.sub(lambda match: values.get(match[1], _unset(match)), text)


def _unset(match: re.Match[str]) -> str:
    open_ended = ("metric.label.", "resource.label.", "metric_or_resource.label.", "metadata.", "log.extracted_label.")
    return "null" if match[1].startswith((*open_ended, "policy.user_label.")) else match[0]


def _variables(subject: Subject) -> dict[str, str]:
    policy, condition, series = subject.policy, subject.condition, subject.series
    metric, resource = dict(series.metric_labels), dict(series.resource_labels)
    return {
        "condition.name": condition.name,
        "condition.display_name": condition.display_name,
        "policy.name": policy.name,
        "policy.display_name": policy.display_name,
        "project": subject.project,
        "metric.type": series.metric,
        "metric.display_name": subject.display_name or series.metric,
        "resource.type": series.resource,
        "resource.project": resource.get("project_id", subject.project),
        "metric_or_resource.labels": ", ".join(f"{key}={value}" for key, value in {**resource, **metric}.items()),
        "log.extracted_labels": ", ".join(f"{key}={value}" for key, value in (subject.extracted or {}).items()),
        **{f"metric.label.{key}": value for key, value in metric.items()},
        **{f"resource.label.{key}": value for key, value in resource.items()},
        **{f"metric_or_resource.label.{key}": value for key, value in {**resource, **metric}.items()},
        **{f"policy.user_label.{key}": value for key, value in policy.user_labels.items()},
        **{f"log.extracted_label.{key}": value for key, value in (subject.extracted or {}).items()},
    }
