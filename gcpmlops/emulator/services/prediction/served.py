"""An endpoint as predictions see it: what is deployed, who gets how much traffic, how long an answer may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import hosts
from gcpmlops.emulator.services.prediction.spread import pick

SHARED_SECONDS = 60.0  # Vertex AI's own limits
DEDICATED_SECONDS = 600.0


@dataclass(frozen=True)
class Served:
    """One state of an endpoint.

    Attributes:
        deployed: DeployedModel messages by id.
        split: per cent of the traffic by id.
        seconds: that an answer may take.
        dns: the host of a dedicated endpoint; empty for a shared one.
        logging: the PredictRequestResponseLoggingConfig where that is enabled.
        monitoring: the name of the model monitoring job; empty where there is none.
    """

    name: str
    display_name: str
    deployed: Mapping[str, Any]
    split: Mapping[str, int]
    seconds: float
    dns: str
    logging: Any | None
    monitoring: str = ""

    @classmethod
    def read(cls, endpoint: types.Endpoint) -> Served:
        pb = types.Endpoint.pb(endpoint)
        dns = pb.dedicated_endpoint_dns if pb.dedicated_endpoint_enabled else ""
        config = pb.predict_request_response_logging_config
        return cls(
            name=pb.name,
            display_name=pb.display_name,
            deployed={model.id: model for model in pb.deployed_models},
            split=dict(pb.traffic_split),
            seconds=_seconds(pb.client_connection_config.inference_timeout, bool(dns)),
            dns=dns,
            logging=config if config.enabled and config.sampling_rate > 0 else None,
            monitoring=pb.model_deployment_monitoring_job,
        )

    def pick(self, point: float) -> Any:
        """The deployed model of a point in [0, 1), by the traffic split. Raises FailedPrecondition."""
        if not self.deployed:
            raise exceptions.FailedPrecondition(f"Endpoint {self.name} has no deployed model: deploy one first.")
        found = self.deployed.get(pick(self.split, point) or "")
        if found is None:
            raise exceptions.FailedPrecondition(
                f"Endpoint {self.name} doesn't have traffic_split: give a deployed model traffic first."
            )
        return found

    def find(self, deployed_id: str) -> Any:
        """The deployed model of an id. Raises NotFound."""
        if deployed_id not in self.deployed:
            raise exceptions.NotFound(f"Deployed model {deployed_id} is not found in {self.name}.")
        return self.deployed[deployed_id]

    def check_host(self, host: str) -> None:
        """Whether this endpoint answers on a host.

        Raises: NotFound on another endpoint's own host; FailedPrecondition where a dedicated endpoint is asked on a
            shared one.
        """
        if hosts.is_dedicated(host):
            if host != self.dns:
                raise exceptions.NotFound(f"{host} is not the dedicated domain of {self.name}.")
        elif self.dns and hosts.is_shared(host):
            raise exceptions.FailedPrecondition(
                f"Dedicated Endpoint cannot be accessed through the shared Vertex AI domain {host}. "
                f"Please access the endpoint using its dedicated domain name '{self.dns}'."
            )


def _seconds(configured: Any, dedicated: bool) -> float:
    return configured.ToTimedelta().total_seconds() or (DEDICATED_SECONDS if dedicated else SHARED_SECONDS)
