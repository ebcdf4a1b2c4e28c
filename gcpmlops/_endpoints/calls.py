"""The calls of EndpointService that change who serves. A read-modify-write goes by etag: nobody's change is lost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from gcpmlops import _google
from gcpmlops._endpoints.traffic import split_without
from gcpmlops.clients import Clients
from gcpmlops.exceptions import translated

_TRIES = 5


class EndpointCalls:
    """For one client; endpoints by their full names."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def get(self, name: str) -> Any:
        """Google's Endpoint (GetEndpoint). Raises NotFound."""
        with translated(f"endpoint {name}"):
            return self._clients.endpoints.get_endpoint(name=name, **self._clients.idempotent)

    def change(self, name: str, edit: Callable[[Any], Mapping[str, Any]]) -> Any:
        """The endpoint with the fields that `edit` makes of it as it is now (UpdateEndpoint, with its etag).

        `edit` may raise, or return nothing to leave it. It is asked again when somebody else was faster. Raises
        FailedPrecondition when that happens again and again.
        """
        from google.api_core import exceptions as theirs

        for attempt in range(1, _TRIES + 1):
            endpoint = self.get(name)
            changes = edit(endpoint)
            if not changes:
                return endpoint
            wanted = _google.endpoint.Endpoint(name=name, etag=endpoint.etag, **changes)
            mask: Any = {"paths": list(changes)}
            with translated(f"endpoint {name}"):
                try:
                    return self._clients.endpoints.update_endpoint(
                        endpoint=wanted, update_mask=mask, **self._clients.idempotent
                    )
                except (theirs.Aborted, theirs.FailedPrecondition):
                    if attempt == _TRIES:
                        raise
        raise AssertionError("unreachable")

    def deploy(
        self, name: str, *, deployed: Any, split: Mapping[str, int], timeout: float | None, what: str = ""
    ) -> Any:
        """Google's DeployedModel, serving (DeployModel); an empty split leaves the traffic as it is.

        Raises OperationFailed with the server's last words when it does not become healthy.
        """
        request = _google.endpoint_service.DeployModelRequest(
            endpoint=name, deployed_model=deployed, traffic_split=dict(split)
        )
        what = what or f"model {deployed.model} on endpoint {name}"
        with translated(what):
            operation = self._clients.endpoints.deploy_model(request=request, **self._clients.once)
        return self._clients.finish(operation, timeout=timeout, resource=what).deployed_model

    def undeploy(
        self, name: str, *, deployed_model_id: str, split: Mapping[str, int], timeout: float | None, wait: bool = True
    ) -> None:
        """Take a model off the endpoint (UndeployModel); without `wait` it is only begun."""
        request = _google.endpoint_service.UndeployModelRequest(
            endpoint=name, deployed_model_id=deployed_model_id, traffic_split=dict(split)
        )
        what = f"deployed model {deployed_model_id} of {name}"
        with translated(what):
            operation = self._clients.endpoints.undeploy_model(request=request, **self._clients.once)
        if wait:
            self._clients.finish(operation, timeout=timeout, resource=what)

    def create(self, display_name: str, *, labels: Mapping[str, str], timeout: float | None) -> str:
        """The full name of a new, empty endpoint (CreateEndpoint)."""
        endpoint = _google.endpoint.Endpoint(display_name=display_name, labels=dict(labels))
        with translated(f"endpoint {display_name}"):
            operation = self._clients.endpoints.create_endpoint(
                parent=self._clients.parent, endpoint=endpoint, **self._clients.once
            )
        return str(self._clients.finish(operation, timeout=timeout, resource=f"endpoint {display_name}").name)

    def delete(self, name: str, *, timeout: float | None) -> None:
        """Undeploy all and delete the endpoint (UndeployModel, DeleteEndpoint)."""
        endpoint = self.get(name)
        while endpoint.deployed_models:
            row = min(endpoint.deployed_models, key=lambda each: endpoint.traffic_split.get(each.id, 0))
            split = split_without(endpoint, row.id)
            self.undeploy(name, deployed_model_id=row.id, split=split, timeout=timeout)
            endpoint = self.get(name)
        with translated(f"endpoint {name}"):
            operation = self._clients.endpoints.delete_endpoint(name=name, **self._clients.once)
        self._clients.finish(operation, timeout=timeout, resource=f"endpoint {name}")
