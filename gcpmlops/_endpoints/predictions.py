"""What is asked of an endpoint: predictions, explanations, the server's own answers, and a test with stored samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from gcpmlops._endpoints import sample_test
from gcpmlops._endpoints.registry import LIST_HINT, EndpointRegistry
from gcpmlops._endpoints.sample_test import EndpointTest
from gcpmlops._endpoints.traffic import deployed_id, nonzero
from gcpmlops._endpoints.values import Explanation, Prediction, instances_of, raw_body
from gcpmlops.clients import Clients
from gcpmlops.exceptions import FailedPrecondition, NotFound, PermissionDenied, translated
from gcpmlops.types import Rows

if TYPE_CHECKING:
    from gcpmlops.models import Models

T = TypeVar("T")


class EndpointPredictions(EndpointRegistry):
    """The part of `client.endpoints` that is about predictions. API: PredictionService.

    Those of a dedicated endpoint go to its own host.
    """

    def __init__(self, clients: Clients, models: Models) -> None:
        super().__init__(clients)
        self._models = models
        self._targets: dict[str, tuple[str, str]] = {}
        """By what a caller calls it: an endpoint's full name, and its own host, if it has one."""

    def predict(
        self,
        name: str,
        *,
        instances: Rows,
        parameters: Mapping[str, Any] | None = None,
        as_records: bool = False,
        timeout: float | None = None,
    ) -> Prediction:
        """Predictions for a list of instances, or for a DataFrame's rows (Predict).

        A DataFrame's rows go as lists of values, which the scikit-learn and XGBoost images take; `as_records` sends
        {column: value}. Raises NotFound, FailedPrecondition where nothing is deployed.
        """
        from google.protobuf.json_format import MessageToDict

        values, extra = _values(instances, parameters, as_records=as_records)
        arguments = {**extra, **self._prediction_arguments(timeout)}
        response = self._ask(name, lambda client, full: client.predict(endpoint=full, instances=values, **arguments))
        body = MessageToDict(type(response).pb(response))
        return Prediction(body.get("predictions", []), response.deployed_model_id, response.model_version_id, response)

    def explain(
        self,
        name: str,
        *,
        instances: Rows,
        parameters: Mapping[str, Any] | None = None,
        deployed_model: str | None = None,
        as_records: bool = False,
        timeout: float | None = None,
    ) -> Explanation:
        """Predictions with feature attributions, of models uploaded or deployed with an explanation spec (Explain).

        `deployed_model`, by id or display name, answers whatever the traffic; otherwise the traffic decides. Raises
        NotFound, FailedPrecondition and InvalidArgument where the model can't be explained.
        """
        from google.protobuf.json_format import MessageToDict

        values, extra = _values(instances, parameters, as_records=as_records)
        arguments = {**extra, **self._prediction_arguments(timeout)}
        if deployed_model is not None:
            arguments["deployed_model_id"] = deployed_id(self.get(name).proto, deployed_model)
        response = self._ask(name, lambda client, full: client.explain(endpoint=full, instances=values, **arguments))
        body = MessageToDict(type(response).pb(response))
        explanations, predictions = body.get("explanations", []), body.get("predictions", [])
        return Explanation(explanations, predictions, response.deployed_model_id, response)

    def raw_predict(
        self,
        name: str,
        *,
        body: bytes | Mapping[str, Any],
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> bytes:
        """The server's own answer to any body (RawPredict). Raises NotFound, FailedPrecondition."""
        request, arguments = _http_body(body, content_type), self._prediction_arguments(timeout)
        answer = self._ask(name, lambda client, full: client.raw_predict(endpoint=full, http_body=request, **arguments))
        return bytes(answer.data)

    def stream_raw_predict(
        self,
        name: str,
        *,
        body: bytes | Mapping[str, Any],
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> Iterator[bytes]:
        """The server's own answer, piece by piece as it comes (StreamRawPredict). Raises NotFound, FailedPrecondition.

        Nothing is sent before the first piece is asked for. A stream that has begun is not repeated.
        """
        request, arguments = _http_body(body, content_type), self._prediction_arguments(timeout)
        chunks = self._ask(
            name, lambda client, full: client.stream_raw_predict(endpoint=full, http_body=request, **arguments)
        )
        with translated(f"endpoint {name}", next_step=LIST_HINT):
            yield from (bytes(chunk.data) for chunk in chunks)

    def test(
        self,
        name: str,
        *,
        instances: Rows | None = None,
        max_requests: int = 200,
        timeout: float | None = None,
    ) -> EndpointTest:
        """Send the samples that were stored with the model, one by one, and say which deployed model made what of them.

        The traffic is as it is: samples are sent again until each model that has some answered, `max_requests` at most.
        Raises FailedPrecondition where nothing serves, or where no samples are stored and no `instances` are given.
        """
        endpoint = self.get(name)
        serving = [(key, endpoint.deployed.get(key, ""), share) for key, share in nonzero(endpoint.traffic).items()]
        if not serving:
            raise FailedPrecondition(
                f"nothing serves on endpoint {endpoint.display_name}",
                resource=endpoint.name,
                next_step="Deploy a model with `gcpmlops endpoints deploy`.",
            )
        samples, parameters = self._samples_for(name, serving, instances)
        return sample_test.run(
            endpoint.name,
            [(key, model.rpartition("/")[2], share) for key, model, share in serving],
            samples,
            lambda some: self.predict(endpoint.name, instances=some, parameters=parameters, timeout=timeout),
            most=max_requests,
        )

    def _samples_for(
        self, name: str, serving: Sequence[tuple[str, str, int]], instances: Rows | None
    ) -> tuple[list[Any], Mapping[str, Any] | None]:
        if instances is not None:
            return instances_of(instances, as_records=False), None
        for _, model, _ in serving:
            samples = self._stored_samples(model)
            if samples:
                return list(samples), samples.parameters
        raise FailedPrecondition(
            f"no samples are stored with the models that serve {name}",
            resource=name,
            next_step="Give instances=, or store some: `client.models.upload(..., samples=[...])`.",
        )

    def _stored_samples(self, model: str) -> Any:
        """The model version's samples; None where it has none, or is gone."""
        try:
            return self._models.samples(model)
        except NotFound:
            return None

    def _ask(self, name: str, call: Callable[[Any, str], T]) -> T:
        """The call's answer. An endpoint that is gone is looked up anew: its name may be another's by now."""
        known = name in self._targets
        try:
            return self._ask_once(name, call)
        except NotFound:
            self._targets.pop(name, None)
            if not known:
                raise
        return self._ask_once(name, call)

    def _ask_once(self, name: str, call: Callable[[Any, str], T]) -> T:
        if name not in self._targets:
            self._targets[name] = self._target(name)
        full, host = self._targets[name]
        client = self._clients.prediction_at(host) if host else self._clients.prediction
        with translated(f"endpoint {name}", next_step=LIST_HINT):
            return call(client, full)

    def _target(self, name: str) -> tuple[str, str]:
        try:
            proto = self.get(name).proto
        except PermissionDenied:  # who may only predict can't know; most endpoints share a host
            return self.resolve(name), ""
        return proto.name, proto.dedicated_endpoint_dns if proto.dedicated_endpoint_enabled else ""

    def _prediction_arguments(self, timeout: float | None) -> dict[str, Any]:
        """A prediction changes nothing: it may be repeated."""
        return {**self._clients.idempotent, "timeout": timeout or self._clients.config.timeout}


def _values(
    instances: Rows, parameters: Mapping[str, Any] | None, *, as_records: bool
) -> tuple[list[Any], dict[str, Any]]:
    from google.protobuf.json_format import ParseDict
    from google.protobuf.struct_pb2 import Value

    values = [ParseDict(instance, Value()) for instance in instances_of(instances, as_records=as_records)]
    return values, {"parameters": ParseDict(dict(parameters), Value())} if parameters else {}


def _http_body(body: bytes | Mapping[str, Any], content_type: str) -> Any:
    from google.api.httpbody_pb2 import HttpBody

    return HttpBody(content_type=content_type, data=raw_body(body))
