"""Endpoints as resources: made, found, changed, deleted."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from gcpmlops import _display_names, _google
from gcpmlops._endpoints import deployed_model as deployment
from gcpmlops._endpoints import history
from gcpmlops._endpoints.calls import EndpointCalls
from gcpmlops._endpoints.endpoint import Endpoint
from gcpmlops._endpoints.prices import Prices
from gcpmlops._endpoints.traffic import check_split, deployed_id, nonzero
from gcpmlops.clients import Clients
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument, NotFound, translated
from gcpmlops.types import Labels, check_labels

if TYPE_CHECKING:
    from gcpmlops.endpoints import Endpoints

LIST_HINT = "See the endpoints with `gcpmlops endpoints list`."


class EndpointRegistry:
    """The part of `client.endpoints` that is about the resource itself."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._calls = EndpointCalls(clients)

    @cached_property
    def price_table(self) -> Prices:
        """What machines cost; with the entries of `Config.prices_file` where that is set."""
        return Prices(self._clients.config.prices_file)

    def create(
        self,
        display_name: str,
        *,
        endpoint_id: str | None = None,
        description: str | None = None,
        labels: Labels | None = None,
        dedicated: bool = False,
        log_requests: str | None = None,
        log_sampling_rate: float = 1.0,
        timeout: float | None = 600,
    ) -> Endpoint:
        """Make an endpoint and wait (CreateEndpoint). Display names may repeat: `ensure` finds an existing one.

        A `dedicated` endpoint has a host of its own, to which predictions go. With `log_requests`, a BigQuery table,
        the share `log_sampling_rate` of requests and responses is written there. Raises InvalidArgument.
        """
        endpoint = _google.endpoint.Endpoint(
            display_name=display_name,
            description=description or "",
            labels=check_labels(labels),
            dedicated_endpoint_enabled=dedicated,
            predict_request_response_logging_config=deployment.logging_config(
                log_requests, log_sampling_rate, project=self._clients.config.project or ""
            ),
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
        with translated(f"endpoint {name}", next_step=LIST_HINT):
            return self._handle(self._clients.endpoints.get_endpoint(name=full, **self._clients.idempotent))

    def resolve(self, name: str) -> str:
        """The full resource name for an id, a display name or a full name. Raises InvalidArgument where several fit."""
        if not name:
            raise InvalidArgument(
                "no endpoint is named", field="endpoint", value=name, allowed="an id or a display name"
            )
        if name.startswith("projects/"):
            return name
        folder = f"{self._clients.parent}/endpoints"
        return _display_names.resolve(name, field="endpoint", find=lambda text: self.list(filter=text), folder=folder)

    def update(
        self,
        name: str,
        *,
        display_name: str | None = None,
        description: str | None = None,
        labels: Labels | None = None,
    ) -> Endpoint:
        """Change what is given and leave the rest (UpdateEndpoint). Labels replace all labels but gcpmlops-*.

        Raises NotFound, InvalidArgument.
        """
        texts = {"display_name": display_name, "description": description}
        given = {key: value for key, value in texts.items() if value is not None}
        wanted = check_labels(labels)
        if not given and labels is None:
            raise InvalidArgument(
                "nothing to change", field="display_name", allowed="display_name, description, labels"
            )

        def edit(endpoint: Any) -> Mapping[str, Any]:
            own = {key: value for key, value in endpoint.labels.items() if key.startswith(history.PREFIX)}
            return given if labels is None else {**given, "labels": {**wanted, **own}}

        return self._change(name, edit)

    def set_traffic(self, name: str, *, split: Mapping[str, int]) -> Endpoint:
        """Set which deployed model gets how many per cent; together 100 (UpdateEndpoint, traffic_split).

        When a model begins to serve by it, what served until then is noted for `rollback`. Raises InvalidArgument for
        an unknown id or another sum.
        """

        def edit(endpoint: Any) -> Mapping[str, Any]:
            wanted = check_split({deployed_id(endpoint, key): value for key, value in split.items()})
            labels, served = dict(endpoint.labels), history.serving(endpoint)
            begin = set(nonzero(wanted)) - {each.id for each in served}
            end = {each.id for each in served} - set(nonzero(wanted))
            if served and (begin or (end and not history.noted_before(labels, endpoint.name))):
                return {"traffic_split": wanted, "labels": history.noted(labels, served, endpoint.name)}
            return {"traffic_split": wanted}

        return self._change(name, edit)

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
        self._calls.delete(endpoint.name, timeout=timeout)

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
        self._calls.undeploy(endpoint.name, deployed_model_id=key, split=split, timeout=timeout)
        return endpoint.refresh()

    def scale(
        self,
        name: str,
        *,
        deployed_model: str | None = None,
        min_replica_count: int | None = None,
        max_replica_count: int | None = None,
        timeout: float | None = 1800,
    ) -> Endpoint:
        """Change how many replicas a deployed model has, and wait (MutateDeployedModel).

        `deployed_model` is its id or display name; it may be left out where there is one. What is not given stays, but
        for a maximum below the new minimum. Raises NotFound, InvalidArgument.
        """
        endpoint = self.get(name)
        row = _chosen(endpoint.proto, deployed_model)
        if "dedicated_resources" not in row:
            raise FailedPrecondition(f"{row.id} has no dedicated resources", resource=endpoint.name)
        resources = row.dedicated_resources
        least = resources.min_replica_count if min_replica_count is None else min_replica_count
        most = max(resources.max_replica_count, least) if max_replica_count is None else max_replica_count
        deployment.check_replicas(least, most)
        wanted = _google.endpoint.DeployedModel(
            id=row.id,
            dedicated_resources=_google.machine_resources.DedicatedResources(
                min_replica_count=least, max_replica_count=most
            ),
        )
        mask: Any = {"paths": [f"dedicated_resources.{end}_replica_count" for end in ("min", "max")]}
        what = f"deployed model {row.id} of endpoint {endpoint.display_name}"
        with translated(what):
            operation = self._clients.endpoints.mutate_deployed_model(
                endpoint=endpoint.name, deployed_model=wanted, update_mask=mask, **self._clients.once
            )
        self._clients.finish(operation, timeout=timeout, resource=what)
        return endpoint.refresh()

    def _change(self, name: str, edit: Any) -> Endpoint:
        full = self.resolve(name)
        with translated(f"endpoint {name}", next_step=LIST_HINT):
            return self._handle(self._calls.change(full, edit))

    def _handle(self, proto: Any) -> Endpoint:
        return Endpoint(proto, cast("Endpoints", self))

    def list(self, *, filter: str | None = None) -> list[Endpoint]:  # noqa: A002 - the API calls it so
        """The location's endpoints (ListEndpoints); `filter` as in the API: `display_name="x"`."""
        request = _google.endpoint_service.ListEndpointsRequest(parent=self._clients.parent, filter=filter or "")
        with translated(f"endpoints of {self._clients.parent}"):
            found = self._clients.endpoints.list_endpoints(request=request, **self._clients.idempotent)
            return [self._handle(proto) for proto in found]


def _chosen(endpoint: Any, key: str | None) -> Any:
    """The deployed model meant. Raises NotFound, InvalidArgument where none is named among several."""
    rows = {row.id: row for row in endpoint.deployed_models}
    if key is None and len(rows) == 1:
        return next(iter(rows.values()))
    if key is None:
        there = ", ".join(rows) or "none"
        raise InvalidArgument(
            f"{endpoint.display_name} has {len(rows)} deployed models", field="deployed_model", allowed=there
        )
    return rows[deployed_id(endpoint, key)]
