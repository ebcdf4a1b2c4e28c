"""google.cloud.aiplatform.v1.EndpointService: endpoints, and deploying models to them."""

from __future__ import annotations

import logging
import re
import secrets
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.access import act_as
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services import prediction_resources, traffic
from gcpmlops.emulator.services.deployments import Deployments
from gcpmlops.emulator.services.model_rows import ModelRows, check_etag, etag
from gcpmlops.emulator.settings import project_number

log = logging.getLogger(__name__)

LOCATION = "projects/{project}/locations/{location}"
OUTPUT_ONLY = (
    "name",
    "etag",
    "create_time",
    "update_time",
    "deployed_models",
    "encryption_spec",
    "dedicated_endpoint_dns",
    "model_deployment_monitoring_job",
)
MUTABLE = ("dedicated_resources", "automatic_resources", "disable_container_logging")
# Accepted, kept and returned; without meaning where every server is one local process.
IGNORED = {
    "endpoint": ("network", "encryption_spec", "private_service_connect_config"),
    "deployed model": ("enable_access_logging", "private_endpoints"),
}
_ENDPOINT_ID = re.compile(r"[a-z]([a-z0-9-]{0,61}[a-z0-9])?|[1-9][0-9]{0,8}|0")
_DEPLOYED_ID = re.compile(r"[1-9][0-9]{0,18}")
_ENDPOINT_TERM = re.compile(r'\bendpoint\s*(!?=)\s*"?([\w-]+)"?')


class EndpointService(Service):
    """One lock per endpoint guards its message; servers start and stop outside of it."""

    proto = "google.cloud.aiplatform.v1.EndpointService"

    def __init__(self, context: Context, deployments: Deployments) -> None:
        super().__init__(context)
        self._deployments = deployments
        self._models = ModelRows(context.store)
        self._rows: Any = context.store.collection(types.Endpoint)

    def create_endpoint(self, request: types.CreateEndpointRequest) -> Any:
        """Creates an endpoint without models."""
        names.parse(LOCATION, request.parent)
        validate.require(request, "endpoint.display_name")
        validate.labels(request.endpoint.labels, "endpoint.labels")
        if request.endpoint_id and not _ENDPOINT_ID.fullmatch(request.endpoint_id):
            rule = "63 of a-z, 0-9 and - after a letter, or up to 9 digits"
            raise validate.invalid("endpoint_id", f"{request.endpoint_id!r} is not allowed ({rule}).")
        name = f"{request.parent}/endpoints/{request.endpoint_id or names.new_id()}"
        if self._rows.find(name) is not None:
            raise exceptions.AlreadyExists(f"Endpoint {name} already exists.")
        metadata = types.CreateEndpointOperationMetadata()
        return self.operations.start(parent=name, metadata=metadata, run=lambda: self._create(name, request.endpoint))

    def get_endpoint(self, request: types.GetEndpointRequest) -> types.Endpoint:
        return self._shown(self._rows.get(request.name))

    def list_endpoints(self, request: types.ListEndpointsRequest) -> types.ListEndpointsResponse:
        """Newest first."""
        names.parse(LOCATION, request.parent)
        text = _ENDPOINT_TERM.sub(rf'name\1"{request.parent}/endpoints/\2"', request.filter)
        shown = [self._shown(row) for row in reversed(self._rows.list(parent=request.parent))]
        chosen = [endpoint for endpoint in shown if filters.matches(text, endpoint)]
        endpoints, token = paging.page(filters.order(chosen, request.order_by), request)
        endpoints = [masks.part(endpoint, request.read_mask) for endpoint in endpoints]
        return types.ListEndpointsResponse(endpoints=endpoints, next_page_token=token)

    def update_endpoint(self, request: types.UpdateEndpointRequest) -> types.Endpoint:
        """Changes what the mask names: names, description, labels, the traffic split, logging, the dedicated host."""
        validate.require(request, "endpoint.name", "update_mask.paths")
        return self._update(request.endpoint, request.update_mask)

    def update_endpoint_long_running(self, request: types.UpdateEndpointLongRunningRequest) -> Any:
        """The same as an operation, of the fields that are there."""
        validate.require(request, "endpoint.name")
        self._rows.get(request.endpoint.name)
        return self.operations.start(
            parent=request.endpoint.name,
            metadata=types.UpdateEndpointOperationMetadata(),
            run=lambda: self._update(request.endpoint, None),
        )

    def delete_endpoint(self, request: types.DeleteEndpointRequest) -> Any:
        """Deletes an endpoint that has no deployed models."""
        check_empty(self._rows.get(request.name))
        return self.operations.start(
            parent=request.name, metadata=types.DeleteOperationMetadata(), run=lambda: self._delete(request.name)
        )

    def deploy_model(self, request: types.DeployModelRequest) -> Any:
        """Starts the model's server; the operation ends when it is healthy, or fails with its last log lines."""
        validate.require(request, "endpoint", "deployed_model.model")
        endpoint = self._rows.get(request.endpoint)
        version = self._models.version(request.deployed_model.model)
        prediction_resources.check(request.deployed_model)
        act_as(self.access, request.deployed_model.service_account, endpoint.name)
        deployed = self._new_deployed(request.deployed_model, version)
        check_new(endpoint, deployed.id, request.traffic_split)
        note_ignored("deployed model", f"{endpoint.name} {deployed.id}", deployed)
        return self.operations.start(
            parent=endpoint.name,
            metadata=types.DeployModelOperationMetadata(),
            run=lambda: self._deploy(endpoint.name, deployed, dict(request.traffic_split)),
        )

    def undeploy_model(self, request: types.UndeployModelRequest) -> Any:
        """Takes a model without traffic off the endpoint, then ends its server once it has answered what it has."""
        validate.require(request, "endpoint", "deployed_model_id")
        split = dict(request.traffic_split)
        self._split_without(self._rows.get(request.endpoint), request.deployed_model_id, split)
        return self.operations.start(
            parent=request.endpoint,
            metadata=types.UndeployModelOperationMetadata(),
            run=lambda: self._undeploy(request.endpoint, request.deployed_model_id, split),
        )

    def mutate_deployed_model(self, request: types.MutateDeployedModelRequest) -> Any:
        """Changes replica counts, autoscaling and logging of a deployed model; done when it has its replicas."""
        validate.require(request, "endpoint", "deployed_model.id", "update_mask.paths")
        for path in request.update_mask.paths:
            if path.partition(".")[0] not in MUTABLE:
                raise validate.invalid("update_mask", f"{path!r} of a deployed model can't be changed.")
        find(self._rows.get(request.endpoint), request.deployed_model.id)
        return self.operations.start(
            parent=request.endpoint,
            metadata=types.MutateDeployedModelOperationMetadata(),
            run=lambda: self._mutate(request),
        )

    def _create(self, name: str, given: types.Endpoint) -> types.Endpoint:
        endpoint = types.Endpoint(given)
        endpoint.name = name
        endpoint.deployed_models, endpoint.traffic_split = [], {}
        endpoint.create_time = endpoint.update_time = self.clock.now()
        endpoint.dedicated_endpoint_dns = dedicated_host(endpoint)
        note_ignored("endpoint", name, endpoint)
        return self._shown(self._rows.insert(name, endpoint))

    def _update(self, given: types.Endpoint, mask: Any) -> types.Endpoint:
        validate.labels(given.labels, "endpoint.labels")

        def change(endpoint: types.Endpoint) -> None:
            check_etag(given.etag, self._shown(endpoint).etag, endpoint.name)
            masks.apply(mask, endpoint, given, immutable=OUTPUT_ONLY)
            traffic.check(endpoint.traffic_split, {deployed.id for deployed in endpoint.deployed_models})
            endpoint.dedicated_endpoint_dns = dedicated_host(endpoint)
            endpoint.update_time = self.clock.now()

        with self.locks(given.name):
            return self._shown(self._rows.update(given.name, change))

    def _delete(self, name: str) -> None:
        with self.locks(name):
            check_empty(self._rows.get(name))
            self._rows.delete(name)

    def _new_deployed(self, given: types.DeployedModel, version: types.Model) -> types.DeployedModel:
        deployed = types.DeployedModel(given)
        deployed.id = given.id or str(secrets.randbelow(9 * 10**18) + 10**18)
        deployed.model = version.name
        deployed.model_version_id = version.version_id
        deployed.display_name = given.display_name or self._models.head(version.name).display_name
        deployed.create_time = self.clock.now()
        return deployed

    def _deploy(self, name: str, deployed: types.DeployedModel, split: dict[str, int]) -> types.DeployModelResponse:
        server = self._deployments.start(name, deployed)
        try:
            server.wait_ready()
            with self.locks(name), self.locks(deployed.model):
                self.store.write(lambda _: self._commit(name, deployed, split))
        except BaseException:
            self._deployments.stop(name, deployed.id, drain=0)
            raise
        return types.DeployModelResponse(deployed_model=self._with_status(name, deployed))

    def _commit(self, name: str, deployed: types.DeployedModel, split: dict[str, int]) -> None:
        """Endpoint and model version in one transaction; both or neither know of the deployment."""
        self._rows.update(name, lambda endpoint: self._add(endpoint, deployed, split))
        self._refer(name, deployed)

    def _add(self, endpoint: types.Endpoint, deployed: types.DeployedModel, split: dict[str, int]) -> None:
        check_new(endpoint, deployed.id, split)
        if split:
            endpoint.traffic_split = {deployed.id if key == traffic.NEW else key: share for key, share in split.items()}
        endpoint.deployed_models.append(deployed)
        endpoint.update_time = self.clock.now()

    def _undeploy(self, name: str, deployed_id: str, split: dict[str, int]) -> types.UndeployModelResponse:
        with self.locks(name):
            endpoint = self._rows.get(name)
            deployed = find(endpoint, deployed_id)
            self.store.write(lambda _: self._release(name, deployed, split))
        self._deployments.stop(name, deployed_id)
        return types.UndeployModelResponse()

    def _release(self, name: str, deployed: types.DeployedModel, split: dict[str, int]) -> None:
        self._rows.update(name, lambda row: self._remove(row, deployed.id, split))
        self._forget(name, deployed)

    def _remove(self, endpoint: types.Endpoint, deployed_id: str, split: dict[str, int]) -> None:
        endpoint.traffic_split = self._split_without(endpoint, deployed_id, split)
        endpoint.deployed_models = [row for row in endpoint.deployed_models if row.id != deployed_id]
        endpoint.update_time = self.clock.now()

    def _split_without(self, endpoint: types.Endpoint, deployed_id: str, given: dict[str, int]) -> dict[str, int]:
        find(endpoint, deployed_id)
        left = {row.id for row in endpoint.deployed_models if row.id != deployed_id}
        return traffic.without(endpoint.traffic_split, deployed_id, given, left)

    def _mutate(self, request: types.MutateDeployedModelRequest) -> types.MutateDeployedModelResponse:
        name, given = request.endpoint, request.deployed_model

        def change(endpoint: types.Endpoint) -> None:
            row = find(endpoint, given.id)
            masks.apply(request.update_mask, row, given)
            prediction_resources.check(row)
            endpoint.update_time = self.clock.now()

        with self.locks(f"{name}/deployedModels/{given.id}"):  # not the endpoint's: a replica takes its time to start
            wanted = self._rows.get(name)
            change(wanted)
            self._deployments.change(name, find(wanted, given.id))
            with self.locks(name):
                endpoint = self._rows.update(name, change)
        deployed = self._with_status(name, find(endpoint, given.id))
        return types.MutateDeployedModelResponse(deployed_model=deployed)

    def _refer(self, endpoint: str, deployed: types.DeployedModel) -> None:
        """Note at the model version where it is deployed."""
        reference = types.DeployedModelRef(endpoint=endpoint, deployed_model_id=deployed.id)
        key = f"{deployed.model}@{deployed.model_version_id}"
        self._models.rows.update(key, lambda version: version.deployed_models.append(reference))

    def _forget(self, endpoint: str, deployed: types.DeployedModel) -> None:
        def change(version: types.Model) -> None:
            version.deployed_models = [
                row
                for row in version.deployed_models
                if (row.endpoint, row.deployed_model_id) != (endpoint, deployed.id)
            ]

        key = f"{deployed.model}@{deployed.model_version_id}"
        if self._models.rows.find(key) is not None:
            self._models.rows.update(key, change)

    def _shown(self, endpoint: types.Endpoint) -> types.Endpoint:
        endpoint.etag = etag(endpoint, ignore=("etag", "update_time"))
        for deployed in endpoint.deployed_models:
            self._with_status(endpoint.name, deployed)
        return endpoint

    def _with_status(self, endpoint: str, deployed: types.DeployedModel) -> types.DeployedModel:
        deployed.status = self._deployments.status(endpoint, deployed.id)
        return deployed


def find(endpoint: types.Endpoint, deployed_id: str) -> types.DeployedModel:
    """The deployed model of that id. Raises NotFound."""
    for deployed in endpoint.deployed_models:
        if deployed.id == deployed_id:
            return deployed
    raise exceptions.NotFound(f"Deployed model {deployed_id} is not found in {endpoint.name}.")


def dedicated_host(endpoint: types.Endpoint) -> str:
    """The host of an endpoint that has one of its own."""
    if not endpoint.dedicated_endpoint_enabled:
        return ""
    number, region = project_number(names.project_of(endpoint.name)), names.location_of(endpoint.name)
    return f"{endpoint.name.rpartition('/')[2]}.{region}-{number}.prediction.vertexai.goog"


def check_empty(endpoint: types.Endpoint) -> None:
    """Raises FailedPrecondition naming what is deployed."""
    if endpoint.deployed_models:
        ids = ", ".join(deployed.id for deployed in endpoint.deployed_models)
        raise exceptions.FailedPrecondition(f"{endpoint.name} has deployed models ({ids}): undeploy them first.")


def check_new(endpoint: types.Endpoint, deployed_id: str, split: Any) -> None:
    """Whether a model may be deployed under this id with this split. Raises AlreadyExists, InvalidArgument."""
    if not _DEPLOYED_ID.fullmatch(deployed_id):
        raise validate.invalid("deployed_model.id", f"{deployed_id!r} is not allowed (digits, the first not 0).")
    there = {deployed.id for deployed in endpoint.deployed_models}
    if deployed_id in there:
        raise exceptions.AlreadyExists(f"Deployed model {deployed_id} already exists in {endpoint.name}.")
    traffic.check(split, {*there, traffic.NEW})


def note_ignored(kind: str, name: str, message: Any) -> None:
    """Log, once for each resource, what is kept without meaning here."""
    present = [field for field in IGNORED[kind] if field in message and getattr(message, field)]
    if present:
        log.info("%s %s: %s has no local meaning and is ignored", kind, name, ", ".join(present))
