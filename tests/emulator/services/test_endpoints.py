"""EndpointService: deploying real servers, traffic, undeploying; nothing is left running after a failure."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format, struct_pb2

from gcpmlops.emulator.services.deployments import Deployments
from gcpmlops.emulator.services.prediction import PredictionService

OWN = "gcr.io/me/own:1"  # the fixture's fast server
PARENT = "projects/p1/locations/us-central1"


RESOURCES = {"machine_spec": {"machine_type": "n1-standard-2"}, "min_replica_count": 1}


def constant(value: float) -> SimpleNamespace:
    """Answers `value` to each row: the maximum of nothing. A server without scikit-learn starts at once."""
    return SimpleNamespace(predict=partial(np.max, axis=1, initial=value, where=False))


@pytest.fixture
def model(serving: Any) -> str:
    return serving.upload(serving.put_model("one", constant(1.0)), display_name="ones").model


def get(serving: Any, name: str) -> types.Endpoint:
    return serving.endpoints.get_endpoint(types.GetEndpointRequest(name=name))


def split(serving: Any, name: str) -> dict[str, int]:
    return dict(get(serving, name).traffic_split)


def test_endpoints_are_created_listed_updated_and_deleted(serving: Any) -> None:
    first, second = serving.create(display_name="a", labels={"k": "v"}), serving.create(display_name="b")
    assert get(serving, first.name) == first
    listed = serving.endpoints.list_endpoints(types.ListEndpointsRequest(parent=PARENT)).endpoints
    assert [endpoint.name for endpoint in listed] == [second.name, first.name]
    request = types.ListEndpointsRequest(parent=PARENT, filter=f"endpoint={first.name.rpartition('/')[2]}")
    assert [endpoint.name for endpoint in serving.endpoints.list_endpoints(request).endpoints] == [first.name]
    request = types.UpdateEndpointRequest(
        endpoint={"name": first.name, "display_name": "c"}, update_mask={"paths": ["display_name", "labels"]}
    )
    updated = serving.endpoints.update_endpoint(request)
    assert (updated.display_name, dict(updated.labels)) == ("c", {})
    assert updated.etag != first.etag
    serving.done(serving.endpoints.delete_endpoint(types.DeleteEndpointRequest(name=first.name)))
    with pytest.raises(exceptions.NotFound, match=first.name):
        get(serving, first.name)


def test_a_dedicated_endpoint_has_a_host_of_its_own(serving: Any) -> None:
    endpoint = serving.create(dedicated_endpoint_enabled=True)
    number = endpoint.name.rpartition("/")[2]
    assert endpoint.dedicated_endpoint_dns.startswith(f"{number}.us-central1-")
    assert endpoint.dedicated_endpoint_dns.endswith(".prediction.vertexai.goog")


def test_logging_and_the_dedicated_host_of_an_endpoint_are_changed(serving: Any) -> None:
    name = serving.create().name
    table = "bq://p1.logs.requests"
    config = {"enabled": True, "sampling_rate": 0.5, "bigquery_destination": {"output_uri": table}}
    given = {"name": name, "predict_request_response_logging_config": config, "dedicated_endpoint_enabled": True}
    update_mask = {"paths": ["predict_request_response_logging_config", "dedicated_endpoint_enabled"]}
    request = types.UpdateEndpointRequest(endpoint=given, update_mask=update_mask)
    updated = serving.endpoints.update_endpoint(request)
    assert updated.predict_request_response_logging_config.bigquery_destination.output_uri == table
    assert updated.dedicated_endpoint_dns.endswith(".prediction.vertexai.goog")
    request = types.UpdateEndpointLongRunningRequest(
        endpoint={"name": name, "client_connection_config": {"inference_timeout": "9s"}}
    )
    assert serving.done(serving.endpoints.update_endpoint_long_running(request), types.Endpoint).name == name
    assert get(serving, name).client_connection_config.inference_timeout.total_seconds() == 9
    request = types.UpdateEndpointRequest(endpoint={"name": name}, update_mask=update_mask)
    assert serving.endpoints.update_endpoint(request).dedicated_endpoint_dns == ""


def test_a_model_is_deployed_served_and_undeployed(serving: Any, model: str) -> None:
    endpoint = serving.create().name
    deployed_id = serving.deploy(endpoint, model)
    shown = get(serving, endpoint)
    assert dict(shown.traffic_split) == {deployed_id: 100}
    deployed = shown.deployed_models[0]
    assert (deployed.model, deployed.model_version_id, deployed.display_name) == (model, "1", "ones")
    references = serving.models.get_model(types.GetModelRequest(name=model)).deployed_models
    assert [(row.endpoint, row.deployed_model_id) for row in references] == [(endpoint, deployed_id)]
    assert len(serving.processes.living) == 1
    with pytest.raises(exceptions.FailedPrecondition, match=f"deployed as {deployed_id} to {endpoint}"):
        serving.models.delete_model(types.DeleteModelRequest(name=model))
    with pytest.raises(exceptions.FailedPrecondition, match=f"deployed as {deployed_id} to {endpoint}"):
        serving.models.delete_model_version(types.DeleteModelVersionRequest(name=f"{model}@1"))
    with pytest.raises(exceptions.FailedPrecondition, match="undeploy them first"):
        serving.endpoints.delete_endpoint(types.DeleteEndpointRequest(name=endpoint))
    serving.undeploy(endpoint, deployed_id)
    assert serving.processes.living == []
    assert split(serving, endpoint) == {}
    assert not serving.models.get_model(types.GetModelRequest(name=model)).deployed_models
    log_name, resource, severity, text, labels = serving.logs[0]
    assert log_name == "projects/p1/logs/aiplatform.googleapis.com%2Fprediction_container"
    assert resource[0] == "aiplatform.googleapis.com/Endpoint"
    assert resource[1]["endpoint_id"] == endpoint.rpartition("/")[2]
    assert (severity, text) == ("INFO", "Loaded model.joblib: types.SimpleNamespace")
    assert labels["deployed_model_id"] == deployed_id


def test_traffic_is_split_among_versions(serving: Any, model: str) -> None:
    endpoint = serving.create().name
    serving.upload(serving.put_model("two", constant(2.0)), parent_model=model)
    first = serving.deploy(endpoint, f"{model}@1")
    second = serving.deploy(endpoint, f"{model}@2", {first: 80, "0": 20})
    assert split(serving, endpoint) == {first: 80, second: 20}
    answers = [serving.predict(endpoint, [[0.0]]) for _ in range(300)]
    ones = sum(answer.predictions[0] == 1.0 for answer in answers)
    assert 210 <= ones <= 270
    assert {(answer.deployed_model_id, answer.model_version_id) for answer in answers} == {(first, "1"), (second, "2")}
    with pytest.raises(exceptions.FailedPrecondition, match="20 % of the traffic"):
        serving.undeploy(endpoint, second)
    with pytest.raises(exceptions.InvalidArgument, match="add up to 80"):
        serving.undeploy(endpoint, second, {first: 80})
    serving.undeploy(endpoint, second, {first: 100})
    assert split(serving, endpoint) == {first: 100}
    request = types.UpdateEndpointRequest(
        endpoint={"name": endpoint, "traffic_split": {second: 100}}, update_mask={"paths": ["traffic_split"]}
    )
    with pytest.raises(exceptions.InvalidArgument, match=f"no deployed model '{second}'"):
        serving.endpoints.update_endpoint(request)


def test_no_request_fails_while_models_change(serving: Any) -> None:
    """Deploy, shift the traffic, undeploy, again and again: every answer is right, and from a deployed model."""
    endpoint = serving.create().name
    model = serving.upload("", image=OWN).model
    old = serving.deploy(endpoint, model)
    done, seen = threading.Event(), []

    def ask() -> None:
        while not done.is_set():
            answer = serving.predict(endpoint, [{"env": ["AIP_DEPLOYED_MODEL_ID"]}])
            seen.append((answer.deployed_model_id, answer.predictions[0]["env"]["AIP_DEPLOYED_MODEL_ID"]))

    with ThreadPoolExecutor(8) as pool:
        asking = [pool.submit(ask) for _ in range(8)]
        try:
            for _ in range(3):
                new = serving.deploy(endpoint, model, {old: 50, "0": 50})
                shift = types.UpdateEndpointRequest(
                    endpoint={"name": endpoint, "traffic_split": {old: 0, new: 100}},
                    update_mask={"paths": ["traffic_split"]},
                )
                serving.endpoints.update_endpoint(shift)
                serving.undeploy(endpoint, old)
                before = len(seen)
                while len(seen) < before + 50 and not any(future.done() for future in asking):
                    done.wait(0.005)
                assert {key for key, _ in seen[before + 8 :]} == {new}
                old = new
        finally:
            done.set()
        assert [future.result() for future in asking] == [None] * 8
    assert all(said == own for said, own in seen)


@pytest.mark.parametrize(
    ("content", "name", "text"),
    [
        (b"no pickle", "model.joblib", "(?s)exited unexpectedly .exit code 1.*could not be loaded"),
        (b"x", "weights.h5", r"has no model file: .* model.joblib, model.pkl .* it holds weights.h5"),
    ],
)
def test_a_model_that_does_not_load_fails_the_operation_and_changes_nothing(
    serving: Any, content: bytes, name: str, text: str
) -> None:
    serving.objects.put(f"bad/{name}", content)
    model, before = serving.upload("gs://b/bad").model, serving.create()
    with pytest.raises(exceptions.FailedPrecondition, match=text):
        serving.deploy(before.name, model)
    assert get(serving, before.name) == before
    assert not serving.models.get_model(types.GetModelRequest(name=model)).deployed_models
    assert serving.processes.living == []


def test_an_image_that_cannot_run_here_is_explained(serving: Any) -> None:
    model = serving.upload(serving.put_model("own", constant(1.0)), image="gcr.io/me/other:1").model
    with pytest.raises(exceptions.InvalidArgument, match=r"'gcr\.io/me/other:1' cannot run here"):
        serving.deploy(serving.create().name, model)


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"split": {"0": 50}}, exceptions.InvalidArgument, "add up to 50"),
        ({"split": {"0": 50, "7": 50}}, exceptions.InvalidArgument, "no deployed model '7'"),
        ({"dedicated_resources": {}}, exceptions.InvalidArgument, "min_replica_count"),
        ({"dedicated_resources": {"min_replica_count": 2, "max_replica_count": 1}}, exceptions.InvalidArgument, "max_"),
        (
            {"dedicated_resources": {"min_replica_count": 1, "required_replica_count": 2}},
            exceptions.InvalidArgument,
            "required_replica_count: 2 is not between",
        ),
        (
            {
                "dedicated_resources": {
                    "min_replica_count": 1,
                    "autoscaling_metric_specs": [{"metric_name": "cpu", "target": 1}],
                }
            },
            exceptions.InvalidArgument,
            "autoscaling_metric_specs.0..metric_name: 'cpu' is not one of",
        ),
        (
            {"dedicated_resources": None, "automatic_resources": {"min_replica_count": -1}},
            exceptions.InvalidArgument,
            "must not be negative",
        ),
        ({"dedicated_resources": None, "shared_resources": "x"}, exceptions.MethodNotImplemented, "shared_resources"),
        ({"dedicated_resources": None}, exceptions.InvalidArgument, "prediction_resources"),
        ({"model": f"{PARENT}/models/none"}, exceptions.NotFound, "models/none"),
        ({"id": "abc"}, exceptions.InvalidArgument, "'abc'"),
    ],
)
def test_bad_deployments_are_refused_at_once(
    serving: Any, model: str, fields: dict[str, Any], kind: type[Exception], text: str
) -> None:
    endpoint = serving.create().name
    with pytest.raises(kind, match=text):
        serving.deploy(endpoint, **{"model": model, **fields})
    with pytest.raises(exceptions.NotFound, match="endpoints/none"):
        serving.deploy(f"{PARENT}/endpoints/none", model)


def test_replicas_are_processes_and_their_number_is_changed(serving: Any) -> None:
    endpoint = serving.create().name
    model = serving.upload("", image=OWN).model
    deployed_id = serving.deploy(endpoint, model, id="42", dedicated_resources={**RESOURCES, "min_replica_count": 2})
    assert deployed_id == "42"
    assert get(serving, endpoint).deployed_models[0].status.available_replica_count == 2
    assert len(serving.processes.living) == 2
    etag = get(serving, endpoint).etag
    request = types.MutateDeployedModelRequest(
        endpoint=endpoint,
        deployed_model={
            "id": "42",
            "dedicated_resources": {"min_replica_count": 1, "max_replica_count": 1},
            "disable_container_logging": True,
        },
        update_mask={
            "paths": [
                "dedicated_resources.min_replica_count",
                "dedicated_resources.max_replica_count",
                "disable_container_logging",
            ]
        },
    )
    response = serving.done(serving.endpoints.mutate_deployed_model(request), types.MutateDeployedModelResponse)
    changed = response.deployed_model
    assert (changed.dedicated_resources.max_replica_count, changed.status.available_replica_count) == (1, 1)
    assert changed.dedicated_resources.machine_spec.machine_type == "n1-standard-2"
    assert get(serving, endpoint).etag != etag
    lines = len(serving.logs)
    request.deployed_model.dedicated_resources.min_replica_count = 3
    request.deployed_model.dedicated_resources.max_replica_count = 3
    serving.done(serving.endpoints.mutate_deployed_model(request))
    assert get(serving, endpoint).deployed_models[0].status.available_replica_count == 3
    assert len({serving.predict(endpoint, [{}]).predictions[0]["pid"] for _ in range(6)}) == 3
    assert len(serving.logs) == lines  # nobody wants the new replicas' lines
    request.deployed_model.dedicated_resources.min_replica_count = 4
    with pytest.raises(exceptions.InvalidArgument, match="less than min_replica_count"):
        serving.done(serving.endpoints.mutate_deployed_model(request))
    request.update_mask.paths[:] = ["model"]
    with pytest.raises(exceptions.InvalidArgument, match="'model'"):
        serving.endpoints.mutate_deployed_model(request)


def test_deployed_models_serve_again_after_a_restart(serving: Any, model: str) -> None:
    endpoint = serving.create().name
    serving.deploy(endpoint, model)
    serving.servers.close()  # as when the emulator ends
    assert serving.processes.living == []
    with pytest.raises(exceptions.ServiceUnavailable, match="is not running"):
        serving.predict(endpoint, [[0.0]])
    again = Deployments(serving.context, serving.servers, serving.artifacts, lambda *entry: None)
    prediction = PredictionService(serving.context, again)
    row = json_format.ParseDict([0.0], struct_pb2.Value())
    request = types.PredictRequest.wrap(types.PredictRequest.pb()(endpoint=endpoint, instances=[row]))
    assert prediction.predict(request).predictions[0] == 1.0
    assert again.resume() == 0
