"""What metrics say of deployed models: their display names and replicas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.model_rows import ModelRows


class Pool(Protocol):
    """The replicas of a deployed model."""

    @property
    def replica_count(self) -> int:
        """How many are healthy."""

    @property
    def target_count(self) -> int:
        """How many there are to be."""


class DeployedNames:
    """Looks up a deployed model's model and endpoint."""

    def __init__(self, store: ResourceStore) -> None:
        self._endpoints: Any = store.collection(types.Endpoint)
        self._models = ModelRows(store)

    def __call__(self, endpoint: str, deployed_id: str) -> tuple[str, str]:
        """The display names of the model and of the endpoint. Raises NotFound where one is gone."""
        found = self._endpoints.get(endpoint)
        models = [deployed.model for deployed in found.deployed_models if deployed.id == deployed_id]
        return self._models.head(models[0]).display_name if models else "", found.display_name


class Replicas:
    """Counts the replicas of every deployed model.

    Args:
        store: knows the endpoints.
        find: the pool of a deployed model, by endpoint and id. Raises ServiceUnavailable.
    """

    def __init__(self, store: ResourceStore, find: Callable[[str, str], Pool]) -> None:
        self._endpoints: Any = store.collection(types.Endpoint)
        self._find = find

    def __call__(self) -> Iterator[tuple[str, str, int, int]]:
        """Endpoint, deployed model id, how many are healthy, and how many there are to be."""
        for endpoint in self._endpoints.list():
            for deployed in endpoint.deployed_models:
                try:
                    pool = self._find(endpoint.name, deployed.id)
                except (
                    exceptions.ServiceUnavailable
                ):  # it does not run: it was undeployed a moment ago, or cannot start
                    continue
                yield endpoint.name, deployed.id, pool.replica_count, pool.target_count
