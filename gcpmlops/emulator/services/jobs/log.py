"""The log of a job, in the form that Vertex AI gives it: its tasks' lines, and what the service itself says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.runtimes.training_spec import State
from gcpmlops.emulator.services.logging.structured import parse
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.settings import Settings

STATE_LABEL = "ml.googleapis.com/job_state"
"""Label of the service's lines about a state; a reader of the log may stop at a final one."""

_SEVERITIES = {"stdout": "INFO", "stderr": "ERROR"}
_SAID = {
    State.QUEUED: "Waiting for job to be provisioned.",
    State.PENDING: "Job is preparing.",
    State.RUNNING: "Job is running.",
    State.SUCCEEDED: "Job completed successfully.",
    State.FAILED: "Job failed.",
    State.CANCELLED: "Job is cancelled.",
}


class JobLog:
    """Writes entries of the monitored resource `ml_job`."""

    def __init__(self, write_log: WriteLog, settings: Settings) -> None:
        self._write = write_log
        self._settings = settings

    def line(self, name: str, task: str, stream: str, text: str, labels: Mapping[str, str] | None = None) -> None:
        """One line that a task printed; `task` is `workerpool0-0`, the stream `stdout` or `stderr`."""
        if task == "service":
            self.service(name, text, "WARNING", labels)
        else:
            severity = _SEVERITIES[stream]
            if (structured := parse(text)) is not None:  # as Google's agents: its own severity, labels, trace
                return self._entry(name, task, severity, task, structured, labels)
            payload = {"message": text, "levelname": severity, "attrs": {"tag": task}}
            self._entry(name, task, severity, task, payload, labels)
        return None

    def service(self, name: str, text: str, severity: str = "INFO", labels: Mapping[str, str] | None = None) -> None:
        """One line of the service's own."""
        log_id = f"ml.googleapis.com%2F{name.rpartition('/')[2]}"
        self._entry(name, "service", severity, log_id, text, {"ml.googleapis.com/endpoint": "", **(labels or {})})

    def state(self, name: str, state: State, error: Exception | None = None) -> None:
        """What the service says about a state that the job enters; a final one's is the log's last line."""
        text = str(getattr(error, "message", error)).partition("\n")[0] if error is not None else _SAID[state]
        self.service(name, text, "ERROR" if error is not None else "INFO", {STATE_LABEL: state.value})

    def _entry(
        self, name: str, task: str, severity: str, log_id: str, payload: Any, labels: Mapping[str, str] | None
    ) -> None:
        project = names.project_of(name)
        if project == str(self._settings.project_number):
            project = self._settings.project
        resource = {"job_id": name.rpartition("/")[2], "task_name": task, "project_id": project}
        self._write(f"projects/{project}/logs/{log_id}", ("ml_job", resource), severity, payload, labels)
