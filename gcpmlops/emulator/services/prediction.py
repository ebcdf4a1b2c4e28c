"""google.cloud.aiplatform.v1.PredictionService: requests to endpoints go to the servers of their deployed models."""

from __future__ import annotations

import contextlib
import json
import random
from typing import Any

from google.api import httpbody_pb2
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.unix_http import HttpReply
from gcpmlops.emulator.services import traffic, values
from gcpmlops.emulator.services.deployments import Deployments
from gcpmlops.emulator.services.model_rows import ModelRows

JSON = "application/json"
TIMEOUT_SECONDS = 60.0  # Vertex AI's own limit


class PredictionService(Service):
    """Answers as the deployed model that the traffic split picks, request by request."""

    proto = "google.cloud.aiplatform.v1.PredictionService"

    def __init__(self, context: Context, deployments: Deployments, *, seed: int | None = None) -> None:
        super().__init__(context)
        self._deployments = deployments
        self._models = ModelRows(context.store)
        self._endpoints: Any = context.store.collection(types.Endpoint)
        self._chance = random.Random(seed)  # noqa: S311 - shares traffic, keeps no secret

    def predict(self, request: types.PredictRequest) -> types.PredictResponse:
        """`instances` and `parameters` as JSON to the container, its `predictions` back."""
        pb = types.PredictRequest.pb(request)
        if not pb.instances:
            raise validate.invalid("instances", "required, but missing.")
        body: dict[str, Any] = {"instances": [values.to_plain(item) for item in pb.instances]}
        if pb.HasField("parameters"):
            body["parameters"] = values.to_plain(pb.parameters)
        deployed = self._pick(pb.endpoint)
        reply = self._send(pb.endpoint, deployed, json.dumps(body).encode(), JSON)
        check_status(reply)
        return self._response(deployed, parsed(reply))

    def raw_predict(self, request: types.RawPredictRequest) -> httpbody_pb2.HttpBody:
        """The body as it is to the container, and the container's back."""
        deployed = self._pick(request.endpoint)
        body = request.http_body
        reply = self._send(request.endpoint, deployed, body.data, body.content_type or JSON)
        check_status(reply)
        current_call().reply_headers.update(
            {
                "X-Vertex-AI-Endpoint-Id": request.endpoint.rpartition("/")[2],
                "X-Vertex-AI-Deployed-Model-Id": deployed.id,
                "X-Vertex-AI-Model": deployed.model,
                "X-Vertex-AI-Model-Version-Id": deployed.model_version_id,
            }
        )
        return httpbody_pb2.HttpBody(content_type=reply.headers.get("content-type", JSON), data=reply.body)

    def _pick(self, name: str) -> Any:
        endpoint = types.Endpoint.pb(self._endpoints.get(name))
        if not endpoint.deployed_models:
            raise exceptions.FailedPrecondition(f"{name} has no deployed model: deploy one first.")
        chosen = traffic.choose(endpoint.traffic_split, self._chance)
        for deployed in endpoint.deployed_models:
            if deployed.id == chosen:
                return deployed
        raise exceptions.FailedPrecondition(f"{name} has no traffic_split: give a deployed model traffic first.")

    def _send(self, endpoint: str, deployed: Any, body: bytes, content_type: str) -> HttpReply:
        server = self._deployments.find(endpoint, deployed.id)
        remaining = current_call().remaining()
        timeout = TIMEOUT_SECONDS if remaining is None else max(0.001, min(remaining, TIMEOUT_SECONDS))
        return server.request("POST", server.spec.predict_route, body, {"content-type": content_type}, timeout)

    def _response(self, deployed: Any, answer: dict[str, Any]) -> types.PredictResponse:
        pb = types.PredictResponse.pb()(
            deployed_model_id=deployed.id,
            model=deployed.model,
            model_version_id=deployed.model_version_id,
            model_display_name=self._models.head(deployed.model).display_name,
        )
        for prediction in answer["predictions"]:
            values.fill(pb.predictions.add(), prediction)
        if "metadata" in answer:
            values.fill(pb.metadata, answer["metadata"])
        response: types.PredictResponse = types.PredictResponse.wrap(pb)
        return response


def parsed(reply: HttpReply) -> dict[str, Any]:
    """The container's answer. Raises InternalServerError where it breaks the contract."""
    try:
        answer = json.loads(reply.body)
    except ValueError as error:
        raise exceptions.InternalServerError(f"Invalid response from prediction server: {error}") from error
    if not isinstance(answer, dict) or not isinstance(answer.get("predictions"), list):
        text = reply.body[:500].decode(errors="replace")
        raise exceptions.InternalServerError(
            f"Invalid response from prediction server - the response field predictions is missing. Response: {text}"
        )
    return answer


def check_status(reply: HttpReply) -> None:
    """Raises what Vertex AI makes of a container's refusal: 400 FAILED_PRECONDITION with the container's text."""
    if reply.status == 200:
        return
    text = reply.body.decode(errors="replace")
    with contextlib.suppress(ValueError, TypeError, KeyError):  # any other body is the text itself
        text = json.loads(text)["error"]
    if reply.status == 429:
        raise exceptions.ResourceExhausted(text)
    if reply.status < 500:
        raise exceptions.FailedPrecondition(text)
    kind = exceptions.ServiceUnavailable if reply.status == 503 else exceptions.InternalServerError
    raise kind(text)
