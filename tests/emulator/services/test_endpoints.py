"""EndpointService: deploying real servers, traffic, undeploying; nothing is left running after a failure."""

from __future__ import annotations

from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format, struct_pb2
from sklearn.dummy import DummyRegressor

from gcpmlops.emulator.services.deployments import Deployments
from gcpmlops.emulator.services.prediction import PredictionService

PARENT = "projects/p1/locations/us-central1"


def constant(value: float) -> DummyRegressor:
    return DummyRegressor(strategy="constant", constant=value).fit([[0.0]], [value])


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
    assert (severity, text) == ("INFO", "Loaded model.joblib: sklearn.dummy.DummyRegressor")
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
    model = serving.upload(serving.put_model("own", constant(1.0)), image="gcr.io/me/own:1").model
    with pytest.raises(exceptions.InvalidArgument, match=r"'gcr\.io/me/own:1' cannot run here"):
        serving.deploy(serving.create().name, model)


@pytest.mark.parametrize(
    ("fields", "kind", "text"),
    [
        ({"split": {"0": 50}}, exceptions.InvalidArgument, "add up to 50"),
        ({"split": {"0": 50, "7": 50}}, exceptions.InvalidArgument, "no deployed model '7'"),
        ({"dedicated_resources": {}}, exceptions.InvalidArgument, "min_replica_count"),
        ({"dedicated_resources": {"min_replica_count": 2, "max_replica_count": 1}}, exceptions.InvalidArgument, "max_"),
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


def test_replica_counts_of_a_deployed_model_are_changed(serving: Any, model: str) -> None:
    endpoint = serving.create().name
    deployed_id = serving.deploy(endpoint, model, id="42")
    assert deployed_id == "42"
    request = types.MutateDeployedModelRequest(
        endpoint=endpoint,
        deployed_model={"id": "42", "dedicated_resources": {"min_replica_count": 1, "max_replica_count": 3}},
        update_mask={"paths": ["dedicated_resources.max_replica_count"]},
    )
    response = serving.done(serving.endpoints.mutate_deployed_model(request), types.MutateDeployedModelResponse)
    assert response.deployed_model.dedicated_resources.max_replica_count == 3
    assert response.deployed_model.dedicated_resources.machine_spec.machine_type == "n1-standard-2"
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
