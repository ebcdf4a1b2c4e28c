"""Vertex AI: jobs, models, endpoints, predictions, experiments, model monitoring."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.catalog.parts import made_once
from gcpmlops.emulator.services.catalog.watching import Watching

if TYPE_CHECKING:
    from gcpmlops.emulator.services.deployments import Deployments
    from gcpmlops.emulator.services.jobs.custom_jobs import CustomJobs
    from gcpmlops.emulator.services.jobs.runs import Runs
    from gcpmlops.emulator.services.jobs.tuning_jobs import HyperparameterTuningJobs
    from gcpmlops.emulator.services.model_monitoring.service import ModelDeploymentMonitoringJobs
    from gcpmlops.emulator.services.monitoring.prediction_metrics import PredictionMetrics
    from gcpmlops.emulator.services.monitoring.replica_gauges import ReplicaGauges
    from gcpmlops.emulator.services.prediction.request_log import RequestLog
    from gcpmlops.emulator.services.registry.models import ModelService
    from gcpmlops.emulator.services.tensorboard import Tensorboard


class Vertex(Watching):
    """With Vertex AI."""

    def _vertex(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.endpoints import EndpointService
        from gcpmlops.emulator.services.metadata import metadata_services
        from gcpmlops.emulator.services.registry import Registry
        from gcpmlops.emulator.services.vizier.service import VizierService

        self._replica_gauges.start()
        registry = Registry(self._context, self._artifacts, self.storage)
        return (
            self._custom_jobs,
            self._tuning_jobs,
            *registry.services(),
            self._pipelines(registry.models),
            self._batch_prediction(),
            self._model_monitoring,
            EndpointService(self._context, self._deployments),
            self._prediction(),
            VizierService(self._context),
            *metadata_services(self._context),
            *self._tensorboard.services(),
            *self._datasets(),
        )

    def _pipelines(self, models: ModelService) -> Service:
        from gcpmlops.emulator.services.pipelines.input_data import InputData
        from gcpmlops.emulator.services.pipelines.service import TrainingPipelines
        from gcpmlops.emulator.services.pipelines.tasks import Tasks
        from gcpmlops.emulator.services.pipelines.uploads import Uploads

        data = InputData(self._context.store, self._exports)
        tasks, uploads = Tasks(self._custom_jobs, self._tuning_jobs), Uploads(models, self.storage)
        pipelines: Service = self._closed_later(TrainingPipelines(self._context, tasks, data, uploads))
        return pipelines

    def _prediction(self) -> Service:
        from gcpmlops.emulator.services.prediction import PredictionService

        service = PredictionService(
            self._context,
            self._deployments,
            metrics=self._prediction_metrics,
            request_log=self._request_log,
        )
        closed: Service = self._closed_later(service)
        return closed

    def _batch_prediction(self) -> Service:
        from gcpmlops.emulator.services.batch_prediction.service import BatchPredictionJobs

        jobs = BatchPredictionJobs(
            self._context, self._deployments, self._artifacts, self._exports.sources, self.logs.write
        )
        batch: Service = self._closed_later(jobs)
        return batch

    def _datasets(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.datasets.items import DataItems
        from gcpmlops.emulator.services.datasets.service import Datasets
        from gcpmlops.emulator.services.datasets.transfers import DatasetTransfers
        from gcpmlops.emulator.services.datasets.versions import DatasetVersions

        return (
            Datasets(self._context, self._exports.sources),
            DatasetVersions(self._context),
            DatasetTransfers(self._context, self._exports),
            DataItems(self._context),
        )

    @made_once
    def _request_log(self) -> RequestLog:
        from gcpmlops.emulator.services.model_monitoring.sampling import Sampling
        from gcpmlops.emulator.services.prediction.request_log import RequestLog

        tables, store = lambda: self._exports.sources.tables, self._context.store
        now, agenda = self._context.clock.now, self._context.agenda
        return RequestLog(tables, now, monitored=Sampling(store), agenda=agenda)

    @made_once
    def _model_monitoring(self) -> ModelDeploymentMonitoringJobs:
        from gcpmlops.emulator.services.model_monitoring.making import jobs

        made = jobs(
            self._context,
            self._exports.sources,
            request_log=lambda: self._request_log,
            write_log=self.logs.write,
            notify=lambda channel, incident: self._alerting.notify(channel, incident),
            points=self._points,
        )
        made.resume()
        return made

    @made_once
    def _runs(self) -> Runs:
        from gcpmlops.emulator.runtimes.training import Training
        from gcpmlops.emulator.services.jobs.runs import Runs

        images, jobs = self._settings.images, self._data / "jobs"
        base = self._child_variables()
        training = Training(
            self.processes, self._environments, self.storage, jobs, base, images, identity=self._identity
        )
        runs: Runs = self._closed_later(Runs(training, self._settings.max_jobs))
        return runs

    @made_once
    def _deployments(self) -> Deployments:
        from gcpmlops.emulator.runtimes.servers import Servers, pythons
        from gcpmlops.emulator.services.deployments import Deployments
        from gcpmlops.emulator.services.model_copies import ModelCopies

        servers = Servers(
            self._sockets,
            self.processes,
            pythons(self._environments),
            self._child_variables(),
            environments=self._environments,
            images=self._settings.images,
            scratch=self._data / "servers",
            identity=self._identity,
        )
        copies = ModelCopies(self.storage)
        return Deployments(self._context, self._closed_later(servers), self._artifacts, self.logs.write, copies)

    @made_once
    def _prediction_metrics(self) -> PredictionMetrics:
        from gcpmlops.emulator.services.monitoring.deployed_models import DeployedNames
        from gcpmlops.emulator.services.monitoring.prediction_metrics import PredictionMetrics

        shown = DeployedNames(self._context.store)
        metrics: PredictionMetrics = self._closed_later(PredictionMetrics(self._points, self._context.clock, shown))
        return metrics

    @made_once
    def _replica_gauges(self) -> ReplicaGauges:
        from gcpmlops.emulator.services.monitoring.deployed_models import DeployedNames, Replicas
        from gcpmlops.emulator.services.monitoring.replica_gauges import ReplicaGauges

        store, clock = self._context.store, self._context.clock
        gauges = ReplicaGauges(self._points, clock, DeployedNames(store), Replicas(store, self._deployments.find))
        made: ReplicaGauges = self._closed_later(gauges)
        return made

    @made_once
    def _custom_jobs(self) -> CustomJobs:
        from gcpmlops.emulator.services.jobs.custom_jobs import CustomJobs
        from gcpmlops.emulator.services.metadata.job_experiments import JobExperiments

        jobs = CustomJobs(self._context, self._runs, self.logs.write)
        jobs.tensorboards = self._tensorboard.job_logs
        jobs.experiments = JobExperiments(self._context)
        return jobs

    @made_once
    def _tuning_jobs(self) -> HyperparameterTuningJobs:
        from gcpmlops.emulator.services.jobs.tuning_jobs import HyperparameterTuningJobs

        jobs: HyperparameterTuningJobs = self._closed_later(
            HyperparameterTuningJobs(self._context, self._runs, self.logs.write, self._tensorboard.job_logs)
        )
        return jobs

    @made_once
    def _tensorboard(self) -> Tensorboard:
        from gcpmlops.emulator.services.metadata.tensorboard_runs import TensorboardRuns
        from gcpmlops.emulator.services.tensorboard import Tensorboard

        runs = TensorboardRuns(self._context)
        made: Tensorboard = self._closed_later(Tensorboard(self._context, self.storage, runs))
        return made
