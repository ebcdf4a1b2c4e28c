"""Service Usage v1beta1: `gcloud beta services identity create` asks there, and in v1 nowhere."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from gcpmlops.emulator.kernel.gate import Needed
from gcpmlops.emulator.kernel.registry import JsonRoute

if TYPE_CHECKING:
    from gcpmlops.emulator.services.service_usage.service import ServiceUsage

_TYPE = "type.googleapis.com/google.api.serviceusage.v1beta1.ServiceIdentity"


def routes(services: Callable[[], ServiceUsage]) -> tuple[JsonRoute, ...]:
    """The routes; ``services`` makes the service when one of them is called."""

    def identity(variables: Mapping[str, str], _: Any) -> dict[str, Any]:
        email, unique_id = services().identity(variables["parent"])
        name = f"operations/finished.DONE_OPERATION.{secrets.token_hex(8)}"
        response = {"@type": _TYPE, "email": email, "uniqueId": unique_id}
        return {"name": name, "done": True, "response": response}

    template = "/v1beta1/{parent=projects/*/services/*}:generateServiceIdentity"
    needs = Needed("serviceusage.services.generateServiceIdentity", "{parent}")
    return (JsonRoute("POST", template, identity, needs),)
