"""The log of a job, in the form that Vertex AI gives it: its tasks' lines, and what the service itself says."""

from __future__ import annotations

from collections.abc import Mapping

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.services.logging.entries import WriteLog
from gcpmlops.emulator.settings import Settings

_SEVERITIES = {"stdout": "INFO", "stderr": "ERROR"}


class JobLog:
    """Writes entries of the monitored resource `ml_job`."""

    def __init__(self, write_log: WriteLog, settings: Settings) -> None:
        self._write = write_log
        self._settings = settings

    def line(self, name: str, task: str, stream: str, text: str, labels: Mapping[str, str] | None = None) -> None:
        """One line that a task printed; `task` is `workerpool0-0`, the stream `stdout` or `stderr`."""
        self._entry(name, task, _SEVERITIES[stream], text, labels)

    def service(self, name: str, severity: str, text: str) -> None:
        """One line of the service's own."""
        self._entry(name, "service", severity, text)

    def _entry(self, name: str, task: str, severity: str, text: str, labels: Mapping[str, str] | None = None) -> None:
        project = names.project_of(name)
        if project == str(self._settings.project_number):
            project = self._settings.project
        resource = {"job_id": name.rpartition("/")[2], "task_name": task, "project_id": project}
        payload = {"message": text, "levelname": severity, "attrs": {"tag": task}}
        self._write(f"projects/{project}/logs/{task}", ("ml_job", resource), severity, payload, labels)
