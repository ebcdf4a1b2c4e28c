"""The contract, read off the installed official clients: it cannot drift from what they send.

This is the one file that reads private attributes of GAPIC packages. gRPC methods come from a transport built on a
recording channel, REST rules from ``rest_base.py`` (from ``rest_rules.json`` for packages that ship no REST transport).
"""

from __future__ import annotations

import gc
import importlib
import json
import pkgutil
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import grpc

_IAM = "google.iam.v1.iam_policy_pb2"


@dataclass(frozen=True)
class HttpRule:
    """One REST binding: ``POST /v1/{parent=projects/*}/things`` with its body field (``*`` is the whole request)."""

    verb: str
    uri: str
    body: str = ""


@dataclass(frozen=True)
class Method:
    """One RPC, as the official client calls it.

    ``request`` and ``response`` are proto-plus or protobuf classes; ``decode`` and ``encode`` go from and to bytes.
    """

    service: str
    name: str
    attribute: str
    request: Any
    response: Any
    client_streams: bool = False
    server_streams: bool = False
    http: tuple[HttpRule, ...] = ()
    decode: Callable[[bytes], Any] = field(default=bytes, repr=False)
    encode: Callable[[Any], bytes] = field(default=bytes, repr=False)

    @property
    def path(self) -> str:
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True)
class ServiceContract:
    """All RPCs of one proto service."""

    proto: str
    methods: dict[str, Method]


class _Stub:
    """What the recording channel hands out instead of a callable."""

    def __init__(self, kind: str, path: str, serializer: Any, deserializer: Any) -> None:
        self.kind, self.path, self.serializer, self.deserializer = kind, path, serializer, deserializer


def _codecs(request_serializer: Any = None, response_deserializer: Any = None, *_: Any, **__: Any) -> tuple[Any, Any]:
    return request_serializer, response_deserializer


class _RecordingChannel(grpc.Channel):  # type: ignore[misc]  # grpc ships no types
    """Remembers, for every stub asked of it, the method path and the two message types."""

    def unary_unary(self, method: str, *codecs: Any, **named: Any) -> Any:
        return _Stub("unary_unary", method, *_codecs(*codecs, **named))

    def unary_stream(self, method: str, *codecs: Any, **named: Any) -> Any:
        return _Stub("unary_stream", method, *_codecs(*codecs, **named))

    def stream_unary(self, method: str, *codecs: Any, **named: Any) -> Any:
        return _Stub("stream_unary", method, *_codecs(*codecs, **named))

    def stream_stream(self, method: str, *codecs: Any, **named: Any) -> Any:
        return _Stub("stream_stream", method, *_codecs(*codecs, **named))

    def subscribe(self, callback: Any, try_to_connect: bool = False) -> None:
        """Nothing to connect to."""

    def unsubscribe(self, callback: Any) -> None:
        """Nothing to connect to."""

    def close(self) -> None:
        """Nothing to close."""

    def __enter__(self) -> _RecordingChannel:
        return self

    def __exit__(self, *_: object) -> None:
        return None


_import_lock = threading.RLock()


@contextmanager
def _importing() -> Iterator[None]:
    """One thread at a time, and without garbage collection: a large package makes many objects and no garbage."""
    with _import_lock:
        collecting, before = gc.isenabled(), len(sys.modules)
        gc.disable()
        try:
            yield
        finally:
            if collecting:
                if len(sys.modules) > before:
                    gc.freeze()  # what was imported stays: later collections needn't look at it
                gc.enable()


def services(package: str) -> list[str]:
    """The proto services of a GAPIC package, by the names of their folders."""
    with _importing():
        importlib.import_module(package)  # as in load
        parent = importlib.import_module(f"{package}.services")
        return sorted(module.name for module in pkgutil.iter_modules(parent.__path__) if module.ispkg)


@cache
def load(package: str, folder: str) -> ServiceContract:
    """The contract of one service, e.g. ``load("google.cloud.aiplatform_v1", "job_service")``."""
    with _importing():
        importlib.import_module(package)  # waits for another thread that is at it; an import of a part would not
        base = f"{package}.services.{folder}.transports"
        transport = _transport(importlib.import_module(f"{base}.grpc"), "GrpcTransport")
        stubs = dict(_stubs(transport))
        proto = _own_proto(stubs, transport.__name__)
        rules = _rules(base, proto)
        own = {name: stub for name, stub in stubs.items() if stub.path.startswith(f"/{proto}/")}
        methods = [_method(attribute, stub, rules) for attribute, stub in own.items()]
    return ServiceContract(proto, {method.name: method for method in methods})


def folder_of(proto: str) -> str:
    """``google.cloud.aiplatform.v1.JobService`` → ``job_service``."""
    name = proto.rsplit(".", 1)[-1]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _transport(module: Any, suffix: str) -> Any:
    names = [name for name in vars(module) if name.endswith(suffix) and not name.startswith("_Base")]
    return getattr(module, next(name for name in names if getattr(module, name).__module__ == module.__name__))


def _stubs(transport_class: Any) -> Iterator[tuple[str, _Stub]]:
    channel = _RecordingChannel()
    transport = transport_class(channel=channel)
    transport._logged_channel = channel  # the logging interceptor would hide unary stubs
    transport._stubs.clear()
    for name in dir(transport_class):
        if isinstance(getattr(transport_class, name), property) and name not in ("operations_client", "host", "kind"):
            stub = getattr(transport, name)
            if isinstance(stub, _Stub):
                yield name, stub


def _own_proto(stubs: dict[str, _Stub], transport: str) -> str:
    service = transport.removesuffix("GrpcTransport")
    return next(p for p in (stub.path.split("/")[1] for stub in stubs.values()) if p.rsplit(".", 1)[-1] == service)


def _method(attribute: str, stub: _Stub, rules: dict[str, tuple[HttpRule, ...]]) -> Method:
    _, proto, name = stub.path.split("/")
    request, response = _request_type(name, stub.serializer), stub.deserializer.__self__
    client, server = stub.kind.split("_")
    return Method(
        proto, name, attribute.strip("_"), request, response,
        client_streams=client == "stream", server_streams=server == "stream", http=rules.get(name, ()),
        decode=_decoder(request), encode=_encoder(response),
    )  # fmt: skip


def _request_type(name: str, serializer: Any) -> Any:
    owner = getattr(serializer, "__self__", None)
    if owner is not None:
        return owner
    module = importlib.import_module(_IAM)  # plain protobuf serializers don't tell their class: these are IAM's
    return getattr(module, f"{name}Request")


def _decoder(message: Any) -> Callable[[bytes], Any]:
    decode: Callable[[bytes], Any] = message.deserialize if hasattr(message, "deserialize") else message.FromString
    return decode


def _encoder(message: Any) -> Callable[[Any], bytes]:
    if hasattr(message, "serialize"):
        serialize: Callable[[Any], bytes] = message.serialize
        return serialize
    return lambda value: bytes(value.SerializeToString())


def _rules(base: str, proto: str) -> dict[str, tuple[HttpRule, ...]]:
    recorded = _recorded_rules().get(proto)
    if recorded is not None:
        return {name: tuple(HttpRule(*rule) for rule in rules) for name, rules in recorded.items()}
    try:
        module = importlib.import_module(f"{base}.rest_base")
    except ModuleNotFoundError:
        return {}
    transport = next(v for k, v in vars(module).items() if k.startswith("_Base") and k.endswith("RestTransport"))
    return dict(_declared_rules(transport))


def _declared_rules(transport: Any) -> Iterator[tuple[str, tuple[HttpRule, ...]]]:
    for name, inner in vars(transport).items():
        if name.startswith("_Base") and hasattr(inner, "_get_http_options"):
            options = inner._get_http_options()
            yield (
                name.removeprefix("_Base"),
                tuple(HttpRule(o["method"].upper(), o["uri"], o.get("body", "")) for o in options),
            )


@cache
def _recorded_rules() -> dict[str, dict[str, list[list[str]]]]:
    text = resources.files("gcpmlops.emulator.kernel").joinpath("rest_rules.json").read_text("utf-8")
    rules: dict[str, dict[str, list[list[str]]]] = json.loads(text)
    return rules
