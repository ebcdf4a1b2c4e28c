"""gRPC for GAPIC services: one generic handler, the installed client's own (de)serializers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.api_core import exceptions
from google.cloud.location import locations_pb2
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import errors, hosts, locations
from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.call import Call, answering, current_call
from gcpmlops.emulator.kernel.contract import Method
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.registry import Bound, BoundApi, not_built

_MAX_MESSAGE = 1024**3  # bytes
_THREADS = 64  # unary calls at a time
_STREAMS = 1024  # open streams at a time: a thread each, made when one is opened, so that they keep no call waiting
_OPERATIONS = "google.longrunning.Operations"
_IAM = "google.iam.v1.IAMPolicy"
_IAM_METHODS = {
    "GetIamPolicy": "get_iam_policy",
    "SetIamPolicy": "set_iam_policy",
    "TestIamPermissions": "test_iam_permissions",
}


class GrpcApi(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    """Answers every method of every API by its path."""

    def __init__(self, apis: Iterable[BoundApi], operations: Operations, authenticator: Authenticator) -> None:
        self._apis = list(apis)
        self._authenticator = authenticator
        self._operations = _operation_methods(operations)
        self._locations = _location_methods()
        self._streams = ThreadPoolExecutor(_STREAMS, thread_name_prefix="stream")
        self._cache: dict[str, Any] = {}

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method path; gRPC calls this once for every call, and hides what is raised here."""
        path = handler_call_details.method
        handler = self._cache.get(path)
        if handler is None:
            try:
                handler = self._cache[path] = self._make(path)
            except Exception as error:  # noqa: BLE001 - errors.py maps every one; the next call tries again
                return grpc.unary_stream_rpc_method_handler(self._refusal(error))
        return handler

    def _make(self, path: str) -> Any:
        proto, _, name = path.removeprefix("/").rpartition("/")
        if proto == _OPERATIONS and name in self._operations:
            return self._handler(self._operations[name], "v1")
        if proto == _IAM and name in _IAM_METHODS:
            return self._handler(self._policy_method(name), "v1")
        if proto == locations.PROTO and name in self._locations:
            return self._handler(self._locations[name], "v1")
        for api in self._apis:
            for version in (api.api.version, *api.api.aliases):
                package = f"{api.api.proto.rsplit('.', 1)[0]}.{version}"
                if proto.rpartition(".")[0] == package:
                    own = f"{api.api.proto}.{proto.rpartition('.')[2]}"
                    return self._handler(api.method(own, name), version, proto, name)
        return self._handler(None, "v1", proto, name)

    def _policy_method(self, name: str) -> Bound:
        """IAM is the same service on every host; the call's ``:authority`` tells whose resources it is about."""
        from google.iam.v1 import iam_policy_pb2, policy_pb2

        request_type = getattr(iam_policy_pb2, f"{name}Request")
        response_type = getattr(iam_policy_pb2, f"{name}Response", policy_pb2.Policy)

        def answer(request: Any) -> Any:
            host = current_call().host
            of_host = (api for api in self._apis if api.api.host.partition(".")[0] == hosts.service_of(host, ""))
            for found, service in ((api, service) for api in of_host for service in api.built(_IAM)):
                found.ask(f"{_IAM}.{name}", request)
                return getattr(service, _IAM_METHODS[name])(request)
            raise not_built(f"{host}/{_IAM}", name)

        return Bound(_plain_method(_IAM, name, request_type, response_type), answer)

    def _handler(self, bound: Bound | None, version: str, proto: str = "", name: str = "") -> Any:
        if bound is None or bound.answer is None:
            error = not_built(proto, name)
            return grpc.unary_stream_rpc_method_handler(self._refusal(error))
        make = {
            (False, False): grpc.unary_unary_rpc_method_handler,
            (False, True): grpc.unary_stream_rpc_method_handler,
            (True, False): grpc.stream_unary_rpc_method_handler,
            (True, True): grpc.stream_stream_rpc_method_handler,
        }[bound.method.client_streams, bound.method.server_streams]
        answer = self._streaming(bound, version) if bound.method.server_streams else self._unary(bound, version)
        return make(answer, bound.method.decode, bound.method.encode)

    def _unary(self, bound: Bound, version: str) -> Callable[[Any, Any], Any]:
        answer = bound.answer
        assert answer is not None  # noqa: S101 - checked by the caller
        proto = bound.method.service

        def run(request: Any, context: Any) -> Any:
            try:
                with answering(self._call(context, version, proto)) as call:
                    response = answer(request)
            except Exception as error:  # noqa: BLE001 - errors.py maps every one
                _abort(context, error)
            _send_headers(context, call)
            return response

        return run

    def _streaming(self, bound: Bound, version: str) -> Callable[[Any, Any], Iterator[Any]]:
        answer = bound.answer
        assert answer is not None  # noqa: S101 - checked by the caller
        proto = bound.method.service

        def run(request: Any, context: Any) -> Iterator[Any]:
            try:
                with answering(self._call(context, version, proto)) as call:
                    yield from answer(request)
                    _send_headers(context, call)
            except Exception as error:  # noqa: BLE001 - errors.py maps every one
                _abort(context, error)

        run.experimental_thread_pool = self._streams  # type: ignore[attr-defined]  # gRPC looks there for one
        return run

    def _refusal(self, error: Exception) -> Callable[[Any, Any], Any]:
        def run(_: Any, context: Any) -> Any:
            try:
                self._call(context, "v1", "")
            except exceptions.GoogleAPICallError as denied:
                _abort(context, denied)
            _abort(context, error)

        return run

    def _call(self, context: Any, version: str, proto: str) -> Call:
        headers = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        caller = self._authenticator.caller(headers.get("authorization"))
        host = _authority(context).rsplit(":", 1)[0]
        hosts.check_dedicated(host, proto)
        return Call(caller, version, headers, is_active=context.is_active, remaining=context.time_remaining, host=host)


def _authority(context: Any) -> str:
    """The `:authority` that was asked; gRPC's Python server has it, and no public way to it."""
    host: bytes = context._rpc_event.call_details.host
    return host.decode("latin-1").lower()


def _send_headers(context: Any, call: Call) -> None:
    if call.reply_headers:
        context.set_trailing_metadata(tuple((key.lower(), value) for key, value in call.reply_headers.items()))


def _abort(context: Any, error: BaseException) -> None:
    status = errors.to_status(error)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(errors.grpc_code(errors.normalise(error)), status.message)


def _plain_method(proto: str, name: str, request: Any, response: Any) -> Method:
    """A method of plain protobuf messages, which no package describes."""
    return Method(
        proto, name, name, request, response,
        decode=request.FromString, encode=lambda value: bytes(value.SerializeToString()),
    )  # fmt: skip


def _operation_methods(operations: Operations) -> dict[str, Bound]:
    def bound(name: str, request: Any, response: Any, answer: Callable[[Any], Any]) -> Bound:
        return Bound(_plain_method(_OPERATIONS, name, request, response), answer)

    pb = operations_pb2
    made = [
        bound("GetOperation", pb.GetOperationRequest, pb.Operation, operations.get_operation),
        bound("ListOperations", pb.ListOperationsRequest, pb.ListOperationsResponse, operations.list_operations),
        bound("DeleteOperation", pb.DeleteOperationRequest, empty_pb2.Empty, operations.delete_operation),
        bound("CancelOperation", pb.CancelOperationRequest, empty_pb2.Empty, operations.cancel_operation),
        bound("WaitOperation", pb.WaitOperationRequest, pb.Operation, operations.wait_operation),
    ]
    return {item.method.name: item for item in made}


def _location_methods() -> dict[str, Bound]:
    pb = locations_pb2
    made = [
        (_plain_method(locations.PROTO, "GetLocation", pb.GetLocationRequest, pb.Location), locations.get_location),
        (
            _plain_method(locations.PROTO, "ListLocations", pb.ListLocationsRequest, pb.ListLocationsResponse),
            locations.list_locations,
        ),
    ]
    return {method.name: Bound(method, answer) for method, answer in made}


def serve(handler: GrpcApi, socket_path: str) -> grpc.Server:
    """Starts the gRPC server on a unix socket; the front relays connections to it."""
    options = [
        ("grpc.max_receive_message_length", _MAX_MESSAGE),
        ("grpc.max_send_message_length", _MAX_MESSAGE),
        ("grpc.so_reuseport", 0),
        # Long idle streams (log tails) keep their connections alive.
        ("grpc.http2.min_ping_interval_without_data_ms", 5000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]
    pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc")
    server = grpc.server(pool, handlers=[handler], options=options)
    server.add_insecure_port(f"unix:{socket_path}")
    server.start()
    return server
