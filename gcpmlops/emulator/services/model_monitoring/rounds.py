"""When jobs look: one look after another at the full hours of their intervals, each window once and in order."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.agenda import Appointment
from gcpmlops.emulator.kernel.errors import to_status
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.model_monitoring.analysis import Analysis, FeatureResult, Result
from gcpmlops.emulator.services.model_monitoring.stats_files import StatsFiles
from gcpmlops.emulator.services.model_monitoring.telling import Telling
from gcpmlops.emulator.services.model_monitoring.windows import Window, first, interval, logged_in, window
from gcpmlops.emulator.services.prediction.request_log import RequestLog
from gcpmlops.emulator.services.prediction.served import Served

log = logging.getLogger(__name__)

Job = types.ModelDeploymentMonitoringJob
ScheduleState = Job.MonitoringScheduleState
Stats = types.ModelMonitoringStatsAnomalies


class Rounds:
    """The appointments of all jobs that run.

    Args:
        context: store, clock and agenda.
        analysis: compares.
        files: statistics in Cloud Storage.
        telling: who hears of it.
        request_log: is flushed before a look; knows when there was nothing to log.
    """

    def __init__(
        self,
        context: Context,
        analysis: Analysis,
        files: StatsFiles,
        telling: Telling,
        request_log: Callable[[], RequestLog],
    ) -> None:
        self._context = context
        self._jobs: Any = context.store.collection(Job)
        self._stats: Any = context.store.collection(Stats)
        self._endpoints: Any = context.store.collection(types.Endpoint)
        self._analysis = analysis
        self._files = files
        self._telling = telling
        self._request_log = request_log
        self._started = context.clock.now()
        self._guard = threading.Lock()
        self._due: dict[str, Appointment] = {}

    def begin(self, job: Job) -> Job:
        """A job runs from now on; returns it with the time of its first look."""

        def change(row: Any) -> Any:
            row.state = types.JobState.JOB_STATE_RUNNING
            row.schedule_state = ScheduleState.OFFLINE
            row.next_schedule_time = first(row, self._context.clock.now())
            return row

        job = self._jobs.update(job.name, change)
        self.appoint(job)
        return job

    def appoint(self, job: Job) -> None:
        """Its next look, in place of another that it may have."""
        with self._guard:
            self._cancel(job.name)
            when, name = job.next_schedule_time, job.name
            self._due[name] = self._context.agenda.at(when, lambda: self._look(name, when), name=name)

    def end(self, name: str) -> None:
        """No more looks; a job that is deleted is forgotten."""
        with self._guard:
            self._cancel(name)
        self._analysis.forget(name)

    def _cancel(self, name: str) -> None:
        if (due := self._due.pop(name, None)) is not None:
            due.cancel()

    def _look(self, name: str, end: datetime) -> None:
        """The window that ends now; then the appointment for the next one."""
        job = self._jobs.find(name)
        if job is None or job.state != types.JobState.JOB_STATE_RUNNING or job.next_schedule_time != end:
            return
        error: Exception | None = None
        try:
            self._analyse(job, window(job, end))
        except exceptions.GoogleAPICallError as caught:
            error = caught
        except Exception as caught:
            log.exception("%s: the look at %s failed", name, end)
            error = caught
        self._report(job, error)
        after = self._jobs.update(name, lambda row: _looked(row, end, error))
        if after.state == types.JobState.JOB_STATE_RUNNING:
            self.appoint(after)

    def _analyse(self, job: Job, span: Window) -> None:
        endpoint = self._endpoints.get(job.endpoint)
        requests = self._request_log()
        if self._is_silent(requests, endpoint.name, span):
            return
        self._jobs.update(job.name, _running)
        requests.flush()
        pb = raw(job)
        models = {deployed.id: deployed.model for deployed in raw(endpoint).deployed_models}
        for result in self._analysis.results(pb, logged_in(Served.read(endpoint)), span):
            self._keep(pb, result)
            self._telling.found(pb, result, models.get(result.deployed_model_id, ""))

    def _is_silent(self, requests: RequestLog, endpoint: str, span: Window) -> bool:
        """Whether it is known that nothing was logged in the window: a year of such windows passes at once."""
        newest = requests.newest(endpoint)
        return span.start >= self._started if newest is None else newest < span.start

    def _keep(self, job: Any, result: Result) -> None:
        stats = Stats(
            objective=result.objective,
            deployed_model_id=result.deployed_model_id,
            anomaly_count=len(result.anomalies),
            feature_stats=[self._row(job, result, each) for each in result.features],
        )
        key = f"{job.name}/stats/{result.window.end:%Y%m%d%H}-{result.deployed_model_id}-{result.objective.value}"
        self._stats.put(key, stats, parent=job.name)

    def _row(self, job: Any, result: Result, feature: FeatureResult) -> Any:
        stats, anomaly = self._files.write(job, result, feature)
        point = types.FeatureStatsAnomaly(
            stats_uri=stats,
            anomaly_uri=anomaly,
            distribution_deviation=feature.distance or 0.0,
            anomaly_detection_threshold=feature.threshold,
            start_time=result.window.start,
            end_time=result.window.end,
        )
        return Stats.FeatureHistoricStatsAnomalies(
            feature_display_name=feature.name,
            threshold=types.ThresholdConfig(value=feature.threshold),
            prediction_stats=[point],
        )

    def _report(self, job: Job, error: Exception | None) -> None:
        if error is None:
            text = f"Scheduled model monitoring pipeline finished successfully for job {job.name}"
            self._telling.event(raw(job), text, mail=False)
        else:
            message = getattr(error, "message", str(error))
            text = f"Scheduled model monitoring pipeline failed for job {job.name}: {message}"
            self._telling.event(raw(job), text, error=error)


def _running(row: Any) -> Any:
    row.schedule_state = ScheduleState.RUNNING
    return row


def _looked(row: Any, end: datetime, error: Exception | None) -> Any:
    """After a look: whether it went well, and when the next one is."""
    row.schedule_state = ScheduleState.OFFLINE
    row.latest_monitoring_pipeline_metadata.run_time = end
    row.latest_monitoring_pipeline_metadata.status = to_status(error) if error is not None else None
    row.next_schedule_time = end + interval(row)
    return row
