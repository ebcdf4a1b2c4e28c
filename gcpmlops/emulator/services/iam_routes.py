"""IAM's REST calls, which no API's own client describes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from google.api_core import exceptions
from google.protobuf import json_format

from gcpmlops.emulator.kernel.gate import Needed, Unasked
from gcpmlops.emulator.kernel.registry import JsonRoute

if TYPE_CHECKING:
    from gcpmlops.emulator.services.iam import Policies

_CALLS = (
    ("GET", "getIamPolicy", "get_iam_policy"),
    ("POST", "getIamPolicy", "get_iam_policy"),
    ("POST", "setIamPolicy", "set_iam_policy"),
    ("POST", "testIamPermissions", "test_iam_permissions"),
)


def routes(policies: Callable[[], Policies], *patterns: str) -> tuple[JsonRoute, ...]:
    """The routes of resources.

    Args:
        policies: makes the service when one of them is called.
        patterns: of the resources, as ``/v1/{resource=projects/*/topics/*}``.
    """
    return tuple(
        JsonRoute(verb, f"{pattern}:{call}", _answer(policies, call, method), _needs(call))
        for pattern in patterns
        for verb, call, method in _CALLS
    )


def _needs(call: str) -> Needed | Unasked:
    """Everybody may ask what they may do themselves."""
    return Unasked.FREE if call == "testIamPermissions" else Needed(f"{{kind}}.{call}", "{resource}")


def _answer(
    policies: Callable[[], Policies], call: str, method: str
) -> Callable[[Mapping[str, str], Any], dict[str, Any]]:
    def run(variables: Mapping[str, str], body: Any) -> dict[str, Any]:
        from google.iam.v1 import iam_policy_pb2

        request = getattr(iam_policy_pb2, f"{call[0].upper()}{call[1:]}Request")()
        try:
            json_format.ParseDict(body or {}, request)
        except json_format.ParseError as error:
            raise exceptions.InvalidArgument(f"Invalid JSON payload received: {error}") from None
        request.resource = variables["resource"]
        return dict(json_format.MessageToDict(getattr(policies(), method)(request)))

    return run
