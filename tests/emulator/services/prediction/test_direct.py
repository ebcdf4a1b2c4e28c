"""DirectPredict and DirectRawPredict: tensors and rows, and a container's own gRPC server."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.port_grpc import PortGrpc
from gcpmlops.emulator.services.prediction import tensors

from .conftest import ENDPOINT, Predictions, predicting

Tensor = types.Tensor
DataType = Tensor.DataType


def direct(predictions: Predictions, *inputs: Any, **fields: Any) -> types.DirectPredictResponse:
    request = types.DirectPredictRequest(endpoint=ENDPOINT, inputs=inputs, **fields)
    return predictions.service.direct_predict(request)


def test_each_input_is_an_instance_and_each_output_its_prediction(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(lambda row: [value * 2 for value in row])})
    rows = [Tensor(dtype=DataType.FLOAT, shape=[2], float_val=[1.5, 2]), Tensor(double_val=[3, 4])]
    parameters = Tensor(struct_val={"top": Tensor(int_val=[3])})
    response = direct(predictions, *rows, parameters=parameters)
    assert [list(output.double_val) for output in response.outputs] == [[3.0, 4.0], [6.0, 8.0]]
    assert [(output.dtype, list(output.shape)) for output in response.outputs] == [(DataType.DOUBLE, [2])] * 2
    assert response.parameters == parameters
    assert json.loads(predictions.pools["1"].bodies[0]) == {
        "instances": [[1.5, 2.0], [3.0, 4.0]],
        "parameters": {"top": 3},
    }


def test_one_matrix_is_a_batch(predictions: Predictions) -> None:
    predictions.serve({"1": predicting(sum)})
    response = direct(predictions, Tensor(dtype=DataType.INT64, shape=[3, 2], int64_val=list(range(6))))
    (output,) = response.outputs
    assert (list(output.int64_val), list(output.shape)) == ([1, 5, 9], [3])
    assert predictions.metrics.records[0]["predictions"] == 3


@pytest.mark.parametrize(
    ("tensor", "plain"),
    [
        (Tensor(), None),
        (Tensor(string_val=["a"]), "a"),
        (Tensor(shape=[1], string_val=["a"]), ["a"]),
        (Tensor(bool_val=[True, False]), [True, False]),
        (Tensor(bytes_val=[b"\x00"]), {"b64": "AA=="}),
        (Tensor(shape=[2, 1, 2], int_val=[1, 2, 3, 4]), [[[1, 2]], [[3, 4]]]),
        (Tensor(shape=[0, 3]), []),
        (Tensor(dtype=DataType.UINT16, shape=[2], tensor_val=struct.pack("<2H", 1, 65535)), [1, 65535]),
        (Tensor(list_val=[Tensor(int_val=[1]), Tensor(struct_val={"x": Tensor(double_val=[0.5])})]), [1, {"x": 0.5}]),
    ],
)
def test_tensors_as_json(tensor: Tensor, plain: Any) -> None:
    assert tensors.to_plain(Tensor.pb(tensor)) == plain


@pytest.mark.parametrize(
    "plain", [1, 0.5, "a", True, [1, 2], [[0.5, 1.5], [2.5, 3.5]], {"a": [1], "b": "c"}, [[1], [2, 3]], [1, "a"], [{}]]
)
def test_json_as_tensors_and_back(plain: Any) -> None:
    tensor = Tensor.pb()()
    tensors.fill(tensor, plain)
    assert tensors.to_plain(tensor) == plain or plain == [{}]


@pytest.mark.parametrize(
    ("tensor", "text"),
    [
        (Tensor(shape=[2, 2], int_val=[1, 2, 3]), r"\[2, 2\] does not hold 3 values"),
        (Tensor(dtype=DataType.INT32, tensor_val=b"12345"), "1 bytes are over"),
        (Tensor(dtype=DataType.STRING, tensor_val=b"12345"), "STRING has no raw content"),
    ],
)
def test_tensors_that_contradict_themselves(predictions: Predictions, tensor: Tensor, text: str) -> None:
    predictions.serve({"1": predicting(sum)})
    with pytest.raises(exceptions.InvalidArgument, match=text):
        direct(predictions, tensor)
    with pytest.raises(exceptions.InvalidArgument, match="inputs: required"):
        direct(predictions)


class Reverse(grpc.GenericRpcHandler):
    """A server with one method, of bytes."""

    def service(self, details: Any) -> Any:
        def answer(message: bytes, context: Any) -> bytes:
            if not message:
                context.abort(grpc.StatusCode.OUT_OF_RANGE, "nothing to turn round")
            return message[::-1]

        return grpc.unary_unary_rpc_method_handler(answer) if details.method == "/demo.Words/Reverse" else None


@pytest.fixture
def client() -> Iterator[PortGrpc]:
    server = grpc.server(ThreadPoolExecutor(1), handlers=[Reverse()])
    client = PortGrpc(server.add_insecure_port("127.0.0.1:0"))
    server.start()
    yield client
    client.close()
    server.stop(None)


def test_bytes_go_to_the_containers_own_method(predictions: Predictions, client: PortGrpc) -> None:
    predictions.serve({"1": predicting(sum)})
    pool: Any = predictions.pools["1"]

    def ask(method: str, message: bytes = b"abc") -> bytes:
        request = types.DirectRawPredictRequest(endpoint=ENDPOINT, method_name=method, input=message)
        return predictions.service.direct_raw_predict(request).output

    pool.spec.grpc = False
    with pytest.raises(exceptions.FailedPrecondition, match="has no gRPC server"):
        ask("/demo.Words/Reverse")
    pool.spec.grpc, pool.call = True, client.call
    assert ask("/demo.Words/Reverse") == b"cba"
    assert ask("/demo.Words/Reverse/") == b"cba"
    with pytest.raises(exceptions.MethodNotImplemented):
        ask("/demo.Words/Other")
    with pytest.raises(exceptions.OutOfRange, match="nothing to turn round"):
        ask("/demo.Words/Reverse", b"")
    with pytest.raises(exceptions.InvalidArgument, match=r"is not /namespace\.Service/Method"):
        ask("Reverse")
    assert [record["status"] for record in predictions.metrics.records] == [400, 200, 200, 501, 400]
