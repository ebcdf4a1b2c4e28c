"""A deployed model's prediction_resources: what the API wants of them, and how many replicas they mean."""

from __future__ import annotations

import logging
import sys
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.runtimes.scaling import Scaling, Targets

log = logging.getLogger(__name__)

_PREFIX = "aiplatform.googleapis.com/prediction/online"
CPU, ACCELERATOR = f"{_PREFIX}/cpu/utilization", f"{_PREFIX}/accelerator/duty_cycle"
REQUESTS = f"{_PREFIX}/request_count"
_FOREIGN = ("prometheus.googleapis.com/", "pubsub.googleapis.com/")  # of GPUs, vLLM and queues: the SDK offers them
DEFAULT_TARGET = 60  # per cent


def check(deployed: types.DeployedModel) -> None:
    """Replica counts and autoscaling as the API wants them. Raises InvalidArgument, MethodNotImplemented."""
    if "shared_resources" in deployed:
        raise exceptions.MethodNotImplemented("DeployedModel.shared_resources (a DeploymentResourcePool) is not built.")
    if "dedicated_resources" in deployed:
        _check_dedicated(deployed.dedicated_resources)
    elif "automatic_resources" in deployed:
        _check_counts("automatic_resources", deployed.automatic_resources)
    else:
        raise validate.invalid("deployed_model.prediction_resources", "dedicated or automatic resources are required.")


def _check_dedicated(resources: types.DedicatedResources) -> None:
    path = "deployed_model.dedicated_resources"
    if resources.min_replica_count < 1:
        raise validate.invalid(f"{path}.min_replica_count", "required, at least 1.")
    _check_counts("dedicated_resources", resources)
    if not 0 <= resources.required_replica_count <= resources.min_replica_count:
        what = f"{resources.required_replica_count} is not between 1 and min_replica_count."
        raise validate.invalid(f"{path}.required_replica_count", what)
    seen = set()
    for at, spec in enumerate(resources.autoscaling_metric_specs):
        _check_metric(f"{path}.autoscaling_metric_specs[{at}]", spec)
        if spec.metric_name in seen:
            raise validate.invalid(f"{path}.autoscaling_metric_specs[{at}]", f"{spec.metric_name} stands twice.")
        seen.add(spec.metric_name)


def _check_counts(field: str, resources: Any) -> None:
    if resources.min_replica_count < 0 or resources.max_replica_count < 0:
        raise validate.invalid(f"deployed_model.{field}", "a count of replicas must not be negative.")
    if resources.max_replica_count and resources.max_replica_count < resources.min_replica_count:
        raise validate.invalid(f"deployed_model.{field}.max_replica_count", "less than min_replica_count.")


def _check_metric(path: str, spec: types.AutoscalingMetricSpec) -> None:
    if spec.metric_name == ACCELERATOR or spec.metric_name.startswith(_FOREIGN):
        log.info("autoscaling by %s has no local meaning and is ignored", spec.metric_name)
    elif spec.metric_name not in (CPU, REQUESTS):
        known = ", ".join((CPU, ACCELERATOR, REQUESTS))
        raise validate.invalid(f"{path}.metric_name", f"{spec.metric_name!r} is not one of {known}.")
    if spec.target < 0 or (spec.metric_name in (CPU, ACCELERATOR) and spec.target > 100):
        raise validate.invalid(f"{path}.target", f"{spec.target} is not between 1 and 100 per cent.")


def scaling(deployed: types.DeployedModel) -> Scaling:
    """The replicas that a deployed model is to have."""
    if "automatic_resources" in deployed:
        given = deployed.automatic_resources  # without a maximum there is none but the machine's
        return Scaling(max(1, given.min_replica_count), given.max_replica_count or sys.maxsize)
    resources = deployed.dedicated_resources
    minimum = max(1, resources.min_replica_count)
    targets = {spec.metric_name: spec.target for spec in resources.autoscaling_metric_specs}
    return Scaling(
        minimum,
        resources.max_replica_count or minimum,
        resources.required_replica_count,
        Targets((targets.get(CPU) or DEFAULT_TARGET) / 100, targets.get(REQUESTS) or Targets.requests_per_minute),
    )
