"""The time series of deployed models: Vertex AI's metrics `prediction/online/*` on their endpoint."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from google.api_core import exceptions

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.services.monitoring.series import Kind, Labels, Series, ValueType, labels

log = logging.getLogger(__name__)

Key = tuple[str, str]  # endpoint, deployed model id
DisplayNames = Callable[[str, str], tuple[str, str]]  # (endpoint, deployed model id) → of the model, of the endpoint

PREFIX = "aiplatform.googleapis.com/prediction/online/"
RESOURCE = "aiplatform.googleapis.com/Endpoint"


@dataclass(frozen=True)
class _Owner:
    """What all time series of a deployed model have in common."""

    project: str
    resource: Labels
    metric: Mapping[str, str]


class EndpointSeries:
    """Names time series.

    Args:
        display_names: of a deployed model and its endpoint, for the labels. Raises NotFound.
    """

    def __init__(self, display_names: DisplayNames) -> None:
        self._display_names = display_names
        self._owners: dict[Key, _Owner] = {}

    def __call__(self, key: Key, name: str, kind: Kind, value_type: ValueType, **own: str) -> Series:
        """The time series of a deployed model.

        Args:
            key: endpoint and deployed model id.
            name: of the metric, below `prediction/online/`.
            kind: of the metric.
            value_type: of the metric.
            own: labels that this metric has beside those of all.
        """
        owner = self._owners.get(key)
        if owner is None:
            owner = self._owners[key] = self._owner(*key)
        metric = labels({**owner.metric, **own})
        return Series(owner.project, PREFIX + name, metric, RESOURCE, owner.resource, kind, value_type)

    def _owner(self, endpoint: str, deployed: str) -> _Owner:
        project, location = names.project_of(endpoint), names.location_of(endpoint)
        place = {"location": location, "endpoint_id": endpoint.rpartition("/")[2]}
        resource = labels({"project_id": project, "resource_container": project, **place})
        model, shown = "", ""
        try:
            model, shown = self._display_names(endpoint, deployed)
        except exceptions.NotFound:
            log.debug("%s %s was gone before its last requests were counted", endpoint, deployed)
        own = {"deployed_model_id": deployed, "spot": "False"}
        return _Owner(project, resource, own | {"model_display_name": model, "endpoint_display_name": shown})
