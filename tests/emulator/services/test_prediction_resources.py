"""How many replicas a deployed model's resources mean."""

from __future__ import annotations

import math
import sys
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.scaling import Scaling, Targets
from gcpmlops.emulator.services import prediction_resources
from gcpmlops.emulator.services.prediction_resources import ACCELERATOR, CPU, REQUESTS


def dedicated(minimum: int, maximum: int = 0, required: int = 0, **targets: int) -> types.DeployedModel:
    names = {"cpu": CPU, "requests": REQUESTS, "accelerator": ACCELERATOR}
    specs = [{"metric_name": names[name], "target": target} for name, target in targets.items()]
    counts = {"min_replica_count": minimum, "max_replica_count": maximum, "required_replica_count": required}
    return types.DeployedModel(dedicated_resources={**counts, "autoscaling_metric_specs": specs})


@pytest.mark.parametrize(
    ("deployed", "scaling"),
    [
        (dedicated(2), Scaling(2, 2)),
        (dedicated(1, 5), Scaling(1, 5, 0, Targets(0.6, math.inf))),
        (dedicated(3, 3, 2), Scaling(3, 3, 2)),
        (dedicated(1, 2, cpu=80, requests=600, accelerator=50), Scaling(1, 2, 0, Targets(0.8, 600))),
        (dedicated(1, 2, cpu=0), Scaling(1, 2)),  # the default: 60 per cent
        (types.DeployedModel(automatic_resources={"max_replica_count": 4}), Scaling(1, 4)),
        (types.DeployedModel(automatic_resources={"min_replica_count": 2}), Scaling(2, sys.maxsize)),
    ],
)
def test_replicas_of_resources(deployed: types.DeployedModel, scaling: Scaling) -> None:
    prediction_resources.check(deployed)
    assert prediction_resources.scaling(deployed) == scaling


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"cpu": 101}, r"autoscaling_metric_specs\[0\].target: 101 is not between 1 and 100"),
        ({"cpu": -1}, "-1 is not between 1 and 100"),
        ({"required": -1}, "required_replica_count: -1 is not between"),
    ],
)
def test_resources_that_the_api_refuses(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=words):
        prediction_resources.check(dedicated(1, 2, **fields))


def test_metrics_that_are_not_measured_here_are_kept() -> None:
    deployed = dedicated(1, 2, cpu=50)
    name = "prometheus.googleapis.com/vertex_vllm_num_requests_waiting"
    deployed.dedicated_resources.autoscaling_metric_specs.append({"metric_name": name, "target": 500})
    prediction_resources.check(deployed)
    assert prediction_resources.scaling(deployed).targets == Targets(0.5)


def test_a_metric_stands_once() -> None:
    deployed = dedicated(1, 2, cpu=50)
    deployed.dedicated_resources.autoscaling_metric_specs.append({"metric_name": CPU, "target": 60})
    with pytest.raises(exceptions.InvalidArgument, match="stands twice"):
        prediction_resources.check(deployed)
