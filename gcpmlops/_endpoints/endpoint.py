"""The handle of an endpoint."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from gcpmlops import _google, _html
from gcpmlops._endpoints import history
from gcpmlops._endpoints import prices as prices
from gcpmlops._endpoints.prices import Price, Prices
from gcpmlops._handle import Named
from gcpmlops.types import Rows

if TYPE_CHECKING:
    from gcpmlops._endpoints.values import Prediction
    from gcpmlops.endpoints import Endpoints


@dataclass(frozen=True)
class Endpoint(Named):
    """An endpoint as it was when asked for; `proto` is Google's Endpoint."""

    proto: _google.endpoint.Endpoint
    _endpoints: Endpoints = field(repr=False, compare=False)

    @property
    def traffic(self) -> dict[str, int]:
        """Id of the deployed model -> per cent of the requests."""
        return dict(self.proto.traffic_split)

    @property
    def deployed(self) -> dict[str, str]:
        """Id of the deployed model -> model@version."""
        return {
            d.id: f"{d.model.partition('@')[0]}@{d.model_version_id}".rstrip("@") for d in self.proto.deployed_models
        }

    @property
    def previous(self) -> dict[str, int]:
        """What served before, and will after `rollback`: id of the deployed model -> per cent; empty: nothing."""
        return {each.id: each.percent for each in history.noted_before(dict(self.proto.labels), self.name)}

    @property
    def deploying_until(self) -> datetime | None:
        """The latest time at which the deployment that is under way ends; None where none is."""
        labels = dict(self.proto.labels)
        under_way = history.is_under_way(labels, self._endpoints._now())
        return datetime.fromtimestamp(history.claimed(labels)[1], UTC) if under_way else None

    @property
    def prices(self) -> dict[str, Price]:
        """Id of the deployed model -> what it costs an hour, an estimate."""
        table = self._endpoints.price_table
        return {row.id: price_of(table, self.name, row) for row in self.proto.deployed_models}

    @property
    def price(self) -> str:
        """The sum of `prices` in words: "$0.22/hour"."""
        return prices.total(self.prices.values())

    def refresh(self) -> Endpoint:
        """The endpoint as it is now."""
        return self._endpoints.get(self.name)

    def predict(self, instances: Rows, **options: Any) -> Prediction:
        """Predictions for these instances; see `Endpoints.predict`."""
        return self._endpoints.predict(self.name, instances=instances, **options)

    def _repr_html_(self) -> str:
        rows = [(key, model, f"{self.traffic.get(key, 0)} %", self.prices[key]) for key, model in self.deployed.items()]
        return _html.grid(self.display_name, ("id", "model", "traffic", "price"), rows)


def price_of(table: Prices, endpoint: str, row: Any) -> Price:
    """Of one of Google's DeployedModels on the endpoint of this full name."""
    dedicated = "dedicated_resources" in row
    resources = row.dedicated_resources if dedicated else row.automatic_resources
    spec = resources.machine_spec if dedicated else None
    return table.of(
        spec.machine_type if spec is not None else "",
        location=endpoint.split("/")[3],
        replicas=max(1, resources.min_replica_count),
        max_replicas=resources.max_replica_count,
        accelerator_type=spec.accelerator_type.name if spec is not None and spec.accelerator_count else "",
        accelerator_count=spec.accelerator_count if spec is not None else 0,
    )
