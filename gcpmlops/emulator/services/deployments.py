"""Deployed models as running servers: what a server is started with, and where its log lines go."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.access import custom_code_agent
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.runtimes.process import OnLine
from gcpmlops.emulator.runtimes.server import DRAIN_SECONDS, ModelServer, ServerSpec, ServerStoppedError
from gcpmlops.emulator.runtimes.server_spec import HealthProbe
from gcpmlops.emulator.runtimes.servers import Servers
from gcpmlops.emulator.services import prediction_resources
from gcpmlops.emulator.services.logging.writer import WriteLog
from gcpmlops.emulator.services.model_copies import ModelCopies
from gcpmlops.emulator.services.model_rows import ModelRows, key_of
from gcpmlops.emulator.settings import project_number

log = logging.getLogger(__name__)

READY_SECONDS = 300.0
_SEVERITIES = {"stdout": "INFO", "stderr": "ERROR"}


class Deployments:
    """Starts, finds and stops the server of each deployed model.

    Args:
        context: the services'.
        servers: runs the processes.
        artifacts: has the models' files.
        write_log: takes what servers print.
        copies: gives files to containers that read them through Cloud Storage; None leaves them the user's.
    """

    def __init__(
        self,
        context: Context,
        servers: Servers,
        artifacts: Artifacts,
        write_log: WriteLog,
        copies: ModelCopies | None = None,
    ) -> None:
        self._context = context
        self._servers = servers
        self._artifacts = artifacts
        self._write_log = write_log
        self._copies = copies
        self._models = ModelRows(context.store)
        self._resuming = threading.Lock()
        self._resumed = False
        self._unlogged: set[str] = set()  # names of servers whose lines nobody wants

    def start(
        self,
        endpoint: str,
        deployed: types.DeployedModel,
        *,
        version: types.Model | None = None,
        on_line: OnLine | None = None,
    ) -> ModelServer:
        """Begin to serve; `wait_ready` of the result tells how it went. Raises NotFound without the model version.

        Args:
            endpoint: what the server is for; a batch prediction job's name is one, too.
            deployed: the model, and what it gets.
            version: in place of the registry's, whose files are at hand.
            on_line: takes the server's lines in place of the endpoint's log.
        """
        self.resume()
        return self._start(endpoint, deployed, version, on_line)

    def _start(
        self,
        endpoint: str,
        deployed: types.DeployedModel,
        version: types.Model | None = None,
        on_line: OnLine | None = None,
    ) -> ModelServer:
        found = version or self._models.version(f"{deployed.model}@{deployed.model_version_id}")
        spec = self._with_copy(self._spec(endpoint, deployed, found))
        return self._servers.start(spec, on_line or self._on_line(endpoint, deployed))

    def _with_copy(self, spec: ServerSpec) -> ServerSpec:
        if self._copies is None or not spec.model_dir.is_dir() or not self._servers.reads_storage(spec):
            return spec
        return replace(spec, artifact_uri=self._copies.publish(spec.name, spec.model_dir))

    def find(self, endpoint: str, deployed_id: str) -> ModelServer:
        """The server of a deployed model, which may be starting. Raises ServiceUnavailable."""
        self.resume()
        server = self._servers.find(server_name(endpoint, deployed_id))
        if server is None:
            raise ServerStoppedError(f"Deployed model {deployed_id} of {endpoint} is not running.")
        return server

    def status(self, endpoint: str, deployed_id: str) -> types.DeployedModel.Status:
        """How many replicas of a deployed model are healthy now, and why not all, where one does not start."""
        server = self._servers.find(server_name(endpoint, deployed_id))
        if server is None:
            return types.DeployedModel.Status()
        return types.DeployedModel.Status(available_replica_count=server.replica_count, message=server.trouble)

    def change(self, endpoint: str, deployed: types.DeployedModel) -> None:
        """Give a running model the replicas and the logging that `deployed` asks for.

        Raises: ServiceUnavailable where it does not run; what a new replica's start failed with.
        """
        wanted = prediction_resources.scaling(deployed)
        server = self.find(endpoint, deployed.id)
        server.scale(wanted.minimum, wanted.maximum, required=wanted.required, targets=wanted.targets)
        self._set_logging(endpoint, deployed)

    def _set_logging(self, endpoint: str, deployed: types.DeployedModel) -> None:
        change = self._unlogged.add if deployed.disable_container_logging else self._unlogged.discard
        change(server_name(endpoint, deployed.id))

    def stop(self, endpoint: str, deployed_id: str, drain: float = DRAIN_SECONDS) -> None:
        """End a server once its requests in flight are answered."""
        name = server_name(endpoint, deployed_id)
        self._servers.stop(name, drain)
        self._unlogged.discard(name)
        if self._copies is not None:
            self._copies.withdraw(name)

    def resume(self) -> int:
        """Begin to serve again what was deployed when the emulator ended: once, by whoever comes first.

        Returns: how many servers that is.
        """
        with self._resuming:
            if self._resumed:
                return 0
            self._resumed = True
            return self._serve_again()

    def _serve_again(self) -> int:
        count, endpoints = 0, self._context.store.collection(types.Endpoint).list()
        if self._copies is not None:
            self._copies.keep_only(
                server_name(row.name, deployed.id) for row in endpoints for deployed in row.deployed_models
            )
        for endpoint in endpoints:
            for deployed in endpoint.deployed_models:
                try:
                    self._start(endpoint.name, deployed)
                    count += 1
                except exceptions.GoogleAPICallError:
                    log.exception("deployed model %s of %s cannot be served again", deployed.id, endpoint.name)
        return count

    def _spec(self, endpoint: str, deployed: types.DeployedModel, version: types.Model) -> ServerSpec:
        container = version.container_spec
        route = f"/v1/endpoints/{endpoint.rpartition('/')[2]}/deployedModels/{deployed.id}"
        timeout = container.deployment_timeout
        return ServerSpec(
            name=server_name(endpoint, deployed.id),
            image=container.image_uri,
            model_dir=self._artifacts.path(key_of(version)),
            artifact_uri=version.artifact_uri,
            health_route=container.health_route or route,
            grpc=bool(container.grpc_ports),
            predict_route=container.predict_route or f"{route}:predict",
            env={**self._variables(endpoint, deployed, container), **{item.name: item.value for item in container.env}},
            ready_seconds=timeout.total_seconds() if timeout else READY_SECONDS,
            command=list(container.command),
            args=list(container.args),
            scaling=prediction_resources.scaling(deployed),
            probe=_health_probe(container),
            account=deployed.service_account or custom_code_agent(self._context.settings.project_number),
        )

    def _variables(self, endpoint: str, deployed: types.DeployedModel, container: Any) -> dict[str, str]:
        """What Vertex AI sets in a serving container, beside the routes."""
        port = container.ports[0].container_port if container.ports else 8080
        machine = deployed.dedicated_resources.machine_spec
        accelerator = {"AIP_ACCELERATOR_TYPE": machine.accelerator_type.name} if machine.accelerator_count else {}
        return {
            "AIP_MODE": "PREDICTION",
            "AIP_MODE_VERSION": "1.0.0",
            "AIP_FRAMEWORK": "CUSTOM_CONTAINER",
            "AIP_MODEL_NAME": endpoint.rpartition("/")[2],
            "AIP_VERSION_NAME": deployed.id,
            "AIP_HTTP_PORT": str(port),
            "AIP_PROJECT_NUMBER": str(project_number(names.project_of(endpoint))),
            "AIP_ENDPOINT_ID": endpoint.rpartition("/")[2],
            "AIP_DEPLOYED_MODEL_ID": deployed.id,
            "AIP_MACHINE_TYPE": machine.machine_type,
            **accelerator,
        }

    def _on_line(self, endpoint: str, deployed: types.DeployedModel) -> OnLine:
        project, location = names.project_of(endpoint), names.location_of(endpoint)
        log_name = f"projects/{project}/logs/aiplatform.googleapis.com%2Fprediction_container"
        labels = {"resource_container": project, "location": location, "endpoint_id": endpoint.rpartition("/")[2]}
        resource = ("aiplatform.googleapis.com/Endpoint", labels)
        own = {"deployed_model_id": deployed.id, "model_id": deployed.model.rpartition("/")[2]}
        name = server_name(endpoint, deployed.id)
        self._set_logging(endpoint, deployed)

        def on_line(stream: str, text: str) -> None:
            if name in self._unlogged:
                log.debug("%s %s: %s", name, stream, text)
            else:
                self._write_log(log_name, resource, _SEVERITIES[stream], text, own)

        return on_line


def _health_probe(container: types.ModelContainerSpec) -> HealthProbe:
    """A container's own, where it asks by HTTP; of another kind the times alone hold, and the health route is asked."""
    given = container.health_probe
    for name in ("startup_probe", "liveness_probe"):
        if name in container:
            log.info("%s: %s has no local meaning and is ignored", container.image_uri, name)
    if any(kind in given for kind in ("exec_", "grpc", "tcp_socket")):
        log.info("health_probe: only http_get is run here; the health route is asked instead")
    usual = HealthProbe()
    return HealthProbe(
        path=given.http_get.path,
        period=given.period_seconds or usual.period,
        timeout=given.timeout_seconds or usual.timeout,
        failures=given.failure_threshold or usual.failures,
    )


def server_name(endpoint: str, deployed_id: str) -> str:
    """The name of a deployed model's server."""
    return f"{endpoint}/deployedModels/{deployed_id}"
