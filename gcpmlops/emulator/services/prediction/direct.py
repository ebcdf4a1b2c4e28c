"""DirectPredict and DirectRawPredict: tensors to the container's predict route, bytes to its own gRPC server."""

from __future__ import annotations

import re
from typing import Any

import orjson
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.prediction import replies, tensors
from gcpmlops.emulator.services.prediction.containers import JSON, Containers, Target
from gcpmlops.emulator.services.prediction.observed import Observer

_METHOD = re.compile(r"(/[\w.]+/\w+)/?")


class Direct:
    """Picks deployed models as the other methods do."""

    def __init__(self, containers: Containers, observer: Observer) -> None:
        self._containers = containers
        self._observer = observer

    def predict(self, request: types.DirectPredictRequest) -> types.DirectPredictResponse:
        """Each input is an instance, and each output its prediction; one matrix alone is a batch of rows.

        Raises: InvalidArgument for a tensor whose values don't fill its shape; as Predict.
        """
        pb = types.DirectPredictRequest.pb(request)
        body, is_batch = plain_request(pb)
        with self._observer.request(pb.endpoint, len(body["instances"])) as seen:
            data = orjson.dumps(body)
            _, reply = self._containers.ask(pb.endpoint, seen, lambda target: target.post(data, JSON))
            found = replies.predictions(reply)["predictions"]
        response = types.DirectPredictResponse.pb()()
        for output in [found] if is_batch else found:
            tensors.fill(response.outputs.add(), output)
        if pb.HasField("parameters"):
            response.parameters.CopyFrom(pb.parameters)
        wrapped: types.DirectPredictResponse = types.DirectPredictResponse.wrap(response)
        return wrapped

    def raw_predict(self, request: types.DirectRawPredictRequest) -> types.DirectRawPredictResponse:
        """The container's gRPC method of that name.

        Raises: InvalidArgument for another form of a name; FailedPrecondition for a container without gRPC; what the
            method answers.
        """
        pb = types.DirectRawPredictRequest.pb(request)
        method = _METHOD.fullmatch(pb.method_name)
        if method is None:
            raise validate.invalid("method_name", f"{pb.method_name!r} is not /namespace.Service/Method.")
        with self._observer.request(pb.endpoint, 1) as seen:
            _, output = self._containers.ask(pb.endpoint, seen, lambda target: called(target, method[1], pb.input))
        return types.DirectRawPredictResponse(output=output)


def plain_request(pb: Any) -> tuple[dict[str, Any], bool]:
    """The container's request body, and whether its instances are the rows of one tensor."""
    if not pb.inputs:
        raise validate.invalid("inputs", "required, but missing.")
    is_batch = len(pb.inputs) == 1 and len(pb.inputs[0].shape) == 2
    inputs = [tensors.to_plain(tensor) for tensor in pb.inputs]
    body: dict[str, Any] = {"instances": inputs[0] if is_batch else inputs}
    if pb.HasField("parameters"):
        body["parameters"] = tensors.to_plain(pb.parameters)
    return body, is_batch


def called(target: Target, method: str, message: bytes) -> bytes:
    """The answer of the container's method; its errors are the caller's."""
    import grpc

    if not target.pool.spec.grpc:
        raise exceptions.FailedPrecondition(
            f"Deployed model {target.deployed.id} of {target.endpoint.name} has no gRPC server: DirectRawPredict needs "
            "a custom container whose container_spec.grpc_ports are declared (here it listens on AIP_GRPC_PORT)."
        )
    try:
        answer: bytes = target.pool.call(method, message, target.seconds)
    except grpc.RpcError as error:
        raise exceptions.from_grpc_error(error) from error
    return answer
