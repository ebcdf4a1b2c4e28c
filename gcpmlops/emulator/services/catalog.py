"""Every service and the runtimes behind it, as lists. Heavy ones are imported when their host is first asked for."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.hosts import INVOCATION
from gcpmlops.emulator.kernel.http import Asgi
from gcpmlops.emulator.kernel.identity import IamCredentials, Metadata, OAuth
from gcpmlops.emulator.kernel.project_names import ProjectNames
from gcpmlops.emulator.kernel.registry import Api, BoundApi, JsonRoute
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.services import iam_routes
from gcpmlops.emulator.services.bigquery.app import BigQueryApp
from gcpmlops.emulator.services.bigquery.process import BigQueryEngine
from gcpmlops.emulator.services.clock import ClockApp
from gcpmlops.emulator.services.functions import knative_routes
from gcpmlops.emulator.services.functions.build_account import BuildAccount
from gcpmlops.emulator.services.functions.invocation import Invocation
from gcpmlops.emulator.services.functions.served import Directory
from gcpmlops.emulator.services.logging.entries import Entries
from gcpmlops.emulator.services.logging.writer import LogWriter
from gcpmlops.emulator.services.monitoring import promql
from gcpmlops.emulator.services.outbound import Outbound
from gcpmlops.emulator.services.resumption import Resumption
from gcpmlops.emulator.services.service_usage import ServiceUsage
from gcpmlops.emulator.services.storage.app import StorageApp
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.services.storage.lifecycle import Lifecycle
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store
from gcpmlops.emulator.variables import client_variables

if TYPE_CHECKING:
    from gcpmlops.emulator.runtimes.artifacts import Artifacts
    from gcpmlops.emulator.runtimes.environment import Environments
    from gcpmlops.emulator.services.datasets.exports import Exports
    from gcpmlops.emulator.services.deployments import Deployments
    from gcpmlops.emulator.services.functions.deploying import Deployments as FunctionDeployments
    from gcpmlops.emulator.services.functions.knative import Knative
    from gcpmlops.emulator.services.functions.run_services import Services as RunServices
    from gcpmlops.emulator.services.iam import Policies
    from gcpmlops.emulator.services.jobs.custom_jobs import CustomJobs
    from gcpmlops.emulator.services.jobs.runs import Runs
    from gcpmlops.emulator.services.jobs.tuning_jobs import HyperparameterTuningJobs
    from gcpmlops.emulator.services.logging.log_metrics import LogMetrics
    from gcpmlops.emulator.services.logging.sinks import Sinks
    from gcpmlops.emulator.services.model_monitoring.service import ModelDeploymentMonitoringJobs
    from gcpmlops.emulator.services.monitoring.alerting.alerting import Alerting
    from gcpmlops.emulator.services.monitoring.entry_counts import EntryCounts
    from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes
    from gcpmlops.emulator.services.monitoring.points import Points
    from gcpmlops.emulator.services.monitoring.prediction_metrics import PredictionMetrics
    from gcpmlops.emulator.services.monitoring.reading import Reading
    from gcpmlops.emulator.services.monitoring.replica_gauges import ReplicaGauges
    from gcpmlops.emulator.services.monitoring.uptime.rounds import Rounds
    from gcpmlops.emulator.services.prediction.request_log import RequestLog
    from gcpmlops.emulator.services.projects import Projects
    from gcpmlops.emulator.services.pubsub.broker import Broker
    from gcpmlops.emulator.services.pubsub.publisher import Publisher
    from gcpmlops.emulator.services.pubsub.subscriber import Subscriber
    from gcpmlops.emulator.services.pubsub.topics import Topics
    from gcpmlops.emulator.services.registry.models import ModelService
    from gcpmlops.emulator.services.scheduler.timetable import Timetable
    from gcpmlops.emulator.services.tensorboard import Tensorboard


T = TypeVar("T")

# Host, the installed package that is the contract, and its proto package.
PACKAGES = {
    name: (f"{name}.googleapis.com", package, proto)
    for name, package, proto in (
        ("aiplatform", "google.cloud.aiplatform_v1", "google.cloud.aiplatform.v1"),
        ("logging", "google.cloud.logging_v2", "google.logging.v2"),
        ("storage", "google.cloud.storage_control_v2", "google.storage.control.v2"),
        ("bigquerystorage", "google.cloud.bigquery_storage_v1", "google.cloud.bigquery.storage.v1"),
        ("cloudresourcemanager", "google.cloud.resourcemanager_v3", "google.cloud.resourcemanager.v3"),
        ("monitoring", "google.cloud.monitoring_v3", "google.monitoring.v3"),
        ("cloudscheduler", "google.cloud.scheduler_v1", "google.cloud.scheduler.v1"),
        ("pubsub", "google.pubsub_v1", "google.pubsub.v1"),
        ("cloudfunctions", "google.cloud.functions_v2", "google.cloud.functions.v2"),
        ("run", "google.cloud.run_v2", "google.cloud.run.v2"),
    )
} | {
    # The same host as Monitoring's, another package.
    "dashboards": (
        "monitoring.googleapis.com",
        "google.cloud.monitoring_dashboard_v1",
        "google.monitoring.dashboard.v1",
    ),
}


def _made_once(make: Callable[[Services], T]) -> property:
    """A property that is made when first used, once, whichever thread comes first."""

    def get(self: Services) -> T:
        with self._making:
            if make.__name__ not in self._made:
                self._made[make.__name__] = make(self)
            made: T = self._made[make.__name__]
            return made

    return property(get)


class Services:
    """What answers on every host.

    Args:
        context: shared by all services.
        store: the durable state.
        authenticator: gives out and verifies tokens.
        sockets: private folder with a short path, for unix sockets.
        stack: closes what is made here, in reverse order.
    """

    def __init__(
        self, context: Context, store: Store, authenticator: Authenticator, sockets: Path, stack: ExitStack
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._sockets = sockets
        self._stack = stack
        self._making = threading.RLock()
        self._made: dict[str, Any] = {}
        self._data = context.settings.data_dir
        self._port = 0
        self.processes = Processes(self._data / "processes")
        stack.callback(self.processes.close)
        self.storage = self._storage(store)
        self.entries = Entries(context.store, context.clock)
        self.logs: LogWriter = self._closed_later(LogWriter(self.entries))
        context.agenda.before_moving.append(self.logs.flush)  # metrics, sinks and alerts hear of logs in their moment
        self.bigquery = self._closed_later(
            BigQueryEngine(self._data / "bigquery", sockets / "bigquery", self.processes)
        )
        self.entries.on_append.append(lambda entries: self._entry_counts.stored(entries))
        self.entries.on_receive.append(lambda entries: self._entry_counts.received(entries))
        self.outbound: Outbound = self._closed_later(Outbound(authenticator, lambda: self._port))
        self._authenticator = authenticator
        self._function_directory = Directory()
        self.apps: dict[str, Asgi] = self._apps(store, authenticator)
        self.apis = [BoundApi(replace(api, services=self._alone(api.services))) for api in self._apis()]

    def _alone(self, make: Callable[[], Iterable[Service]]) -> Callable[[], Iterable[Service]]:
        """One thread at a time imports our modules: two that come from both ends of a package would fail."""

        def made() -> Iterable[Service]:
            with self._making:
                return tuple(make())

        return made

    def start(self, port: int) -> None:
        """Once the port is known: children can be told how to reach the emulator; endpoints serve again."""
        self._port = port
        self._resume_logging()
        resume = Resumption(self._context.store, self._context.agenda)
        resume("google.cloud.aiplatform.v1.Endpoint", "endpoints", lambda: self._deployments.resume())
        resume("google.pubsub.v1.Subscription", "subscriptions", lambda: self._broker)
        if not resume("google.cloud.functions.v2.Function", "functions", lambda: self._function_deployments.resume()):
            self._function_directory.complete.set()
        resume("google.monitoring.v3.AlertPolicy", "alert policies", lambda: self._alerting)
        resume("google.monitoring.v3.UptimeCheckConfig", "uptime checks", lambda: self._uptime.resume())
        resume("google.cloud.scheduler.v1.Job", "the jobs of Cloud Scheduler", lambda: self._timetable)
        resume(
            "google.cloud.aiplatform.v1.ModelDeploymentMonitoringJob",
            "model monitoring",
            lambda: self._model_monitoring,
        )
        self._lifecycle.resume()
        threading.Thread(target=self._tell_events, name="object events", daemon=True).start()

    def _tell_events(self) -> None:
        """What a kill kept from the listeners of object events; functions are among them."""
        self._function_directory.complete.wait()
        self.storage.objects.events.resume()

    def _resume_logging(self) -> None:
        sql = "SELECT DISTINCT type FROM resources WHERE type GLOB 'google.logging.v2.*'"
        kinds = {row[0] for row in self._context.store.read(lambda conn: conn.execute(sql).fetchall())}
        if kinds & {"google.logging.v2.LogSink", "google.logging.v2.LogExclusion"}:
            _ = self._log_sinks
        if "google.logging.v2.LogMetric" in kinds:
            _ = self._log_metrics

    def _storage(self, store: Store) -> StorageEngine:
        settings, blobs = self._settings, Blobs(self._data / "blobs" / "storage")
        engine = StorageEngine(
            store, blobs, self._context.clock, project=settings.project, project_number=settings.project_number
        )
        engine.notifications.topics = lambda: self._topics
        self._lifecycle = Lifecycle(engine, self._context.agenda)
        self._stack.callback(engine.close)
        return engine

    def _apps(self, store: Store, authenticator: Authenticator) -> dict[str, Asgi]:
        storage = StorageApp(self.storage, max_body_bytes=self._settings.max_body_bytes)
        bigquery = BigQueryApp(
            self.bigquery, store, self.storage, self._data / "bigquery", self._context.clock, self._settings.project
        )
        return {
            "storage": self._closed_later(storage),
            "bigquery": self._closed_later(bigquery),
            "oauth2": OAuth(authenticator),
            "metadata": Metadata(authenticator, self._settings),
            "iamcredentials": IamCredentials(authenticator),
            "serviceusage": ServiceUsage(),
            "cloudbuild": BuildAccount(),
            INVOCATION: Invocation(self._function_directory, authenticator, self._context.agenda, self.logs.add),
            "emulator": ClockApp(self._context.agenda, store.is_empty),
        }

    def _apis(self) -> Iterable[Api]:
        names = ProjectNames(str(self._settings.project_number), self._settings.project)
        v1 = JsonRoute("GET", "/v1/projects/{project}", self._get_project_v1)
        return (
            Api(*PACKAGES["aiplatform"], self._vertex, aliases=("v1beta1",), names=names),
            Api(*PACKAGES["logging"], self._logging),
            Api(*PACKAGES["storage"], self._storage_control),
            Api(*PACKAGES["bigquerystorage"], self._bigquery_read),
            Api(*PACKAGES["cloudresourcemanager"], self._projects, json_routes=(v1, *self._project_routes())),
            Api(*PACKAGES["monitoring"], self._monitoring, names=names, json_routes=self._monitoring_routes()),
            Api(*PACKAGES["dashboards"], self._dashboards, names=names),
            Api(*PACKAGES["cloudscheduler"], self._scheduler, names=names),
            Api(*PACKAGES["pubsub"], self._pubsub, json_routes=self._pubsub_routes(), names=names),
            Api(
                *PACKAGES["cloudfunctions"],
                self._functions,
                aliases=("v2alpha", "v2beta"),
                json_routes=self._function_routes(),
                names=names,
            ),
            Api(*PACKAGES["run"], self._run, names=names, json_routes=self._knative_routes()),
        )

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

    def _logging(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.logging.config import ConfigServiceV2
        from gcpmlops.emulator.services.logging.metrics import MetricsServiceV2
        from gcpmlops.emulator.services.logging.service import LoggingServiceV2

        return (
            LoggingServiceV2(self._context, self.entries),
            ConfigServiceV2(self._context, self._log_sinks),
            MetricsServiceV2(self._context, self._log_metrics, self._metric_types),
        )

    def _storage_control(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.storage.control import StorageControl

        return (StorageControl(self._context, self.storage),)

    def _bigquery_read(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.bigquery.read_api import BigQueryRead

        return (BigQueryRead(self._context, self.bigquery),)

    def _projects(self) -> Iterable[Service]:
        return (self._project_service, self._project_policies)

    def _project_routes(self) -> tuple[JsonRoute, ...]:
        return iam_routes.routes(lambda: self._project_policies, "/v1/{resource=projects/*}")

    @_made_once
    def _project_policies(self) -> Policies:
        from gcpmlops.emulator.services.project_policies import ProjectPolicies

        return ProjectPolicies(self._context, self._project_service)

    def _monitoring(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.monitoring.groups import GroupService
        from gcpmlops.emulator.services.monitoring.service import MetricService
        from gcpmlops.emulator.services.monitoring.uptime.service import UptimeCheckService

        self._replica_gauges.start()
        metrics = MetricService(self._context, self._points, self._metric_types, self._reading)
        uptime = UptimeCheckService(self._context, self._uptime)
        return (metrics, uptime, GroupService(self._context, self._points), *self._alerting.services())

    def _monitoring_routes(self) -> tuple[JsonRoute, ...]:
        return (
            *promql.ROUTES,
            JsonRoute("GET", "/v3/projects/{project}/alerts", lambda *call: self._alerting.alerts.list(*call)),
            JsonRoute("GET", "/v3/projects/{project}/alerts/{alert}", lambda *call: self._alerting.alerts.get(*call)),
        )

    def _dashboards(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.dashboards.service import DashboardsService

        return (DashboardsService(self._context),)

    def _scheduler(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.scheduler.service import CloudScheduler

        return (CloudScheduler(self._context, self._timetable),)

    def _pubsub(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.pubsub.schemas import Schemas

        return (self._publisher, self._subscriber, Schemas(self._context, self._broker), self._pubsub_policies)

    def _functions(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.functions.service import FunctionService

        functions = FunctionService(self._context, self._function_deployments, self._authenticator.email)
        return (functions, self._function_policies)

    def _function_routes(self) -> tuple[JsonRoute, ...]:
        first_generation = JsonRoute("GET", "/v1/projects/{p}/locations/{l}/functions", lambda *_: {})
        pattern = "/v2/{resource=projects/*/locations/*/functions/*}"
        return (first_generation, *iam_routes.routes(lambda: self._function_policies, pattern))

    @_made_once
    def _function_policies(self) -> Policies:
        from gcpmlops.emulator.services.iam import Policies

        return Policies(self._context, self._function_deployments.rows.get, permissions="cloudfunctions.")

    def _run(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.functions.run_services import Revisions

        return (self._run_services, Revisions(self._context, self._function_deployments))

    def _knative_routes(self) -> tuple[JsonRoute, ...]:
        def make() -> Knative:
            from gcpmlops.emulator.services.functions.knative import Knative

            return Knative(self._function_deployments, self._run_services, self._settings.project)

        return tuple(JsonRoute(*route) for route in knative_routes.routes(make))

    @_made_once
    def _run_services(self) -> RunServices:
        from gcpmlops.emulator.services.functions.run_services import Services

        return Services(self._context, self._function_deployments)

    def _get_project_v1(self, variables: Mapping[str, str], body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._project_service.get_v1(variables, body)
        return answer

    @_made_once
    def _request_log(self) -> RequestLog:
        from gcpmlops.emulator.services.model_monitoring.sampling import Sampling
        from gcpmlops.emulator.services.prediction.request_log import RequestLog

        tables, store = lambda: self._exports.sources.tables, self._context.store
        now, agenda = self._context.clock.now, self._context.agenda
        return RequestLog(tables, now, monitored=Sampling(store), agenda=agenda)

    @_made_once
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

    @_made_once
    def _project_service(self) -> Projects:
        from gcpmlops.emulator.services.projects import Projects

        return Projects(self._context)

    @_made_once
    def _exports(self) -> Exports:
        from gcpmlops.emulator.services.bigquery.tables import Tables
        from gcpmlops.emulator.services.datasets.exports import Exports
        from gcpmlops.emulator.services.datasets.sources import Sources

        projects = {str(self._settings.project_number): self._settings.project}
        tables = Tables(self.bigquery, self._data / "bigquery" / "tables", projects)
        return Exports(Sources(self.storage, tables))

    @_made_once
    def _environments(self) -> Environments:
        from gcpmlops.emulator.runtimes.environment import Environments

        return Environments(self.processes)

    @_made_once
    def _runs(self) -> Runs:
        from gcpmlops.emulator.runtimes.training import Training
        from gcpmlops.emulator.services.jobs.runs import Runs

        images, jobs = self._settings.images, self._data / "jobs"
        training = Training(self.processes, self._environments, self.storage, jobs, self._child_variables(), images)
        runs: Runs = self._closed_later(Runs(training, self._settings.max_jobs))
        return runs

    @_made_once
    def _artifacts(self) -> Artifacts:
        from gcpmlops.emulator.runtimes.artifacts import Artifacts

        return Artifacts(self._data / "artifacts", self.storage)

    @_made_once
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
        )
        copies = ModelCopies(self.storage)
        return Deployments(self._context, self._closed_later(servers), self._artifacts, self.logs.write, copies)

    @_made_once
    def _function_deployments(self) -> FunctionDeployments:
        from gcpmlops.emulator.services.functions.deploying import Deployments
        from gcpmlops.emulator.services.functions.revisions import Revisions
        from gcpmlops.emulator.services.functions.sources import Sources
        from gcpmlops.emulator.services.functions.triggers import Triggers

        publisher, subscriber = (lambda: self._publisher), (lambda: self._subscriber)
        triggers = Triggers(publisher, subscriber, self._authenticator.email)
        self.storage.on_event.append(triggers.on_object)
        made: FunctionDeployments = self._closed_later(
            Deployments(
                self._context,
                self._function_directory,
                revisions=Revisions(self._data / "functions", self._environments),
                sources=Sources(self.storage, self._authenticator),
                triggers=triggers,
                processes=self.processes,
                sockets=self._sockets,
                base=self._child_variables,
                append=self.logs.add,
            )
        )
        return made

    @_made_once
    def _broker(self) -> Broker:
        from gcpmlops.emulator.services.monitoring.backlog_gauges import BacklogGauges, waiting
        from gcpmlops.emulator.services.pubsub.broker import Broker

        made: Broker = self._closed_later(Broker(self._context, self.outbound, self.logs.write))
        gauges = BacklogGauges(self._points, self._context.agenda, lambda: waiting(made.queues()))
        made.on_publish = gauges.wake
        return made

    @_made_once
    def _timetable(self) -> Timetable:
        from gcpmlops.emulator.services.scheduler.log import ExecutionLog
        from gcpmlops.emulator.services.scheduler.targets import Targets
        from gcpmlops.emulator.services.scheduler.timetable import Timetable

        targets = Targets(self.outbound, lambda request: self._publisher.publish(request))
        timetable = Timetable(self._context, targets, ExecutionLog(self.logs.add))
        timetable.resume()
        return timetable

    @_made_once
    def _publisher(self) -> Publisher:
        from gcpmlops.emulator.services.pubsub.publisher import Publisher

        return Publisher(self._context, self._broker, self._pubsub_policies)

    @_made_once
    def _subscriber(self) -> Subscriber:
        from gcpmlops.emulator.services.pubsub.subscriber import Subscriber

        return Subscriber(self._context, self._broker, self._pubsub_policies)

    @_made_once
    def _pubsub_policies(self) -> Policies:
        from gcpmlops.emulator.services.pubsub.resources import policies

        return policies(self._context, self._broker)

    @_made_once
    def _topics(self) -> Topics:
        from gcpmlops.emulator.services.pubsub.topics import Topics

        return Topics(self._broker, self._publisher)

    def _pubsub_routes(self) -> tuple[JsonRoute, ...]:
        kinds = ("topics", "subscriptions", "snapshots", "schemas")
        return iam_routes.routes(
            lambda: self._pubsub_policies, *(f"/v1/{{resource=projects/*/{kind}/*}}" for kind in kinds)
        )

    @_made_once
    def _log_sinks(self) -> Sinks:
        from gcpmlops.emulator.services.logging.destinations.making import Destinations
        from gcpmlops.emulator.services.logging.sink_errors import SinkErrors
        from gcpmlops.emulator.services.logging.sinks import Sinks

        make = Destinations(
            publisher=lambda: self._publisher,
            objects=self.storage,
            tables=lambda: self._exports.sources.tables,
            now=self._context.clock.now,
        )
        sinks: Sinks = self._closed_later(Sinks(self._context, self.entries, make, SinkErrors(self.logs.write)))
        return sinks

    @_made_once
    def _log_metrics(self) -> LogMetrics:
        from gcpmlops.emulator.services.logging.log_metrics import LogMetrics

        return LogMetrics(self._context, self.entries, self._points)

    @_made_once
    def _points(self) -> Points:
        from gcpmlops.emulator.services.monitoring.points import Points
        from gcpmlops.emulator.services.monitoring.retention import Retention

        points = Points(self._context.store)
        Retention(self._context.store, self._context.agenda, points).start()
        return points

    @_made_once
    def _metric_types(self) -> MetricTypes:
        from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes

        return MetricTypes(self._context.store)

    @_made_once
    def _reading(self) -> Reading:
        from gcpmlops.emulator.services.monitoring.reading import Reading

        return Reading(self._points)

    @_made_once
    def _alerting(self) -> Alerting:
        from gcpmlops.emulator.services.monitoring.alerting.alerting import Alerting

        alerting: Alerting = self._closed_later(
            Alerting(
                self._context,
                points=self._points,
                reading=self._reading,
                metrics=self._metric_types,
                entries=self.entries,
                write_log=self.logs.write,
                outbound=self.outbound,
                publisher=lambda: self._publisher,
            )
        )
        alerting.resume()
        return alerting

    @_made_once
    def _entry_counts(self) -> EntryCounts:
        from gcpmlops.emulator.services.monitoring.entry_counts import EntryCounts

        return EntryCounts(self._points, self._context.agenda)

    @_made_once
    def _uptime(self) -> Rounds:
        from gcpmlops.emulator.services.monitoring.uptime.probes import Prober
        from gcpmlops.emulator.services.monitoring.uptime.rounds import Rounds

        agent = f"service-{self._settings.project_number}@gcp-sa-monitoring-notification.iam.gserviceaccount.com"
        store, agenda, prober = self._context.store, self._context.agenda, Prober(self.outbound, agent)
        made: Rounds = self._closed_later(Rounds(store, agenda, prober, self._points, self.logs.write))
        return made

    @_made_once
    def _prediction_metrics(self) -> PredictionMetrics:
        from gcpmlops.emulator.services.monitoring.deployed_models import DeployedNames
        from gcpmlops.emulator.services.monitoring.prediction_metrics import PredictionMetrics

        shown = DeployedNames(self._context.store)
        metrics: PredictionMetrics = self._closed_later(PredictionMetrics(self._points, self._context.clock, shown))
        return metrics

    @_made_once
    def _replica_gauges(self) -> ReplicaGauges:
        from gcpmlops.emulator.services.monitoring.deployed_models import DeployedNames, Replicas
        from gcpmlops.emulator.services.monitoring.replica_gauges import ReplicaGauges

        store, clock = self._context.store, self._context.clock
        gauges = ReplicaGauges(self._points, clock, DeployedNames(store), Replicas(store, self._deployments.find))
        made: ReplicaGauges = self._closed_later(gauges)
        return made

    @_made_once
    def _custom_jobs(self) -> CustomJobs:
        from gcpmlops.emulator.services.jobs.custom_jobs import CustomJobs
        from gcpmlops.emulator.services.metadata.job_experiments import JobExperiments

        jobs = CustomJobs(self._context, self._runs, self.logs.write)
        jobs.tensorboards = self._tensorboard.job_logs
        jobs.experiments = JobExperiments(self._context)
        return jobs

    @_made_once
    def _tuning_jobs(self) -> HyperparameterTuningJobs:
        from gcpmlops.emulator.services.jobs.tuning_jobs import HyperparameterTuningJobs

        jobs: HyperparameterTuningJobs = self._closed_later(
            HyperparameterTuningJobs(self._context, self._runs, self.logs.write, self._tensorboard.job_logs)
        )
        return jobs

    @_made_once
    def _tensorboard(self) -> Tensorboard:
        from gcpmlops.emulator.services.metadata.tensorboard_runs import TensorboardRuns
        from gcpmlops.emulator.services.tensorboard import Tensorboard

        runs = TensorboardRuns(self._context)
        made: Tensorboard = self._closed_later(Tensorboard(self._context, self.storage, runs))
        return made

    def _child_variables(self) -> dict[str, str]:
        return client_variables(self._data, port=self._port, project=self._settings.project, base=os.environ)

    def _closed_later(self, part: Any) -> Any:
        self._stack.callback(part.close)
        return part
