"""Endpoints of Vertex AI: deployments, traffic and predictions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html
from gcpmlops._handle import Named
from gcpmlops._job_spec import Hardware, machine_spec
from gcpmlops._predictions import Prediction, instances_of, raw_body
from gcpmlops._traffic import check_split, deployed_id, split_with
from gcpmlops.clients import Clients
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument, NotFound, translated
from gcpmlops.types import Labels, Rows, check_labels

if TYPE_CHECKING:
    from gcpmlops.models import Model, Models

__all__ = ["Endpoint", "Endpoints", "Prediction"]

_LIST_HINT = "See the endpoints with `gcpmlops endpoints list`."


@dataclass(frozen=True)
class Endpoint(Named):
    """An endpoint as it was when asked for; `proto` is Google's Endpoint."""

    proto: _google.endpoint.Endpoint
    _endpoints: Endpoints = field(repr=False, compare=False)

    @property
    def traffic(self) -> dict[str, int]:
        """Id of the deployed model -> per cent of the requests."""
        return dict(self.proto.traffic_split)

    @property
    def deployed(self) -> dict[str, str]:
        """Id of the deployed model -> model@version."""
        return {
            d.id: f"{d.model.partition('@')[0]}@{d.model_version_id}".rstrip("@") for d in self.proto.deployed_models
        }

    def refresh(self) -> Endpoint:
        """The endpoint as it is now."""
        return self._endpoints.get(self.name)

    def predict(self, instances: Rows, **options: Any) -> Prediction:
        """Predictions for these instances; see `Endpoints.predict`."""
        return self._endpoints.predict(self.name, instances=instances, **options)

    def _repr_html_(self) -> str:
        rows = [(key, model, f"{self.traffic.get(key, 0)} %") for key, model in self.deployed.items()]
        return _html.grid(self.display_name, ("id", "model", "traffic"), rows)


class Endpoints:
    """`client.endpoints`. API: Vertex AI v1 EndpointService and PredictionService.

    An endpoint is named by its id, its full resource name or its display name.
    """

    def __init__(self, clients: Clients, models: Models) -> None:
        self._clients = clients
        self._models = models

    def create(
        self,
        display_name: str,
        *,
        endpoint_id: str | None = None,
        description: str | None = None,
        labels: Labels | None = None,
        timeout: float | None = 600,
    ) -> Endpoint:
        """Make an endpoint and wait (CreateEndpoint). Display names may repeat: `ensure` finds an existing one."""
        endpoint = _google.endpoint.Endpoint(
            display_name=display_name, description=description or "", labels=check_labels(labels)
        )
        request = _google.endpoint_service.CreateEndpointRequest(
            parent=self._clients.parent, endpoint=endpoint, endpoint_id=endpoint_id or ""
        )
        what = f"endpoint {display_name}"
        with translated(what):
            operation = self._clients.endpoints.create_endpoint(request=request, **self._clients.once)
        return self.get(self._clients.finish(operation, timeout=timeout, resource=what).name)

    def ensure(self, display_name: str, *, description: str | None = None, labels: Labels | None = None) -> Endpoint:
        """The endpoint of this display name, made if there is none, with this description and these labels."""
        try:
            found = self.get(display_name)
        except NotFound:
            return self.create(display_name, description=description, labels=labels)
        if description is None and labels is None:
            return found
        return self.update(found.name, description=description, labels=labels)

    def get(self, name: str) -> Endpoint:
        """The endpoint (GetEndpoint). Raises NotFound."""
        full = self.resolve(name)
        with translated(f"endpoint {name}", next_step=_LIST_HINT):
            return Endpoint(self._clients.endpoints.get_endpoint(name=full, **self._clients.idempotent), self)

    def resolve(self, name: str) -> str:
        """The full resource name for an id, a display name or a full name. Raises InvalidArgument where several fit."""
        if not name:
            raise InvalidArgument(
                "no endpoint is named", field="endpoint", value=name, allowed="an id or a display name"
            )
        if name.startswith("projects/"):
            return name
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        found = [] if name.isdigit() else self.list(filter=f'display_name="{quoted}"')
        if len(found) > 1:
            ids = ", ".join(endpoint.id for endpoint in found)
            allowed = f"one of the ids {ids}"
            raise InvalidArgument(
                f"{len(found)} endpoints are called {name}", field="endpoint", value=name, allowed=allowed
            )
        return found[0].name if found else f"{self._clients.parent}/endpoints/{name}"

    def update(
        self,
        name: str,
        *,
        display_name: str | None = None,
        description: str | None = None,
        labels: Labels | None = None,
    ) -> Endpoint:
        """Change what is given and leave the rest (UpdateEndpoint). Labels replace all labels. Raises NotFound."""
        changes: dict[str, Any] = {"display_name": display_name, "description": description, "labels": labels}
        check_labels(labels)
        return self._patch(name, {key: value for key, value in changes.items() if value is not None})

    def set_traffic(self, name: str, *, split: Mapping[str, int]) -> Endpoint:
        """Set which deployed model gets how many per cent; together 100 (UpdateEndpoint, traffic_split).

        Raises InvalidArgument for an unknown id or another sum.
        """
        endpoint = self.get(name)
        wanted = {deployed_id(endpoint.proto, key): value for key, value in split.items()}
        return self._patch(endpoint.name, {"traffic_split": check_split(wanted)})

    def delete(self, name: str, *, force: bool = False, timeout: float | None = 600) -> None:
        """Delete an endpoint and wait; with `force` its models are undeployed first (DeleteEndpoint).

        Raises NotFound, FailedPrecondition while models are deployed.
        """
        endpoint = self.get(name)
        if endpoint.deployed and not force:
            raise FailedPrecondition(
                f"endpoint {name} has {len(endpoint.deployed)} deployed models",
                resource=endpoint.name,
                next_step="force=True undeploys them first; or `gcpmlops endpoints undeploy`.",
            )
        for key in endpoint.deployed:
            self._undeploy(endpoint.name, key, {}, timeout)
        with translated(f"endpoint {name}"):
            operation = self._clients.endpoints.delete_endpoint(name=endpoint.name, **self._clients.once)
        self._clients.finish(operation, timeout=timeout, resource=f"endpoint {name}")

    def deploy(
        self,
        name: str,
        *,
        model: str | Model,
        traffic_percentage: int = 100,
        machine_type: str = "n1-standard-2",
        min_replica_count: int = 1,
        max_replica_count: int | None = None,
        accelerator_type: str | None = None,
        accelerator_count: int = 0,
        service_account: str | None = None,
        display_name: str | None = None,
        timeout: float | None = 1800,
    ) -> Endpoint:
        """Deploy a model and wait until it serves (DeployModel); what is deployed already shares the remaining traffic.

        Raises NotFound, OperationFailed with the server's last words when it does not become healthy; nothing has
        changed then.
        """
        endpoint = self.get(name)
        version = self._models.get(model) if isinstance(model, str) else model
        hardware = Hardware(machine_type, accelerator_type, accelerator_count)
        deployed = _google.endpoint.DeployedModel(
            model=version.versioned_name,
            display_name=display_name or version.display_name,
            service_account=service_account or self._clients.config.service_account or "",
            dedicated_resources=_resources(hardware, min_replica_count, max_replica_count),
        )
        request = _google.endpoint_service.DeployModelRequest(
            endpoint=endpoint.name,
            deployed_model=deployed,
            traffic_split=split_with(endpoint.traffic, traffic_percentage),
        )
        what = f"model {version.display_name} on endpoint {endpoint.display_name}"
        with translated(what):
            operation = self._clients.endpoints.deploy_model(request=request, **self._clients.once)
        self._clients.finish(operation, timeout=timeout, resource=what)
        return endpoint.refresh()

    def undeploy(
        self, name: str, *, deployed_model: str, traffic: Mapping[str, int] | None = None, timeout: float | None = 600
    ) -> Endpoint:
        """Undeploy, by the deployed model's id or display name, and wait (UndeployModel).

        Where it has traffic and others stay, `traffic` says who gets it. Raises NotFound, FailedPrecondition.
        """
        endpoint = self.get(name)
        key = deployed_id(endpoint.proto, deployed_model)
        if traffic is None and endpoint.traffic.get(key) and len(endpoint.deployed) > 1:
            raise FailedPrecondition(
                f"{deployed_model} gets {endpoint.traffic[key]} % of the traffic of {endpoint.display_name}",
                resource=endpoint.name,
                next_step="Say with traffic= who gets it, or `gcpmlops endpoints set-traffic` first.",
            )
        split = check_split({deployed_id(endpoint.proto, k): v for k, v in traffic.items()}) if traffic else {}
        self._undeploy(endpoint.name, key, split, timeout)
        return endpoint.refresh()

    def predict(
        self,
        name: str,
        *,
        instances: Rows,
        parameters: Mapping[str, Any] | None = None,
        as_records: bool = False,
        timeout: float | None = None,
    ) -> Prediction:
        """Predictions for a list of instances, or for a DataFrame's rows (Predict).

        A DataFrame's rows go as lists of values, which the scikit-learn and XGBoost images take; `as_records` sends
        {column: value}. Raises NotFound, FailedPrecondition where nothing is deployed.
        """
        from google.protobuf.json_format import MessageToDict, ParseDict
        from google.protobuf.struct_pb2 import Value

        values = [ParseDict(instance, Value()) for instance in instances_of(instances, as_records=as_records)]
        arguments = self._prediction_arguments(timeout)
        extra: dict[str, Any] = {"parameters": ParseDict(dict(parameters), Value())} if parameters else {}
        full = self.resolve(name)
        with translated(f"endpoint {name}", next_step=_LIST_HINT):
            response = self._clients.prediction.predict(endpoint=full, instances=values, **extra, **arguments)
        body = MessageToDict(type(response).pb(response))
        return Prediction(body.get("predictions", []), response.deployed_model_id, response.model_version_id, response)

    def raw_predict(
        self,
        name: str,
        *,
        body: bytes | Mapping[str, Any],
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> bytes:
        """The server's own answer to any body (RawPredict). Raises NotFound, FailedPrecondition."""
        from google.api.httpbody_pb2 import HttpBody

        request = HttpBody(content_type=content_type, data=raw_body(body))
        arguments = self._prediction_arguments(timeout)
        full = self.resolve(name)
        with translated(f"endpoint {name}", next_step=_LIST_HINT):
            return bytes(self._clients.prediction.raw_predict(endpoint=full, http_body=request, **arguments).data)

    def _prediction_arguments(self, timeout: float | None) -> dict[str, Any]:
        """A prediction changes nothing: it may be repeated."""
        return {**self._clients.idempotent, "timeout": timeout or self._clients.config.timeout}

    def _patch(self, name: str, changes: Mapping[str, Any]) -> Endpoint:
        if not changes:
            raise InvalidArgument(
                "nothing to change", field="display_name", allowed="display_name, description, labels"
            )
        endpoint = _google.endpoint.Endpoint(name=self.resolve(name), **changes)
        mask: Any = {"paths": list(changes)}
        with translated(f"endpoint {name}", next_step=_LIST_HINT):
            updated = self._clients.endpoints.update_endpoint(
                endpoint=endpoint, update_mask=mask, **self._clients.idempotent
            )
        return Endpoint(updated, self)

    def _undeploy(self, endpoint: str, key: str, split: Mapping[str, int], timeout: float | None) -> None:
        request = _google.endpoint_service.UndeployModelRequest(
            endpoint=endpoint, deployed_model_id=key, traffic_split=dict(split)
        )
        what = f"deployed model {key} of {endpoint}"
        with translated(what):
            operation = self._clients.endpoints.undeploy_model(request=request, **self._clients.once)
        self._clients.finish(operation, timeout=timeout, resource=what)

    def list(self, *, filter: str | None = None) -> list[Endpoint]:  # noqa: A002 - the API calls it so
        """The location's endpoints (ListEndpoints); `filter` as in the API: `display_name="x"`."""
        request = _google.endpoint_service.ListEndpointsRequest(parent=self._clients.parent, filter=filter or "")
        with translated(f"endpoints of {self._clients.parent}"):
            found = self._clients.endpoints.list_endpoints(request=request, **self._clients.idempotent)
            return [Endpoint(proto, self) for proto in found]


def _resources(hardware: Hardware, minimum: int, maximum: int | None) -> Any:
    if minimum < 1 or (maximum is not None and maximum < minimum):
        raise InvalidArgument(
            field="min_replica_count", value=minimum, allowed="1 or more, and at most max_replica_count"
        )
    return _google.machine_resources.DedicatedResources(
        machine_spec=machine_spec(hardware), min_replica_count=minimum, max_replica_count=maximum or minimum
    )
