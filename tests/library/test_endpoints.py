"""client.endpoints against the emulator: models really serve."""

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from gcpmlops import BlueGreen, Canary, Client, Quality, exceptions
from gcpmlops._endpoints.rollout_watch import Clock

ROWS = [[0.0], [1.0], [2.0], [3.0]]
TRAIN = """
import os
import joblib
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
models = {
    "": LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]),
    "-wide": LogisticRegression().fit([[0.0, 1.0], [2.0, 3.0]], [0, 1]),  # refuses the rows of the others
    "-slow": RandomForestClassifier(400).fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]),
}
folder = os.environ["AIP_MODEL_DIR"].replace("gs://", "/gcs/", 1).rstrip("/")
for name, model in models.items():
    os.makedirs(folder + name, exist_ok=True)
    joblib.dump(model, os.path.join(folder + name, "model.joblib"))
"""


@pytest.fixture(scope="module")
def trained(client: Client, staging: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The folder of a model, with others beside it: trained where they will be served, in the same versions."""
    script = tmp_path_factory.mktemp("train") / "train.py"
    script.write_text(TRAIN)
    return client.training.run(script).model_dir.rstrip("/")


@pytest.fixture(scope="module")
def model(client: Client, trained: str):
    return client.models.upload(trained, display_name="served", check=False)


@pytest.fixture
def endpoint(client: Client, unique):
    made = client.endpoints.create(unique("flights"), labels={"team": "risk"})
    yield made
    client.endpoints.delete(made.name, force=True)


@pytest.fixture(scope="module")
def served(client: Client, model):
    made = client.endpoints.create("served", dedicated=True)
    inputs = {"x": {"input_baselines": [[0.0]], "encoding": "BAG_OF_FEATURES", "index_feature_mapping": ["x"]}}
    spec = {
        "parameters": {"sampled_shapley_attribution": {"path_count": 2}},
        "metadata": {"inputs": inputs, "outputs": {"late": {}}},
    }
    yield client.endpoints.deploy(made.name, model=model, explanation_spec=spec)
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

    def test_logging_goes_to_a_table(self, client: Client, unique) -> None:
        made = client.endpoints.create(unique("logged"), log_requests="serving.requests", log_sampling_rate=0.5)
        config = made.proto.predict_request_response_logging_config
        table = f"bq://{client.config.project}.serving.requests"
        assert (config.enabled, config.sampling_rate, config.bigquery_destination.output_uri) == (True, 0.5, table)
        client.endpoints.delete(made.name)
        for wrong in ({"log_requests": "requests"}, {"log_requests": "a.b", "log_sampling_rate": 0}):
            with pytest.raises(exceptions.InvalidArgument):
                client.endpoints.create("never", **wrong)

    def test_labels_of_rollouts_survive_an_update(self, client: Client, endpoint) -> None:
        client.endpoints.update(endpoint.name, labels={"gcpmlops-previous-0": "1-100", "a": "b"})
        client.endpoints.update(endpoint.name, labels={"stage": "prod"})
        assert dict(endpoint.refresh().proto.labels) == {"stage": "prod", "gcpmlops-previous-0": "1-100"}

    def test_nobodys_change_is_lost(self, client: Client, endpoint) -> None:
        """Somebody else is faster: the etag tells, and the change is made of what is there then."""
        seen: list[str] = []

        def edit(now) -> dict[str, str]:
            seen.append(now.description)
            if len(seen) == 1:
                client.endpoints.update(endpoint.name, description="theirs")
            return {"description": f"{now.description} and mine"}

        assert client.endpoints._calls.change(endpoint.name, edit).description == "theirs and mine"
        assert seen == ["", "theirs"]

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

    def test_stream(self, client: Client, served) -> None:
        pieces = client.endpoints.stream_raw_predict(served.name, body={"instances": [[0.0], [3.0]]})
        assert json.loads(b"".join(pieces))["predictions"] == [0, 1]

    def test_dedicated_endpoint_is_asked_at_its_own_host(self, client: Client, served) -> None:
        host = served.proto.dedicated_endpoint_dns
        assert host.endswith(".prediction.vertexai.goog")
        asked = client.clients.prediction_at(host)
        assert list(asked.predict(endpoint=served.name, instances=[[3.0]]).predictions) == [1]

    def test_explain(self, client: Client, served) -> None:
        found = client.endpoints.explain(served.name, instances=[[3.0], [0.0]])
        assert (found.predictions, len(found)) == ([1, 0], 2)
        ((late,), (in_time,)) = found.attributions
        assert (late["x"], in_time["x"]) == ([1], [0])
        assert found.deployed_model_id in served.deployed
        with pytest.raises(exceptions.InvalidArgument, match="explanation_spec"):
            client.endpoints.deploy(served.name, model="served", explanation_spec={"method": "shap"})

    def test_a_name_that_is_another_endpoints_by_now(self, client: Client, model, unique) -> None:
        """The library remembers where an endpoint is, and looks again when it is gone."""
        name = unique("moved")
        first = client.endpoints.create(name)
        with pytest.raises(exceptions.FailedPrecondition):
            client.endpoints.predict(name, instances=[[0.0]])
        client.endpoints.delete(first.name)
        second = client.endpoints.create(name)
        with pytest.raises(exceptions.FailedPrecondition):
            client.endpoints.predict(name, instances=[[0.0]])
        client.endpoints.delete(second.name)
        with pytest.raises(exceptions.NotFound):
            client.endpoints.predict(name, instances=[[0.0]])

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
        with pytest.raises(exceptions.InvalidArgument, match="2 deployed models"):
            client.endpoints.scale(endpoint.name, max_replica_count=2)
        scaled = client.endpoints.scale(endpoint.name, deployed_model="new", max_replica_count=2)
        assert scaled.prices[new].max_per_hour == 2 * (scaled.prices[new].per_hour or 0)
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


@pytest.fixture(scope="module")
def busy(client: Client, model):
    """An endpoint that is asked all the time; `failed` has what its callers were told."""
    made = client.endpoints.create("busy")
    client.endpoints.deploy(made.name, model=model)
    failed: list[str] = []
    answered: list[str] = []
    ended = threading.Event()

    def ask() -> None:
        while not ended.wait(0.005):  # others share the machine
            try:
                answered.append(client.endpoints.predict(made.name, instances=[[1.0]]).deployed_model_id)
            except exceptions.GcpMlopsError as exc:
                failed.append(exc.message)

    caller = threading.Thread(target=ask)
    caller.start()
    yield made, answered, failed
    ended.set()
    caller.join()
    client.endpoints.delete(made.name, force=True)


QUICK: dict[str, Any] = {"min_requests": 15, "bake": 0.2, "tolerance": None}


class TestRollouts:
    """Of one endpoint, one after the other, under load."""

    def test_canary_promotes_and_one_call_goes_back(self, client: Client, trained: str, busy) -> None:
        endpoint, answered, failed = busy
        (old,) = endpoint.refresh().deployed
        better = client.models.upload(trained, display_name="better", samples=[[0.0], [3.0]], check=False)
        events: list[str] = []
        quality = Quality(measure=lambda key, start, end: float(key != old and start < end), minimum=1)
        canary = Canary(steps=(40, 100), quality=quality, **QUICK)
        rollout = client.endpoints.deploy(
            endpoint.name, model=better, strategy=canary, on_event=lambda event: events.append(event.kind)
        )
        new = rollout.deployed_model_id
        assert (rollout.decision, rollout.traffic) == ("PROMOTED", {new: 100})
        assert all(step.challenger and step.challenger.requests >= 15 for step in rollout.steps)
        assert [step.quality for step in rollout.steps] == [1, 1]
        assert [kind for kind in events if kind != "looked"][:3] == ["deploying", "deployed", "step"]
        found = client.endpoints.test(endpoint.name)
        assert (found.passed, [each.shapes for each in found]) == (True, [("number",)])
        assert endpoint.refresh().previous == {old: 100}
        assert client.endpoints.rollback(endpoint.name).traffic == {old: 100}
        with pytest.raises(exceptions.FailedPrecondition, match="nothing is known"):
            client.endpoints.rollback(endpoint.name)
        assert not failed
        assert set(answered) == {old, new}

    @pytest.mark.parametrize(
        ("kind", "limits", "reason"),
        [("wide", {"max_error_rate": 0.1}, "error rate 100 %"), ("slow", {"max_latency_p95": 0.015}, "p95 latency")],
    )
    def test_canary_that_fails(self, client: Client, trained: str, busy, kind: str, limits, reason: str) -> None:
        endpoint, _, _ = busy
        before = endpoint.refresh()
        worse = client.models.upload(f"{trained}-{kind}", display_name=kind, check=False)
        with pytest.raises(exceptions.RolloutFailed, match=reason) as caught:
            client.endpoints.deploy(endpoint.name, model=worse, strategy=Canary(steps=(50, 100), **{**QUICK, **limits}))
        (step,) = caught.value.steps
        assert (step.percent, caught.value.rollout.decision) == (50, "ROLLED_BACK")
        after = endpoint.refresh()
        assert (after.traffic, set(after.deployed)) == (before.traffic, set(before.deployed))

    def test_quality_by_a_query(self, client: Client) -> None:
        sql = "SELECT IF(@deployed_model_id = '7' AND @start < @end, 0.5, 0)"
        start = datetime(2026, 1, 1, tzinfo=UTC)
        for query, value in ((sql, 0.5), ("SELECT CAST(NULL AS FLOAT64)", None)):
            ask = client.endpoints._measure(Quality(query=query, minimum=0.5))
            assert ask("7", start, start + timedelta(seconds=1)) == value
        with pytest.raises(exceptions.InvalidArgument, match="one row with one number"):
            client.endpoints._measure(Quality(query="SELECT 1, 2", minimum=0.5))("7", start, start)

    def test_blue_green_and_what_nobody_uses(
        self, client: Client, endpoint, model, trained: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mine = f'display_name="{endpoint.display_name}"'
        client.endpoints.deploy(endpoint.name, model=model)
        sampled = client.models.upload(trained, display_name="sampled", samples=[[0.0], [3.0]], check=False)
        blue_green = BlueGreen(keep=0)
        rollout = client.endpoints.deploy(
            endpoint.name, model=sampled, strategy=blue_green, machine_type="n1-standard-4"
        )
        assert (rollout.promoted, list(endpoint.refresh().deployed)) == (True, [rollout.deployed_model_id])
        assert not client.endpoints.list(filter=f'display_name="{endpoint.display_name}-preview"')
        assert client.endpoints.idle(idle="1h", filter=mine) == []
        in_two_hours = Clock(now=lambda: datetime.now(UTC) + timedelta(hours=2))
        monkeypatch.setattr(client.endpoints, "_clock", in_two_hours)
        (idle,) = client.endpoints.idle(idle="1h", filter=mine)
        assert idle.price.per_hour == pytest.approx(0.2185, abs=0.001)
        assert not client.endpoints.reap(idle="1h", filter=mine, confirm=lambda found: False)[0].undeployed
        assert endpoint.refresh().deployed
        (reaped,) = client.endpoints.reap(idle="1h", filter=mine, confirm=lambda found: found == [idle])
        assert (reaped.undeployed, endpoint.refresh().deployed) == (True, {})
