"""Who hears of a look's outcome: logs, mail, notification channels, time series."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from google.api_core import exceptions

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.services.model_monitoring.analysis import Objective, Result
from gcpmlops.emulator.services.monitoring.descriptors import DRIFT_DEVIATION, MODEL
from gcpmlops.emulator.services.monitoring.series import Point, Series, labels, micros
from gcpmlops.emulator.settings import project_number

log = logging.getLogger(__name__)

RESOURCE = "aiplatform.googleapis.com/ModelDeploymentMonitoringJob"
_LOG = "aiplatform.googleapis.com%2Fmodel_monitoring"
_TYPES = "type.googleapis.com/google.cloud.aiplatform.logging."
_WORDS = {Objective.RAW_FEATURE_SKEW: "training-prediction skew", Objective.RAW_FEATURE_DRIFT: "prediction drift"}


class WriteLog(Protocol):
    """`LogWriter.write`."""

    def __call__(
        self,
        log_name: str,
        resource: tuple[str, Mapping[str, str]],
        severity: str,
        payload: Mapping[str, Any],
        labels: Mapping[str, str] | None = None,
        timestamp: datetime | None = None,
    ) -> None: ...


class Mail(Protocol):
    """Sends mail."""

    def send(self, to: str, subject: str, text: str) -> None:
        """Raises OSError."""


class Notify(Protocol):
    """Brings a notification to a channel of Cloud Monitoring."""

    def __call__(self, channel: str, incident: Mapping[str, Any]) -> None:
        """Raises NotFound."""


class Telling:
    """Tells what each job wants told. What cannot be delivered is logged: a job goes on.

    Args:
        write_log: to Cloud Logging.
        mail: to the addresses of a job.
        notify: to its notification channels.
        add_points: of time series.
        now: the emulator's clock.
    """

    def __init__(
        self,
        write_log: WriteLog,
        mail: Mail,
        notify: Notify,
        add_points: Callable[[Sequence[tuple[Series, Point]]], None],
        now: Callable[[], datetime],
    ) -> None:
        self._now = now
        self._write_log = write_log
        self._mail = mail
        self._notify = notify
        self._add_points = add_points

    def found(self, job: Any, result: Result, model: str) -> None:
        """A window's distances, and its anomalies where there are some. `model` is the deployed one's resource name."""
        points = list(_points(job, result, model))
        if points:
            self._add_points(points)
        if not result.anomalies:
            return
        payload = anomalies(job, result)
        if job.model_monitoring_alert_config.enable_logging:
            self._log(job, f"{_LOG}_anomaly", "WARNING", payload, result.window.end)
        text = "\n".join(_lines(job, result))
        self._by_mail(job, f"Vertex AI model monitoring: {_WORDS[result.objective]} of {job.display_name}", text)
        self._by_channel(job, text, _incident(job, result, text, self._now()))

    def event(self, job: Any, text: str, *, error: Exception | None = None, mail: bool = True) -> None:
        """A job was set up, changed, has run, or could not run."""
        if job.enable_monitoring_pipeline_logs:
            status: dict[str, Any] = {"message": text}
            if error is not None:
                status["code"] = getattr(getattr(error, "grpc_status_code", None), "value", (13,))[0]
            payload = {
                "@type": f"{_TYPES}ModelMonitoringPipelineLogEntry",
                "statusCode": status,
                "modelDeploymentMonitoringJob": numbered(job.name),
            }
            self._log(job, _LOG, "ERROR" if error else "INFO", payload, None)
        if mail:
            self._by_mail(job, f"Vertex AI model monitoring: {job.display_name}", text)
        if error is not None:
            self._by_channel(job, text, _about(job, text, self._now()))

    def _log(self, job: Any, name: str, severity: str, payload: Mapping[str, Any], at: datetime | None) -> None:
        project = names.project_of(job.name)
        resource = RESOURCE, resource_labels(job)
        self._write_log(f"projects/{project}/logs/{name}", resource, severity, payload, None, at)

    def _by_mail(self, job: Any, subject: str, text: str) -> None:
        for address in job.model_monitoring_alert_config.email_alert_config.user_emails:
            try:
                self._mail.send(address, subject, text)
            except OSError as error:
                log.warning("%s: no mail to %s: %s", job.name, address, error)

    def _by_channel(self, job: Any, text: str, incident: Mapping[str, Any]) -> None:
        for channel in job.model_monitoring_alert_config.notification_channels:
            try:
                self._notify(channel, incident)
            except exceptions.GoogleAPICallError as error:
                log.warning("%s: %s was not told: %s", job.name, channel, error.message)


def anomalies(job: Any, result: Result) -> dict[str, Any]:
    """The documented payload of the anomaly log."""
    features = [
        {"featureDisplayName": each.name, "deviation": each.distance, "threshold": each.threshold}
        for each in result.anomalies
    ]
    return {
        "@type": f"{_TYPES}ModelMonitoringAnomaliesLogEntry",
        "modelDeploymentMonitoringJob": numbered(job.name),
        "deployedModelId": result.deployed_model_id,
        "anomalyObjective": result.objective.name,
        "startTime": _moment(result.window.start),
        "endTime": _moment(result.window.end),
        "featureAnomalies": features,
        "totalAnomaliesCount": len(features),
    }


def numbered(name: str) -> str:
    """A resource name with its project's number, as logs have it."""
    project = names.project_of(name)
    return name.replace(f"projects/{project}/", f"projects/{project_number(project)}/", 1)


def resource_labels(job: Any) -> dict[str, str]:
    """Of the monitored resource."""
    return {
        "model_deployment_monitoring_job": job.name.rpartition("/")[2],
        "location": names.location_of(job.name),
        "resource_container": f"projects/{project_number(names.project_of(job.name))}",
    }


def _lines(job: Any, result: Result) -> Iterator[str]:
    """What the documented mail says: when, which features, the thresholds and the distances."""
    window = result.window
    yield f"Model monitoring job {numbered(job.name)} found {_WORDS[result.objective]}."
    yield f"Endpoint: {job.endpoint}, deployed model {result.deployed_model_id}"
    yield f"Predictions from {_moment(window.start)} to {_moment(window.end)}"
    for each in result.anomalies:
        yield f"- {each.name}: {each.algorithm} {each.distance:.4f}, threshold {each.threshold:g}"


def _points(job: Any, result: Result, model: str) -> Iterator[tuple[Series, Point]]:
    """The distances of a window, at its end, on the deployed model."""
    project, at = names.project_of(job.name), micros(result.window.end)
    place = {
        "resource_container": project,
        "location": names.location_of(job.name),
        "model_id": model.rpartition("/")[2],
    }
    for each in result.features if result.objective == Objective.RAW_FEATURE_DRIFT else ():
        if each.distance is not None:
            own = {"schedule_id": job.name.rpartition("/")[2], "feature_name": each.name, "algorithm": each.algorithm}
            series = Series(project, DRIFT_DEVIATION, labels(own), MODEL, labels(place), "GAUGE", "DOUBLE")
            yield series, Point(at, at, each.distance)


def _incident(job: Any, result: Result, text: str, now: datetime) -> dict[str, Any]:
    worst = max(result.anomalies, key=lambda each: each.distance or 0.0)
    return _about(job, text, now) | {
        "condition_name": _WORDS[result.objective],
        "observed_value": f"{worst.distance:.3f}",
        "threshold_value": f"{worst.threshold:g}",
        "metric": {
            "type": DRIFT_DEVIATION if result.objective == Objective.RAW_FEATURE_DRIFT else "",
            "displayName": "Feature deviation",
            "labels": {"feature_name": worst.name, "algorithm": worst.algorithm},
        },
    }


def _about(job: Any, text: str, now: datetime) -> dict[str, Any]:
    """The keys of an incident's notification."""
    project = names.project_of(job.name)
    return {
        "incident_id": uuid.uuid4().hex,
        "url": f"https://console.cloud.google.com/vertex-ai/endpoints?project={project}",
        "started_at": int(now.timestamp()),
        "ended_at": None,
        "scoping_project_id": project,
        "scoping_project_number": project_number(project),
        "severity": "Warning",
        "state": "open",
        "summary": text,
        "policy_name": job.display_name,
        "condition_name": "model monitoring",
        "resource": {"type": RESOURCE, "labels": resource_labels(job)},
        "resource_name": f"{project} {job.display_name}",
        "metric": {"type": "", "displayName": "Model monitoring", "labels": {}},
        "observed_value": "",
        "threshold_value": "",
    }


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
