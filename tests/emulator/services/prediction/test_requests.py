"""What happens to requests: which model answers, on which host, what is streamed, counted and logged."""

from __future__ import annotations

import re
from typing import Any

import pytest
from google.api import httpbody_pb2
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format, struct_pb2

from gcpmlops.emulator.kernel.call import Call, answering
from gcpmlops.emulator.services.prediction.request_log import TABLE

from .conftest import ENDPOINT, Answer, Predictions, predicting

DNS = "7.us-central1-123.prediction.vertexai.goog"
ALL = {"enabled": True, "sampling_rate": 1.0, "bigquery_destination": {"output_uri": "bq://p1.logs.all"}}


def predict(predictions: Predictions, *instances: Any) -> types.PredictResponse:
    rows = [json_format.ParseDict(instance, struct_pb2.Value()) for instance in instances]
    return predictions.service.predict(
        types.PredictRequest.wrap(types.PredictRequest.pb()(endpoint=ENDPOINT, instances=rows))
    )


def raw(kind: Any, data: bytes = b"in") -> Any:
    return kind(endpoint=ENDPOINT, http_body=httpbody_pb2.HttpBody(data=data, content_type="text/plain"))


def saying(*parts: bytes, status: int = 200) -> Answer:
    return lambda _: (status, list(parts))


class TestWhoAnswers:
    def test_an_undeployed_model_hands_over(self, predictions: Predictions) -> None:
        """It is stopped between the look at the endpoint and the request: the endpoint is read again."""
        predictions.serve({"1": predicting(sum), "2": predicting(len)}, {"1": 100})
        pool = predictions.pools["1"]

        def undeployed(*_: Any) -> Any:
            predictions.serve({"2": predicting(len)})
            pool.stopped = True
            return pool.stream("POST", "/predict", b"", {}, 1)

        pool.request = undeployed  # type: ignore[method-assign]
        response = predict(predictions, [5, 5])
        assert (response.deployed_model_id, list(response.predictions)) == ("2", [2.0])
        assert [record["deployed_model_id"] for record in predictions.metrics.records] == ["2"]

    def test_a_model_that_is_deployed_and_stopped_is_unavailable(self, predictions: Predictions) -> None:
        predictions.serve({"1": predicting(sum)})
        predictions.pools["1"].stopped = True
        with pytest.raises(exceptions.ServiceUnavailable):
            predict(predictions, [1])
        assert [record["status"] for record in predictions.metrics.records] == [503]

    def test_a_thousand_requests_at_80_to_20(self, predictions: Predictions) -> None:
        predictions.serve({"1": predicting(sum), "2": predicting(sum)}, {"1": 80, "2": 20})
        picked = [predict(predictions, [1]).deployed_model_id for _ in range(1000)]
        assert 198 <= picked.count("2") <= 202


class TestHosts:
    def test_a_dedicated_endpoint_has_a_host_of_its_own(self, predictions: Predictions) -> None:
        predictions.serve({"1": predicting(sum)}, dedicated_endpoint_enabled=True, dedicated_endpoint_dns=DNS)
        for host in (DNS, "127.0.0.1", ""):
            with answering(Call(host=host)):
                assert list(predict(predictions, [1, 2]).predictions) == [3.0]
        shared = "us-central1-aiplatform.googleapis.com"
        with answering(Call(host=shared)), pytest.raises(exceptions.FailedPrecondition, match=re.escape(f"'{DNS}'")):
            predict(predictions, [1, 2])
        with answering(Call(host=f"8{DNS[1:]}")), pytest.raises(exceptions.NotFound, match="is not the dedicated"):
            predict(predictions, [1, 2])

    def test_a_shared_endpoint_has_none(self, predictions: Predictions) -> None:
        predictions.serve({"1": predicting(sum)})
        with answering(Call(host=DNS)), pytest.raises(exceptions.NotFound):
            predict(predictions, [1, 2])


class TestStreams:
    def test_chunks_come_as_they_are(self, predictions: Predictions) -> None:
        predictions.serve({"1": saying(b"one", b"two\n", b"three")})
        with answering(Call()) as call:
            parts = list(predictions.service.stream_raw_predict(raw(types.StreamRawPredictRequest)))
        assert [(part.data, part.content_type) for part in parts] == [
            (b"one", "text/plain"),
            (b"two\n", "text/plain"),
            (b"three", "text/plain"),
        ]
        assert call.reply_headers["X-Vertex-AI-Deployed-Model-Id"] == "1"
        assert predictions.pools["1"].given_up == [None]
        assert predictions.metrics.records[0]["status"] == 200

    def test_a_refusal_comes_before_the_first_chunk(self, predictions: Predictions) -> None:
        predictions.serve({"1": saying(b'{"error": ', b'"no"}', status=422)})
        with pytest.raises(exceptions.InvalidArgument, match=r"^400 no$"):
            next(predictions.service.stream_raw_predict(raw(types.StreamRawPredictRequest)))
        assert predictions.metrics.records[0]["status"] == 400

    def test_a_reader_that_goes_frees_the_container(self, predictions: Predictions) -> None:
        predictions.serve({"1": saying(b"one", b"two")}, predict_request_response_logging_config=ALL)
        stream: Any = predictions.service.stream_raw_predict(raw(types.StreamRawPredictRequest))
        assert next(stream).data == b"one"
        stream.close()
        (why,) = predictions.pools["1"].given_up
        assert isinstance(why, ConnectionError)
        assert predictions.metrics.records[0]["status"] == 499
        assert logged(predictions) == {}


class TestLog:
    def test_each_kind_of_prediction_is_a_row(self, predictions: Predictions) -> None:
        predictions.serve({"1": predicting(sum)}, predict_request_response_logging_config=ALL)
        predict(predictions, [1, 2], [3, 4.5])
        predictions.service.raw_predict(raw(types.RawPredictRequest, b'{"instances": [[1]]}'))
        list(predictions.service.stream_raw_predict(raw(types.StreamRawPredictRequest, b'{"instances": [[2]]}')))
        (rows,) = logged(predictions).values()
        assert [(row["request_payload"], row["response_payload"]) for row in rows] == [
            (["[1,2]", "[3,4.5]"], ["3", "7.5"]),
            (['{"instances": [[1]]}'], ['{"predictions": [1]}']),
            (['{"instances": [[2]]}'], ['{"predictions": [2]}']),
        ]
        assert {row["endpoint"] for row in rows} == {ENDPOINT}
        assert {row["deployed_model_id"] for row in rows} == {"1"}
        numbers = [int(row["request_id"]) for row in rows]
        assert numbers == sorted(set(numbers))
        assert all(re.fullmatch(r"[\d-]{10} [\d:.]{15} UTC", row["logging_time"]) for row in rows)

    def test_a_sample_in_order(self, predictions: Predictions) -> None:
        config = {**ALL, "sampling_rate": 0.25}
        predictions.serve({"1": predicting(sum)}, predict_request_response_logging_config=config)
        for number in range(200):
            predict(predictions, [number])
        (rows,) = logged(predictions).values()
        numbers = [int(row["response_payload"][0]) for row in rows]
        assert 49 <= len(numbers) <= 51
        assert numbers == sorted(numbers)

    @pytest.mark.parametrize(
        ("uri", "table"),
        [
            ("", f"bq://p1.logging_late_flights_7.{TABLE}"),
            ("bq://other", f"bq://other.logging_late_flights_7.{TABLE}"),
            ("bq://other.mine", f"bq://other.mine.{TABLE}"),
            ("bq://other.mine.too", "bq://other.mine.too"),
        ],
    )
    def test_where_rows_go(self, predictions: Predictions, uri: str, table: str) -> None:
        config = {**ALL, "bigquery_destination": {"output_uri": uri}}
        predictions.serve({"1": predicting(sum)}, predict_request_response_logging_config=config)
        predict(predictions, [1])
        assert list(logged(predictions)) == [table]

    @pytest.mark.parametrize("change", [{"enabled": False}, {"sampling_rate": 0.0}])
    def test_nothing_is_logged_that_was_not_asked_for(self, predictions: Predictions, change: dict[str, Any]) -> None:
        predictions.serve({"1": predicting(sum)}, predict_request_response_logging_config={**ALL, **change})
        predict(predictions, [1])
        assert logged(predictions) == {}

    @pytest.mark.parametrize(
        "error", [exceptions.NotFound("no such dataset"), exceptions.ServiceUnavailable("down"), ValueError("a defect")]
    )
    def test_a_log_that_fails_fails_no_prediction(
        self, predictions: Predictions, error: Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        predictions.serve({"1": predicting(sum)}, predict_request_response_logging_config=ALL)
        predictions.tables.error = error
        assert list(predict(predictions, [1]).predictions) == [1.0]
        assert logged(predictions) == {}
        (record,) = caplog.records
        assert "1 predictions were not logged in bq://p1.logs.all" in record.getMessage()


def logged(predictions: Predictions) -> dict[str, list[dict[str, Any]]]:
    """The rows by table, once all are written."""
    predictions.service.close()
    return predictions.tables.rows


def test_what_stays_unbuilt(predictions: Predictions) -> None:
    """Publishers' models are generative; the streaming-tensor methods have no answer at all."""
    request = types.PredictRequest(endpoint="projects/p1/locations/us-central1/publishers/google/models/gemini")
    request.instances.append(struct_pb2.Value(number_value=1))
    with pytest.raises(exceptions.MethodNotImplemented, match="publishers/google/models/gemini"):
        predictions.service.predict(request)
    for name in ("stream_direct_predict", "streaming_predict", "server_streaming_predict", "generate_content"):
        assert not hasattr(predictions.service, name)
