"""google.cloud.aiplatform.v1.PredictionService: requests to endpoints go to the servers of their deployed models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson
from google.api import httpbody_pb2
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate, values
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.deployments import Deployments
from gcpmlops.emulator.services.prediction import replies
from gcpmlops.emulator.services.prediction.containers import JSON, Containers, Target
from gcpmlops.emulator.services.prediction.direct import Direct
from gcpmlops.emulator.services.prediction.explain import Explainer
from gcpmlops.emulator.services.prediction.observed import Metrics, Observer
from gcpmlops.emulator.services.prediction.request_log import RequestLog, Tables
from gcpmlops.emulator.services.prediction.rows import Rows
from gcpmlops.emulator.services.prediction.streaming import Streaming


class PredictionService(Service):
    """Answers as the deployed model that the traffic split picks, request by request.

    Args:
        metrics: hears of every request that reached a model.
        tables: where predictions are logged for endpoints that want it; None: nowhere.
        request_log: takes its place where other services read it, too.
        seed: shifts the even spread of the traffic and of the sample that is logged.
    """

    proto = "google.cloud.aiplatform.v1.PredictionService"

    def __init__(
        self,
        context: Context,
        deployments: Deployments,
        *,
        metrics: Metrics | None = None,
        tables: Callable[[], Tables] | None = None,
        request_log: RequestLog | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(context)
        self._containers = Containers(context.store, deployments, start=seed)
        self._observer = Observer(metrics)
        self._log = request_log or RequestLog(tables, context.clock.now, start=seed, agenda=context.agenda)
        self._direct = Direct(self._containers, self._observer)
        self._explainer = Explainer(context.store, self._containers, self._observer)
        self._streaming = Streaming(self._containers, self._observer, self._log)
        self._display_names: Rows[str] = Rows(context.store.collection(types.Model), lambda model: model.display_name)

    def predict(self, request: types.PredictRequest) -> types.PredictResponse:
        """`instances` and `parameters` as JSON to the container, its `predictions` back."""
        pb = types.PredictRequest.pb(request)
        plain = plain_request(pb)
        body = orjson.dumps(plain)
        with self._observer.request(pb.endpoint, len(pb.instances)) as seen:
            target, reply = self._containers.ask(pb.endpoint, seen, lambda target: target.post(body, JSON))
            answer = replies.predictions(reply)
            response = self._response(target, answer)
        if self._log.takes(target.endpoint):
            self._log.write(target, plain["instances"], answer["predictions"])
        return response

    def raw_predict(self, request: types.RawPredictRequest) -> httpbody_pb2.HttpBody:
        """The body as it is to the container, and the container's back."""
        pb = types.RawPredictRequest.pb(request)
        body, content_type = pb.http_body.data, pb.http_body.content_type or JSON
        with self._observer.request(pb.endpoint, 1) as seen:
            target, reply = self._containers.ask(pb.endpoint, seen, lambda target: target.post(body, content_type))
            replies.check(reply.status, reply.body)
        current_call().reply_headers.update(target.headers())
        if self._log.takes(target.endpoint):
            self._log.write(target, [body], [reply.body])
        return httpbody_pb2.HttpBody(content_type=reply.headers.get("content-type", JSON), data=reply.body)

    def stream_raw_predict(self, request: types.StreamRawPredictRequest) -> Iterator[httpbody_pb2.HttpBody]:
        """The same, with the container's body as it comes."""
        return self._streaming.stream(request)

    def direct_predict(self, request: types.DirectPredictRequest) -> types.DirectPredictResponse:
        """Tensors to the container, and its predictions as tensors."""
        return self._direct.predict(request)

    def direct_raw_predict(self, request: types.DirectRawPredictRequest) -> types.DirectRawPredictResponse:
        """Bytes to a method of the container's own gRPC server, and its answer."""
        return self._direct.raw_predict(request)

    def explain(self, request: types.ExplainRequest) -> types.ExplainResponse:
        """Predictions, with attributions by sampled Shapley."""
        return self._explainer.explain(request, plain_request(types.ExplainRequest.pb(request)))

    def close(self) -> None:
        """Write what is still to be logged."""
        self._log.close()

    def _response(self, target: Target, answer: dict[str, Any]) -> types.PredictResponse:
        deployed = target.deployed
        pb = types.PredictResponse.pb()(
            deployed_model_id=deployed.id,
            model=deployed.model,
            model_version_id=deployed.model_version_id,
            model_display_name=self._display_names.get(deployed.model),
        )
        values.extend(pb, "predictions", answer["predictions"])
        if "metadata" in answer:
            values.fill(pb.metadata, answer["metadata"])
        response: types.PredictResponse = types.PredictResponse.wrap(pb)
        return response


def plain_request(pb: Any) -> dict[str, Any]:
    """The container's request body of a message with `instances` and `parameters`. Raises InvalidArgument."""
    if not pb.instances:
        raise validate.invalid("instances", "required, but missing.")
    field = "instances"
    try:
        body: dict[str, Any] = {"instances": [values.to_plain(item) for item in pb.instances]}
        if pb.HasField(field := "parameters"):
            body["parameters"] = values.to_plain(pb.parameters)
    except ValueError as error:
        raise validate.invalid(field, f"{error}.") from error
    return body
