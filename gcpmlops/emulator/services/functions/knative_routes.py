"""Where the calls of Cloud Run's first API are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcpmlops.emulator.services.functions.knative import Knative

Json = dict[str, Any]


def routes(make: Callable[[], Knative]) -> list[tuple[str, str, Callable[[Mapping[str, str], Any], Json]]]:
    """Verb, path template and answer of every call."""

    def later(name: str) -> Callable[[Mapping[str, str], Any], Json]:
        def answer(variables: Mapping[str, str], body: Any) -> Json:
            found: Json = getattr(make(), name)(variables, body)
            return found

        return answer

    serving = "/apis/serving.knative.dev/v1/namespaces/{project}"
    located = "/v1/projects/{project}/locations/{location}/services"
    return [
        ("GET", f"{serving}/services", later("list_services")),
        ("GET", f"{serving}/services/{{service}}", later("get_service")),
        ("POST", f"{serving}/services", later("create_service")),
        ("PUT", f"{serving}/services/{{service}}", later("replace_service")),
        ("DELETE", f"{serving}/services/{{service}}", later("delete_service")),
        ("GET", f"{serving}/revisions", later("list_revisions")),
        ("GET", f"{serving}/revisions/{{revision}}", later("get_revision")),
        ("GET", located, later("list_services")),
        ("GET", f"{located}/{{service}}:getIamPolicy", later("get_policy")),
        ("POST", f"{located}/{{service}}:setIamPolicy", later("set_policy")),
        ("POST", f"{located}/{{service}}:testIamPermissions", later("permissions")),
    ]
