"""What answers on every host, as lists."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.hosts import INVOCATION
from gcpmlops.emulator.kernel.hosts import PACKAGES as PACKAGE_HOSTS
from gcpmlops.emulator.kernel.http import Asgi
from gcpmlops.emulator.kernel.identity import Metadata, OAuth
from gcpmlops.emulator.kernel.project_names import ProjectNames
from gcpmlops.emulator.kernel.registry import Api, BoundApi
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.access.bigquery import BigQueryGuard
from gcpmlops.emulator.services.access.storage import StorageGuard
from gcpmlops.emulator.services.artifact_registry.analysis import ContainerAnalysis
from gcpmlops.emulator.services.bigquery import grants
from gcpmlops.emulator.services.bigquery.app import BigQueryApp
from gcpmlops.emulator.services.catalog.delivery import Delivery
from gcpmlops.emulator.services.catalog.packages import PACKAGES
from gcpmlops.emulator.services.clock import ClockApp
from gcpmlops.emulator.services.functions.invocation import Invocation
from gcpmlops.emulator.services.resumption import Resumption
from gcpmlops.emulator.services.storage.app import StorageApp
from gcpmlops.emulator.state.store import Store


class Services(Delivery):
    """All of them; the arguments are those of `Parts`."""

    def __init__(
        self, context: Context, store: Store, authenticator: Authenticator, sockets: Path, stack: ExitStack
    ) -> None:
        super().__init__(context, store, authenticator, sockets, stack)
        self.apps: dict[str, Asgi] = self._apps(store, authenticator)
        self.apis = [BoundApi(replace(api, services=self._alone(api.services)), self.gate) for api in self._apis()]

    def _alone(self, make: Callable[[], Iterable[Service]]) -> Callable[[], Iterable[Service]]:
        """One thread at a time imports our modules: two that come from both ends of a package would fail."""

        def made() -> Iterable[Service]:
            with self._making:
                return tuple(make())

        return made

    def start(self, port: int) -> None:
        """Once the port is known: children can be told how to reach the emulator; endpoints serve again."""
        self._port = port
        self._start_administration()
        self._resume_logging()
        resume = Resumption(self._context.store, self._context.agenda)
        resume("google.cloud.aiplatform.v1.Endpoint", "endpoints", lambda: self._deployments.resume())
        resume("google.pubsub.v1.Subscription", "subscriptions", lambda: self._broker)
        if not resume("google.cloud.functions.v2.Function", "functions", lambda: self._function_deployments.resume()):
            self._function_directory.complete.set()
        resume("google.monitoring.v3.AlertPolicy", "alert policies", lambda: self._alerting)
        resume("google.monitoring.v3.UptimeCheckConfig", "uptime checks", lambda: self._uptime.resume())
        resume("google.devtools.cloudbuild.v1.Build", "builds", lambda: self._builds)
        resume("google.cloud.scheduler.v1.Job", "the jobs of Cloud Scheduler", lambda: self._timetable)
        resume(
            "google.cloud.aiplatform.v1.ModelDeploymentMonitoringJob",
            "model monitoring",
            lambda: self._model_monitoring,
        )
        resume("google.cloud.secretmanager.v1.Secret", "secrets", lambda: self._secret_versions)
        resume("google.cloud.notebooks.v2.Instance", "Workbench instances", lambda: self._machines.resume())
        self._lifecycle.resume()
        threading.Thread(target=self._tell_events, name="object events", daemon=True).start()

    def _tell_events(self) -> None:
        """What a kill kept from the listeners of object events; functions are among them."""
        self._function_directory.complete.wait()
        self.storage.objects.events.resume()

    def _apps(self, store: Store, authenticator: Authenticator) -> dict[str, Asgi]:
        context, settings = self._context, self._settings
        guard = StorageGuard(self.gate, context.access, self._project_of_bucket, self.storage.objects.has)
        storage = StorageApp(self.storage, max_body_bytes=settings.max_body_bytes, guard=guard)
        bigquery = BigQueryApp(
            self.bigquery,
            store,
            self.storage,
            self._data / "bigquery",
            context.clock,
            settings.project,
            guard=BigQueryGuard(self.gate, context.access, self._query_accesses),
        )
        return {
            "storage": self._closed_later(storage),
            "bigquery": self._closed_later(bigquery),
            "oauth2": OAuth(authenticator),
            "sts": self._token_exchange,
            "metadata": Metadata(authenticator, self._settings),
            INVOCATION: Invocation(
                self._function_directory, authenticator, self._context.agenda, self.logs.add, self._may_invoke
            ),
            PACKAGE_HOSTS: self._packages_app,
            "containeranalysis": ContainerAnalysis(),
            "emulator": ClockApp(self._context.agenda, lambda: store.is_empty(but="google.iam.v1.Policy")),
        }

    def _may_invoke(self, email: str, service: str) -> bool:
        """By a role on the project: those on the service itself are known where it is served."""
        guard = self._context.access.guard
        return guard is not None and guard.allows("run.routes.invoke", service, email=email)

    def _project_of_bucket(self, bucket: str) -> str | None:
        found = self.storage.buckets.access(bucket)
        return None if found is None else found[0]

    def _query_accesses(self, project: str, config: Mapping[str, Any]) -> list[tuple[str, tuple[str, str, str]]]:
        if (granting := grants.accesses(str(config.get("query") or ""), project)) is not None:
            return granting
        answer = self.bigquery.call("/engine/accesses", {"project": project, "config": dict(config)})
        return [(kind, (owner, dataset, table)) for kind, (owner, dataset, table) in answer["accesses"]]

    def _apis(self) -> Iterable[Api]:
        names = ProjectNames(
            str(self._settings.project_number),
            self._settings.project,
            others=lambda number: self._project_service.id_if_any(number),
        )
        return (
            Api(*PACKAGES["aiplatform"], self._vertex, aliases=("v1beta1",), names=names),
            Api(*PACKAGES["logging"], self._logging),
            Api(*PACKAGES["storage"], self._storage_control),
            Api(*PACKAGES["bigquerystorage"], self._bigquery_read),
            Api(*PACKAGES["cloudresourcemanager"], self._projects, json_routes=self._project_routes(), names=names),
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
            Api(
                *PACKAGES["serviceusage"],
                self._service_usage,
                aliases=("v1beta1",),
                json_routes=self._service_usage_routes(),
                names=names,
            ),
            Api(*PACKAGES["cloudbilling"], self._billing, names=names),
            Api(*PACKAGES["iam"], self._iam, names=names, json_routes=self._iam_routes()),
            Api(*PACKAGES["iamcredentials"], self._iam_credentials, names=names),
            Api(*PACKAGES["artifactregistry"], self._artifact_registry, aliases=("v1beta2",), names=names),
            Api(*PACKAGES["secretmanager"], self._secret_manager, names=names),
            Api(*PACKAGES["notebooks"], self._notebooks, names=names, json_routes=self._notebook_routes()),
            Api(*PACKAGES["cloudbuild"], self._cloud_build, names=names),
        )

    def _storage_control(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.storage.control import StorageControl

        return (StorageControl(self._context, self.storage),)

    def _bigquery_read(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.bigquery.read_api import BigQueryRead

        return (BigQueryRead(self._context, self.bigquery),)

    def _monitoring(self) -> Iterable[Service]:
        from gcpmlops.emulator.services.monitoring.groups import GroupService
        from gcpmlops.emulator.services.monitoring.service import MetricService
        from gcpmlops.emulator.services.monitoring.uptime.service import UptimeCheckService

        self._replica_gauges.start()
        metrics = MetricService(self._context, self._points, self._metric_types, self._reading)
        uptime = UptimeCheckService(self._context, self._uptime)
        return (metrics, uptime, GroupService(self._context, self._points), *self._alerting.services())
