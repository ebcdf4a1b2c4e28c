"""The Prometheus HTTP API of Cloud Monitoring, which is not built: nothing that the emulator has evaluates PromQL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from google.api_core import exceptions

from gcpmlops.emulator.kernel.gate import Needed
from gcpmlops.emulator.kernel.registry import JsonRoute

_BASE = "/v1/projects/{project}/location/{location}/prometheus/api/v1"


def _refused(_: Mapping[str, str], __: Any) -> NoReturn:
    raise exceptions.MethodNotImplemented(
        "PromQL (the Prometheus HTTP API) is not built in this emulator: query by ListTimeSeries."
    )


ROUTES = tuple(
    JsonRoute(verb, f"{_BASE}/{path}", _refused, Needed("monitoring.timeSeries.list", "projects/{project}"))
    for verb in ("GET", "POST")
    for path in ("query", "query_range", "series", "labels", "label/{label}/values", "metadata")
)
