"""Where the calls of Cloud Run's first API are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gcpmlops.emulator.kernel.gate import Needed, Unasked
from gcpmlops.emulator.kernel.registry import JsonRoute

if TYPE_CHECKING:
    from gcpmlops.emulator.services.functions.knative import Knative

Json = dict[str, Any]
_SERVING = "/apis/serving.knative.dev/v1/namespaces/{project}"
_PROJECT = "projects/{project}"
_LOCATED = "projects/{project}/locations/{location}"


def routes(make: Callable[[], Knative]) -> tuple[JsonRoute, ...]:
    """Every call; knative's names have no location: a role on the project is what counts there."""

    def later(name: str) -> Callable[[Mapping[str, str], Any], Json]:
        def answer(variables: Mapping[str, str], body: Any) -> Json:
            found: Json = getattr(make(), name)(variables, body)
            return found

        return answer

    def route(verb: str, template: str, name: str, permission: str, resource: str = _PROJECT) -> JsonRoute:
        return JsonRoute(verb, template, later(name), Needed(f"run.{permission}", resource))

    service = f"{_LOCATED}/services/{{service}}"
    return (
        route("GET", f"{_SERVING}/services", "list_services", "services.list"),
        route("GET", f"{_SERVING}/services/{{service}}", "get_service", "services.get"),
        route("POST", f"{_SERVING}/services", "create_service", "services.create"),
        route("PUT", f"{_SERVING}/services/{{service}}", "replace_service", "services.update"),
        route("DELETE", f"{_SERVING}/services/{{service}}", "delete_service", "services.delete"),
        route("GET", f"{_SERVING}/revisions", "list_revisions", "revisions.list"),
        route("GET", f"{_SERVING}/revisions/{{revision}}", "get_revision", "revisions.get"),
        route("GET", f"/v1/{_LOCATED}/services", "list_services", "services.list", _LOCATED),
        route("GET", f"/v1/{service}:getIamPolicy", "get_policy", "services.getIamPolicy", service),
        route("POST", f"/v1/{service}:setIamPolicy", "set_policy", "services.setIamPolicy", service),
        JsonRoute("POST", f"/v1/{service}:testIamPermissions", later("permissions"), Unasked.FREE),
    )
