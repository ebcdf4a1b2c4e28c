"""client.endpoints against the emulator: models really serve."""

import json

import pandas as pd
import pytest

from gcpmlops import Client, exceptions

ROWS = [[0.0], [1.0], [2.0], [3.0]]
TRAIN = """
import os
import joblib
from sklearn.linear_model import LogisticRegression
model = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])
folder = os.environ["AIP_MODEL_DIR"].replace("gs://", "/gcs/", 1)
os.makedirs(folder, exist_ok=True)
joblib.dump(model, os.path.join(folder, "model.joblib"))
"""


@pytest.fixture(scope="module")
def model(client: Client, staging: str, tmp_path_factory: pytest.TempPathFactory):
    """Trained where it will be served: the versions of the two images are the same."""
    script = tmp_path_factory.mktemp("train") / "train.py"
    script.write_text(TRAIN)
    job = client.training.run(script)
    return client.models.upload(job.model_dir, display_name="served", check=False)


@pytest.fixture
def endpoint(client: Client, unique):
    made = client.endpoints.create(unique("flights"), labels={"team": "risk"})
    yield made
    client.endpoints.delete(made.name, force=True)


@pytest.fixture(scope="module")
def served(client: Client, model):
    made = client.endpoints.create("served")
    yield client.endpoints.deploy(made.name, model=model)
    client.endpoints.delete(made.name, force=True)


class TestEndpoints:
    def test_found_by_id_and_display_name(self, client: Client, endpoint) -> None:
        for name in (endpoint.id, endpoint.display_name, endpoint.name):
            assert client.endpoints.get(name).name == endpoint.name
        assert endpoint.name in [each.name for each in client.endpoints.list()]

    def test_ensure(self, client: Client, endpoint) -> None:
        again = client.endpoints.ensure(endpoint.display_name, description="late flights")
        assert (again.name, again.proto.description) == (endpoint.name, "late flights")
        assert dict(again.proto.labels) == {"team": "risk"}

    def test_update(self, client: Client, endpoint) -> None:
        client.endpoints.update(endpoint.name, labels={"stage": "prod"})
        assert dict(endpoint.refresh().proto.labels) == {"stage": "prod"}

    def test_missing(self, client: Client) -> None:
        for name in ("999", "no-such-endpoint"):
            with pytest.raises(exceptions.NotFound, match=name):
                client.endpoints.get(name)
        with pytest.raises(exceptions.NotFound):
            client.endpoints.predict("999", instances=[[1]])

    def test_ambiguous_display_name(self, client: Client, endpoint) -> None:
        other = client.endpoints.create(endpoint.display_name)
        with pytest.raises(exceptions.InvalidArgument, match="2 endpoints"):
            client.endpoints.get(endpoint.display_name)
        client.endpoints.delete(other.name)

    def test_predict_where_nothing_is_deployed(self, client: Client, endpoint) -> None:
        with pytest.raises(exceptions.GcpMlopsError):
            client.endpoints.predict(endpoint.name, instances=[[1.0]])

    def test_deploy_of_a_missing_model(self, client: Client, endpoint) -> None:
        with pytest.raises(exceptions.NotFound):
            client.endpoints.deploy(endpoint.name, model="999")


class TestPredictions:
    def test_list_and_dataframe(self, client: Client, served) -> None:
        assert list(served.predict(ROWS)) == [0, 0, 1, 1]
        found = client.endpoints.predict(served.display_name, instances=pd.DataFrame({"x": [0.0, 3.0]}))
        assert list(found) == [0, 1]
        assert found.deployed_model_id == next(iter(served.deployed))

    def test_raw(self, client: Client, served) -> None:
        answer = client.endpoints.raw_predict(served.name, body={"instances": [[0.0], [3.0]]})
        assert json.loads(answer)["predictions"] == [0, 1]

    def test_wrong_instances_are_refused(self, client: Client, served) -> None:
        with pytest.raises(exceptions.GcpMlopsError):
            client.endpoints.predict(served.name, instances=[["not a number", 1, 2]])


class TestTraffic:
    def test_two_models_share_it(self, client: Client, endpoint, model) -> None:
        first = client.endpoints.deploy(endpoint.name, model=model, display_name="old")
        (old,) = first.deployed
        both = client.endpoints.deploy(
            endpoint.name, model=model.versioned_name, traffic_percentage=10, display_name="new"
        )
        (new,) = set(both.deployed) - {old}
        assert both.traffic == {old: 90, new: 10}
        assert client.endpoints.set_traffic(endpoint.name, split={"old": 50, "new": 50}).traffic == {old: 50, new: 50}
        with pytest.raises(exceptions.InvalidArgument, match="sums to 90"):
            client.endpoints.set_traffic(endpoint.name, split={old: 90})
        with pytest.raises(exceptions.NotFound, match="old"):
            client.endpoints.set_traffic(endpoint.name, split={"other": 100})
        with pytest.raises(exceptions.FailedPrecondition, match="50 %"):
            client.endpoints.undeploy(endpoint.name, deployed_model="old")
        left = client.endpoints.undeploy(endpoint.name, deployed_model="old", traffic={"new": 100})
        assert (list(left.deployed), left.traffic) == ([new], {new: 100})
        with pytest.raises(exceptions.FailedPrecondition, match="force=True"):
            client.endpoints.delete(endpoint.name)

    def test_broken_artifact_changes_nothing(self, client: Client, staging: str, endpoint, unique) -> None:
        uri = f"gs://{staging}/{unique('broken')}"
        client.storage.upload(b"not a model", destination=f"{uri}/model.joblib")
        broken = client.models.upload(uri, display_name=unique("broken"), check=False)
        with pytest.raises((exceptions.OperationFailed, exceptions.InvalidArgument, exceptions.FailedPrecondition)):
            client.endpoints.deploy(endpoint.name, model=broken)
        assert endpoint.refresh().deployed == {}
