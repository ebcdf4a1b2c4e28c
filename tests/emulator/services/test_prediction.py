"""PredictionService: values and errors between clients and containers; its own converter against json_format."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import pytest
from google.api import httpbody_pb2
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format, struct_pb2
from sklearn.linear_model import LinearRegression

from gcpmlops.emulator.kernel.call import Call, answering
from gcpmlops.emulator.runtimes.unix_http import HttpReply
from gcpmlops.emulator.services import traffic, values
from gcpmlops.emulator.services.prediction import check_status, parsed

PARENT = "projects/p1/locations/us-central1"


@pytest.fixture
def endpoint(serving: Any) -> str:
    uri = serving.put_model("sum", LinearRegression().fit([[0, 0], [1, 2], [2, 1]], [0, 3, 3]))
    name = serving.create().name
    serving.deploy(name, serving.upload(uri, display_name="sums").model)
    return name


def test_predictions_come_with_the_model_that_made_them(serving: Any, endpoint: str) -> None:
    answer = serving.predict(endpoint, [[1, 2], [10, 20.5]])
    assert list(answer.predictions) == pytest.approx([3.0, 30.5])
    deployed = serving.endpoints.get_endpoint(types.GetEndpointRequest(name=endpoint)).deployed_models[0]
    assert (answer.deployed_model_id, answer.model) == (deployed.id, deployed.model)
    assert (answer.model_version_id, answer.model_display_name) == ("1", "sums")


@pytest.mark.parametrize(
    ("instances", "text"),
    [
        ([[1]], "X has 1 features"),
        ([{"a": 1}], "send each as a list of values"),
        ([], "instances: required"),
    ],
)
def test_what_the_container_refuses_is_400_with_its_text(
    serving: Any, endpoint: str, instances: list[Any], text: str
) -> None:
    with pytest.raises(exceptions.BadRequest, match=text):
        serving.predict(endpoint, instances)


def test_an_endpoint_needs_a_model_with_traffic(serving: Any) -> None:
    with pytest.raises(exceptions.NotFound, match="endpoints/none"):
        serving.predict(f"{PARENT}/endpoints/none", [[1]])
    name = serving.create().name
    with pytest.raises(exceptions.FailedPrecondition, match="no deployed model"):
        serving.predict(name, [[1]])
    serving.deploy(name, serving.upload(serving.put_model("m", LinearRegression().fit([[0]], [0]))).model, {})
    with pytest.raises(exceptions.FailedPrecondition, match="no traffic_split"):
        serving.predict(name, [[1]])


def test_raw_predict_passes_the_body_both_ways(serving: Any, endpoint: str) -> None:
    body = httpbody_pb2.HttpBody(data=b'{"instances": [[1, 2]]}', content_type="application/json")
    with answering(Call()) as call:
        reply = serving.prediction.raw_predict(types.RawPredictRequest(endpoint=endpoint, http_body=body))
    assert json.loads(reply.data)["predictions"] == pytest.approx([3.0])
    assert reply.content_type == "application/json"
    assert call.reply_headers["X-Vertex-AI-Endpoint-Id"] == endpoint.rpartition("/")[2]
    assert call.reply_headers["X-Vertex-AI-Model-Version-Id"] == "1"
    bad = httpbody_pb2.HttpBody(data=b"{", content_type="application/json")
    with pytest.raises(exceptions.FailedPrecondition, match="Invalid JSON payload"):
        serving.prediction.raw_predict(types.RawPredictRequest(endpoint=endpoint, http_body=bad))


def test_the_clients_deadline_bounds_a_prediction(serving: Any, endpoint: str) -> None:
    with answering(Call(remaining=lambda: 0.0)), pytest.raises(exceptions.DeadlineExceeded):
        serving.predict(endpoint, [[1, 2]])


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (400, b'{"error": "no"}', exceptions.FailedPrecondition, "no"),
        (404, b"plain", exceptions.FailedPrecondition, "plain"),
        (429, b"[]", exceptions.ResourceExhausted, r"\[\]"),
        (503, b'{"error": "later"}', exceptions.ServiceUnavailable, "later"),
        (500, b'{"error": "bug"}', exceptions.InternalServerError, "bug"),
    ],
)
def test_statuses_of_containers(status: int, body: bytes, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        check_status(HttpReply(status, {}, body))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"outputs": []}', b'{"predictions": 1}'])
def test_answers_outside_the_contract_are_internal_errors(body: bytes) -> None:
    with pytest.raises(exceptions.InternalServerError, match="Invalid response from prediction server"):
        parsed(HttpReply(200, {}, body))


@pytest.mark.parametrize(
    "plain", [None, True, False, 0, -1.5, 3, 1e300, 2**53, "", "é", [], {}, [[1, [2.5]], {"a": [None, {"b": "c"}]}]]
)
def test_values_convert_as_json_format_does(plain: Any) -> None:
    value = struct_pb2.Value()
    values.fill(value, plain)
    expected = struct_pb2.Value()
    json_format.ParseDict(plain, expected)
    assert value == expected
    assert values.to_plain(value) == json_format.MessageToDict(expected)
    assert isinstance(values.to_plain(value), type(plain)) or plain in (2**53, 1e300)


def test_numbers_that_json_does_not_have() -> None:
    with pytest.raises(ValueError, match="nan is not a JSON number"):
        values.fill(struct_pb2.Value(), math.nan)


def test_traffic_follows_the_split() -> None:
    chance = random.Random(1)
    picks = [traffic.choose({"a": 90, "b": 10, "c": 0}, chance) for _ in range(2000)]
    assert 140 <= picks.count("b") <= 260
    assert "c" not in picks
    assert traffic.choose({}, chance) is None
    assert traffic.choose({"a": 0}, chance) is None
