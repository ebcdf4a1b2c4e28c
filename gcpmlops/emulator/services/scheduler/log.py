"""What Cloud Scheduler writes to Cloud Logging: an entry when an attempt starts, and one when it has finished."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from google.cloud.scheduler_v1 import types
from google.rpc import code_pb2

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.services.scheduler.targets import OK, Outcome

_TYPE = "type.googleapis.com/google.cloud.scheduler.logging."


class ExecutionLog:
    """Writes `cloudscheduler.googleapis.com/executions` of resource `cloud_scheduler_job`.

    Args:
        append: takes one LogEntry (protobuf).
    """

    def __init__(self, append: Callable[[Any], None]) -> None:
        self._append = append

    def started(self, job: types.Job, scheduled: datetime) -> None:
        """An attempt begins."""
        time = scheduled.isoformat().replace("+00:00", "Z")
        self._append(_entry(job, "AttemptStarted", "INFO", {"scheduledTime": time}))

    def finished(self, job: types.Job, outcome: Outcome) -> None:
        """An attempt has ended."""
        fields = {"debugInfo": outcome.debug} if outcome.debug else {}
        if outcome.code != OK:
            fields["status"] = code_pb2.Code.Name(outcome.code)
        entry = _entry(job, "AttemptFinished", "INFO" if outcome.code == OK else "ERROR", fields)
        if outcome.http:
            entry.http_request.status = outcome.http
        self._append(entry)


def _entry(job: types.Job, kind: str, severity: str, fields: dict[str, str]) -> Any:
    from google.cloud.logging_v2 import types as logging_types  # 0.2 s: when the first job runs
    from google.logging.type import log_severity_pb2

    project = names.project_of(job.name)
    entry = logging_types.LogEntry.pb()(log_name=f"projects/{project}/logs/cloudscheduler.googleapis.com%2Fexecutions")
    entry.severity = log_severity_pb2.LogSeverity.Value(severity)
    entry.resource.type = "cloud_scheduler_job"
    labels = {
        "project_id": project,
        "location": names.location_of(job.name),
        "job_id": job.name.rpartition("/")[2],
    }
    entry.resource.labels.update(labels)
    payload = {"@type": f"{_TYPE}{kind}", "jobName": job.name, "targetType": _target_type(job)} | fields
    if "http_target" in job:
        payload["url"] = job.http_target.uri
    elif "pubsub_target" in job:
        payload["pubsubTopic"] = job.pubsub_target.topic_name
    else:
        payload["relativeUrl"] = job.app_engine_http_target.relative_uri
    entry.json_payload.update(payload)
    return entry


def _target_type(job: types.Job) -> str:
    if "http_target" in job:
        return "HTTP"
    return "PUB_SUB" if "pubsub_target" in job else "APP_ENGINE_HTTP"
