"""PredictionService: values and errors between clients and containers; its own converter against json_format."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from google.api import httpbody_pb2
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format, struct_pb2
from sklearn.linear_model import LinearRegression

from gcpmlops.emulator.kernel import values
from gcpmlops.emulator.kernel.call import Call, answering
from gcpmlops.emulator.runtimes.unix_http import HttpReply
from gcpmlops.emulator.services.prediction import replies
from gcpmlops.emulator.services.prediction.spread import SAMPLING, TRAFFIC, Spread, pick

PARENT = "projects/p1/locations/us-central1"


@pytest.fixture
def serving(shared_serving: Any) -> Any:
    return shared_serving


@pytest.fixture(scope="module")
def endpoint(shared_serving: Any) -> str:
    serving = shared_serving
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
    with pytest.raises(exceptions.FailedPrecondition, match="doesn't have traffic_split"):
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
    with pytest.raises(exceptions.InvalidArgument, match="Invalid JSON payload"):
        serving.prediction.raw_predict(types.RawPredictRequest(endpoint=endpoint, http_body=bad))


def test_the_clients_deadline_bounds_a_prediction(serving: Any, endpoint: str) -> None:
    with answering(Call(remaining=lambda: 0.0)), pytest.raises(exceptions.DeadlineExceeded):
        serving.predict(endpoint, [[1, 2]])


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (400, b'{"error": "no"}', exceptions.InvalidArgument, "no"),
        (404, b"plain", exceptions.InvalidArgument, "plain"),
        (422, b'{"error": {"loc": [1]}}', exceptions.InvalidArgument, r'{"loc":\[1\]}'),
        (400, b"", exceptions.InvalidArgument, "answered 400 without a text"),
        (429, b"[]", exceptions.ResourceExhausted, r"\[\]"),
        (503, b'{"error": "later"}', exceptions.ServiceUnavailable, "later"),
        (500, b'{"error": "bug"}', exceptions.InternalServerError, "bug"),
        (302, b"over there", exceptions.InternalServerError, "over there"),
    ],
)
def test_statuses_of_containers(status: int, body: bytes, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text) as caught:
        replies.predictions(HttpReply(status, {}, body))
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"outputs": []}', b'{"predictions": 1}', b'{"predictions": [NaN]}', b"<html>no model</html>"],
)
def test_answers_outside_the_contract_are_internal_errors(body: bytes) -> None:
    with pytest.raises(exceptions.InternalServerError, match="Invalid response from prediction server"):
        replies.predictions(HttpReply(200, {}, body))


@pytest.mark.parametrize(
    "plain",
    [
        None, True, False, 0, -1.5, 3, 1e300, 2**53, "", "é", [], {}, [[1, [2.5]], {"a": [None, {"b": "c"}]}],
        [0, -1.5, 3, 1e300, 5e-324, 7], [1, 2.5, True, 4, 5], [1, 2, 3, 4, None], [[1, 2, 3, 4, 5], [1, 2, 3, 4, "5"]],
    ],
)  # fmt: skip
def test_values_convert_as_json_format_does(plain: Any) -> None:
    value = struct_pb2.Value()
    values.fill(value, plain)
    expected = struct_pb2.Value()
    json_format.ParseDict(plain, expected)
    assert value == expected
    assert values.to_plain(value) == json_format.MessageToDict(expected)
    assert isinstance(values.to_plain(value), type(plain)) or plain in (2**53, 1e300)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_numbers_that_json_does_not_have(number: float) -> None:
    for plain in (number, [number] * 5):
        with pytest.raises(ValueError, match=f"{number} is not a JSON number"):
            values.fill(struct_pb2.Value(), plain)
    value = struct_pb2.Value()
    value.list_value.values.extend([struct_pb2.Value(number_value=number)] * 5)
    with pytest.raises(ValueError, match=f"{number} is not a JSON number"):
        values.to_plain(value)


def test_predictions_are_appended_in_either_way() -> None:
    response = types.PredictResponse.pb()()
    values.extend(response, "predictions", [1, 2.5])
    values.extend(response, "predictions", [3, 4, 5, 6.5])
    assert [prediction.number_value for prediction in response.predictions] == [1, 2.5, 3, 4, 5, 6.5]


@pytest.mark.parametrize("share", [1, 5, 20, 50])
@pytest.mark.parametrize("start", [0, 12_345])
def test_traffic_follows_the_split(share: int, start: int) -> None:
    """In any hundred requests and, for clients that take turns, in each one's."""
    spread = Spread(TRAFFIC, start)
    picks = [pick({"a": 100 - share, "b": share, "c": 0}, spread.point()) for _ in range(10_000)]
    assert "c" not in picks
    assert abs(picks.count("b") / 100 - share) < 0.05
    assert all(abs(picks[at : at + 100].count("b") - share) <= 2 for at in range(0, 10_000, 100))
    assert all(abs(picks[at::16].count("b") / 6.25 - share) < 2 for at in range(16))


def test_a_sample_has_every_model_in_it() -> None:
    traffic, sampling = Spread(TRAFFIC), Spread(SAMPLING)
    requests = [(pick({"a": 80, "b": 20}, traffic.point()), sampling.point() < 0.1) for _ in range(1000)]
    assert 98 <= sum(sampled for _, sampled in requests) <= 102
    assert 17 <= sum(sampled for model, sampled in requests if model == "b") <= 23


def test_without_a_split_nobody_is_picked() -> None:
    assert pick({}, 0.5) is None
    assert pick({"a": 0}, 0.5) is None
