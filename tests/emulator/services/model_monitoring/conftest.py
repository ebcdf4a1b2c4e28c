"""Monitoring jobs in this process: requests that were logged are a list, the clock is moved by hand."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.datasets.sources import Sources
from gcpmlops.emulator.services.model_monitoring.analysis import Analysis
from gcpmlops.emulator.services.model_monitoring.rounds import Rounds
from gcpmlops.emulator.services.model_monitoring.service import ModelDeploymentMonitoringJobs
from gcpmlops.emulator.services.model_monitoring.stats_files import StatsFiles
from gcpmlops.emulator.services.model_monitoring.telling import Telling
from gcpmlops.emulator.services.model_monitoring.training_data import TrainingData
from gcpmlops.emulator.services.model_monitoring.windows import Window
from gcpmlops.emulator.services.prediction.request_log import RequestLog
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

PARENT = "projects/p1/locations/us-central1"
ENDPOINT = f"{PARENT}/endpoints/7"
START = datetime(2026, 3, 1, 10, 20, tzinfo=UTC)


@dataclass
class Folder:
    """An object store of one bucket, `b`, in a directory."""

    path: Path

    def put(self, name: str, content: bytes) -> str:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        return f"gs://b/{name}"

    def list(self, bucket: str, prefix: str) -> Iterator[Any]:
        raise AssertionError("no wildcards here")

    def local_path(self, bucket: str, name: str) -> Path:
        if not (self.path / name).is_file():
            raise exceptions.NotFound(f"No such object: {bucket}/{name}")
        return self.path / name

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        if bucket != "b":
            raise exceptions.NotFound(f"The specified bucket does not exist: {bucket}.")
        self.put(name, source.read_bytes())


@dataclass
class Asked:
    """Requests as they were logged: time, deployed model, payload."""

    clock: TravelClock
    rows: list[tuple[datetime, str, str]] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)

    def ask(self, *payloads: str, model: str = "1") -> None:
        self.rows += [(self.clock.now(), model, payload) for payload in payloads]

    def payloads(self, uri: str, deployed_model_id: str, span: Window) -> list[str]:
        assert uri == "bq://p1.model_deployment_monitoring_7.serving_predict"
        self.windows.append(span)
        return [p for when, model, p in self.rows if model == deployed_model_id and span.start <= when < span.end]

    def newest(self, endpoint: str) -> datetime | None:
        return self.rows[-1][0] if self.rows else None


@dataclass
class Monitoring:
    """The service and what stands around it."""

    service: ModelDeploymentMonitoringJobs
    context: Context
    asked: Asked
    objects: Folder
    logs: list[Any]
    mails: list[tuple[str, str, str]]
    notices: list[tuple[str, Any]]
    points: list[Any]
    request_log: RequestLog

    def create(self, **changes: Any) -> Any:
        """A job that watches drift of all features."""
        job = self.job(**changes)
        request = types.CreateModelDeploymentMonitoringJobRequest(parent=PARENT, model_deployment_monitoring_job=job)
        return self.service.create_model_deployment_monitoring_job(request)

    def job(self, objective: Any = None, **changes: Any) -> dict[str, Any]:
        drift = {"prediction_drift_detection_config": {"default_drift_threshold": {"value": 0.3}}}
        config = {"deployed_model_id": "1", "objective_config": objective or drift}
        return {
            "display_name": "watch",
            "endpoint": ENDPOINT,
            "model_deployment_monitoring_objective_configs": [config],
            "logging_sampling_strategy": {"random_sample_config": {"sample_rate": 1.0}},
            "model_deployment_monitoring_schedule_config": {"monitor_interval": timedelta(hours=1)},
            **changes,
        }

    def get(self, name: str) -> Any:
        request = types.GetModelDeploymentMonitoringJobRequest(name=name)
        return self.service.get_model_deployment_monitoring_job(request)

    def advance(self, **by: float) -> None:
        self.context.agenda.travel(self.context.clock.now() + timedelta(**by), patience=30)

    def stats(self, name: str, objective: int = 2, **fields: Any) -> dict[str, list[Any]]:
        """Feature → its windows."""
        request = types.SearchModelDeploymentMonitoringStatsAnomaliesRequest(
            model_deployment_monitoring_job=name, deployed_model_id="1", objectives=[{"type_": objective}], **fields
        )
        found = self.service.search_model_deployment_monitoring_stats_anomalies(request).monitoring_stats
        return {
            each.feature_display_name: list(each.prediction_stats) for stats in found for each in stats.feature_stats
        }


@pytest.fixture
def monitoring(tmp_path: Path) -> Iterator[Monitoring]:
    clock = TravelClock(frozen=START)
    store = Store(tmp_path / "state.db", now=clock.now)
    pool = ThreadPoolExecutor(2)
    agenda = Agenda(clock, pool)
    operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
    context = Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path), agenda)
    deployed = [{"id": "1", "model": f"{PARENT}/models/5"}, {"id": "2", "model": f"{PARENT}/models/6"}]
    store.collection(types.Endpoint).put(ENDPOINT, types.Endpoint(name=ENDPOINT, deployed_models=deployed))
    made = build(context, tmp_path, Asked(clock))
    yield made
    agenda.close()
    pool.shutdown()
    store.close()


def build(context: Context, path: Path, asked: Asked) -> Monitoring:
    """The service over a store, as a start of the emulator makes it."""
    objects, training_sources = Folder(path / "bucket"), None
    logs: list[Any] = []
    mails: list[tuple[str, str, str]] = []
    notices: list[tuple[str, Any]] = []
    points: list[Any] = []

    class Mail:
        def send(self, to: str, subject: str, text: str) -> None:
            mails.append((to, subject, text))

    telling = Telling(
        lambda *entry: logs.append(entry), Mail(), lambda *told: notices.append(told), points.extend, context.clock.now
    )
    training = TrainingData(context.store, Sources(objects, training_sources))
    log = RequestLog(None, context.clock.now)
    log.newest = asked.newest
    rounds = Rounds(context, Analysis(asked, training, objects), StatsFiles(objects), telling, lambda: log)
    service = ModelDeploymentMonitoringJobs(context, rounds, training, telling)
    return Monitoring(service, context, asked, objects, logs, mails, notices, points, log)
