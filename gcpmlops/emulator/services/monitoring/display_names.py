"""The display names that label the metrics of deployed models."""

from __future__ import annotations

from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.model_rows import ModelRows


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
