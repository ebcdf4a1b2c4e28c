"""REST for GAPIC services: JSON in, the same callables as over gRPC, JSON out."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
from google.api import httpbody_pb2
from google.api_core import exceptions
from google.longrunning import operations_pb2
from google.protobuf import json_format, struct_pb2
from google.protobuf.descriptor import FieldDescriptor

from gcpmlops.emulator.kernel import enum_names, hosts, locations, values
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.contract import HttpRule
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.registry import BoundApi, JsonRoute, not_built
from gcpmlops.emulator.kernel.routes import Match

_OPERATIONS = re.compile(r"/[^/]+/(?P<name>(?:.+/)?operations(?:/[^/:]+)?)(?::(?P<verb>cancel|wait))?")
_SYSTEM = {"alt", "fields", "key", "prettyPrint", "quotaUser", "userProject", "access_token", "callback", "uploadType"}
_JSON = "application/json; charset=UTF-8"
_BYTES = "application/octet-stream"
Reply = tuple[str, bytes | Iterator[bytes]]  # content type, body

_TYPES, _V1, _BETA = "type.googleapis.com/", "google.cloud.aiplatform.v1.", "google.cloud.aiplatform.v1beta1."


class RestApi:
    """Answers the REST calls of one host: of one API, or of several that share it."""

    def __init__(self, apis: Sequence[BoundApi], operations: Operations) -> None:
        self._apis = apis
        self._operations = operations

    def __call__(self, verb: str, path: str, query: str, body: bytes) -> Reply:
        """Runs one call.

        Raises: ``google.api_core`` exceptions; NotFound for a path that the API doesn't have.
        """
        pairs = parse_qsl(query, keep_blank_values=True)
        as_numbers = any(key in ("$alt", "alt") and "enum-encoding=int" in value for key, value in pairs)
        operation = _OPERATIONS.fullmatch(path)
        if operation is not None:
            hosts.check_dedicated(current_call().host, "")
            return _json(self._operation(verb, operation, body, pairs), as_numbers)
        place = locations.PATH.fullmatch(path)
        if place is not None and verb == "GET" and not any(api.route(verb, path) for api in self._apis):
            return _json(locations.answer_path(place, dict(pairs)), as_numbers)
        api, found = self._route(verb, path)
        if isinstance(found.target, JsonRoute):
            variables = {**dict(pairs), **found.variables}
            answer = api.answer_route(found.target, variables, _object(body) if body.strip() else None)
            return _JSON, json.dumps(answer).encode()
        proto, name, rule = found.target
        hosts.check_dedicated(current_call().host, proto)
        bound = api.method(proto, name)
        if bound is None or bound.answer is None:
            raise not_built(proto, name)
        request = _request(bound.method.request, rule, found.variables, pairs, body)
        response = bound.answer(iter([request]) if bound.method.client_streams else request)
        return _stream(response, as_numbers) if bound.method.server_streams else _json(response, as_numbers)

    def _route(self, verb: str, path: str) -> tuple[BoundApi, Match]:
        for api in self._apis:
            found = api.route(verb, path)
            if found is not None:
                return api, found
        raise exceptions.NotFound(f"{verb} {path} is no method of {self._apis[0].api.host}.")

    def _operation(self, verb: str, match: re.Match[str], body: bytes, pairs: list[tuple[str, str]]) -> Any:
        name, custom = unquote(match["name"]), match["verb"]
        if custom == "cancel":
            return self._operations.cancel_operation(operations_pb2.CancelOperationRequest(name=name))
        if custom == "wait":
            request = operations_pb2.WaitOperationRequest(name=name)
            timeout = dict(pairs).get("timeout") or (json.loads(body).get("timeout") if body else None)
            if timeout:
                request.timeout.FromJsonString(timeout)
            return self._operations.wait_operation(request)
        if name.endswith("operations"):
            return self._operations.list_operations(_list_request(name, dict(pairs)))
        if verb == "DELETE":
            return self._operations.delete_operation(operations_pb2.DeleteOperationRequest(name=name))
        return self._operations.get_operation(operations_pb2.GetOperationRequest(name=name))


def _list_request(name: str, query: dict[str, str]) -> operations_pb2.ListOperationsRequest:
    return operations_pb2.ListOperationsRequest(
        name=name.removesuffix("/operations"),
        filter=query.get("filter", ""),
        page_size=int(query.get("pageSize", "0") or 0),
        page_token=query.get("pageToken", ""),
    )


def _request(
    message_type: Any, rule: HttpRule, variables: dict[str, str], pairs: list[tuple[str, str]], body: bytes
) -> Any:
    message = message_type.pb()() if hasattr(message_type, "pb") else message_type()
    tree: dict[str, Any] = {}
    if rule.body == "*" and _is_raw_body(message.DESCRIPTOR, body):
        message.http_body.data = body
        message.http_body.content_type = current_call().headers.get("content-type", "")
    elif rule.body and _is_http_body(message.DESCRIPTOR.fields_by_name.get(rule.body), pairs):
        part = getattr(message, rule.body)
        part.data, part.content_type = body, current_call().headers.get("content-type", "")
    elif rule.body:
        tree = _with_body(rule, body)
    for key, value in pairs:
        if key.lstrip("$") not in _SYSTEM:
            _bind(tree, message.DESCRIPTOR, key.split("."), value)
    for key, value in variables.items():
        _bind(tree, message.DESCRIPTOR, key.split("."), value)
    _fill(message, tree)
    return message_type.wrap(message) if hasattr(message_type, "wrap") else message


def _is_http_body(field: FieldDescriptor | None, pairs: list[tuple[str, str]]) -> bool:
    """A body that is taken as it is (a webhook's), but of the official REST clients, which send a message's JSON."""
    if field is None or field.message_type is not httpbody_pb2.HttpBody.DESCRIPTOR:
        return False
    return not any("enum-encoding=int" in value for _, value in pairs)


def _with_body(rule: HttpRule, body: bytes) -> dict[str, Any]:
    if rule.body != "*":
        return {rule.body: _content(body) if body.strip() else {}}
    return _object(body) if body.strip() else {}


def _object(body: bytes) -> dict[str, Any]:
    content = _content(body)
    if not isinstance(content, dict):
        raise exceptions.InvalidArgument("Invalid JSON payload received: the root must be an object.")
    return content


def _content(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except ValueError as error:
        raise exceptions.InvalidArgument(f"Invalid JSON payload received: {error}.") from None


def _is_raw_body(descriptor: Any, body: bytes) -> bool:
    """``rawPredict`` takes any bytes; the official REST clients wrap them in ``{"httpBody": ...}``."""
    field = descriptor.fields_by_name.get("http_body")
    if field is None or field.message_type is not httpbody_pb2.HttpBody.DESCRIPTOR:
        return False
    return not body.lstrip().startswith(b'{"httpBody"') and b'"httpBody"' not in body[:200]


def _bind(tree: dict[str, Any], descriptor: Any, path: list[str], value: str) -> None:
    """Puts a query or path value at its place in the JSON tree, converted to what the field holds."""
    field = next((f for f in descriptor.fields if path[0] in (f.name, f.json_name)), None)
    if field is None:
        raise exceptions.InvalidArgument(f"Unknown name {'.'.join(path)!r}: Cannot bind query parameter.")
    key = field.json_name if field.json_name in tree else (field.name if field.name in tree else field.json_name)
    if len(path) > 1:
        if field.message_type.GetOptions().map_entry:
            tree.setdefault(key, {})[".".join(path[1:])] = value
        else:
            _bind(tree.setdefault(key, {}), field.message_type, path[1:], value)
    elif field.is_repeated:
        tree.setdefault(key, []).append(_scalar(field, value))
    else:
        tree[key] = _scalar(field, value)


def _scalar(field: FieldDescriptor, value: str) -> Any:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return value.lower() in ("true", "1", "")
    if field.type == FieldDescriptor.TYPE_ENUM and value.lstrip("-").isdigit():
        return int(value)
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.FieldMask":
        return ",".join(re.sub(r"_([a-z])", lambda m: m[1].upper(), part) for part in value.split(","))
    return value


def _fill(message: Any, tree: dict[str, Any]) -> None:
    beta = current_call().version == "v1beta1"  # its own fields are unknown to the v1 messages
    given = dict(tree)
    try:
        _fill_values(message, tree)
        json_format.ParseDict(tree, message, ignore_unknown_fields=beta)
    except (json_format.ParseError, ValueError) as error:
        if "Invalid enum value" in str(error) and (named := enum_names.folded(given, message.DESCRIPTOR)) != given:
            message.Clear()
            _fill(message, named)
            return
        raise exceptions.InvalidArgument(f"Invalid JSON payload received: {error}") from None


def _fill_values(message: Any, tree: dict[str, Any]) -> None:
    """Moves rows of instances out of the tree: json_format would take most of a prediction's time for them."""
    for field in message.DESCRIPTOR.fields:
        key = field.json_name if field.json_name in tree else field.name
        if field.message_type is struct_pb2.Value.DESCRIPTOR and field.is_repeated and isinstance(tree.get(key), list):
            values.extend(message, field.name, tree.pop(key))


def _text(message: Any, as_numbers: bool) -> str:
    plain = raw(message)
    if isinstance(plain, operations_pb2.Operation) and _BETA in f"{plain.metadata.type_url} {plain.response.type_url}":
        plain = _as_v1(plain)  # no beta type is loaded here; their fields are the same
        text = json_format.MessageToJson(plain, use_integers_for_enums=as_numbers, ensure_ascii=False)
        return str(text.replace(f'"@type": "{_TYPES}{_V1}', f'"@type": "{_TYPES}{_BETA}'))
    return str(json_format.MessageToJson(plain, use_integers_for_enums=as_numbers, ensure_ascii=False))


def _as_v1(operation: operations_pb2.Operation) -> operations_pb2.Operation:
    copy = operations_pb2.Operation()
    copy.CopyFrom(operation)
    for packed in (copy.metadata, copy.response):
        packed.type_url = packed.type_url.replace(_BETA, _V1)
    return copy


def _json(message: Any, as_numbers: bool) -> Reply:
    """JSON; an HttpBody as it is, but for the official REST clients, which look for a message in it."""
    plain = raw(message)
    if isinstance(plain, httpbody_pb2.HttpBody) and not as_numbers:
        return plain.content_type or _BYTES, plain.data
    return _JSON, _text(plain, as_numbers).encode()


def _stream(messages: Iterator[Any], as_numbers: bool) -> Reply:
    """A JSON array, item by item, as the official REST clients read it; for others an HttpBody's bytes as they come.

    Raises: what the method raises before its first message, while an HTTP status can still tell.
    """
    waiting = iter(messages)
    first = list(islice(waiting, 1))
    if first and isinstance(first[0], httpbody_pb2.HttpBody) and not as_numbers:
        return first[0].content_type or _BYTES, (part.data for part in chain(first, waiting))

    def parts() -> Iterator[bytes]:
        separator = "["
        for message in chain(first, waiting):
            yield (separator + _text(message, as_numbers)).encode()
            separator = ",\r\n"
        yield b"]" if separator != "[" else b"[]"

    return _JSON, parts()
