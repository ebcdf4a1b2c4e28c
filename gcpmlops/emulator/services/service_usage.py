"""``serviceusage.googleapis.com``: gcloud asks whether an API is enabled before it uses it; here every one is."""

from __future__ import annotations

import re
from typing import Any

import orjson
from google.api_core import exceptions

from gcpmlops.emulator.kernel.http import Receive, Scope, Send, read_body, reply

_JSON = {"content-type": "application/json; charset=UTF-8"}
_SERVICE = re.compile(r"/v1(?:beta1)?/(projects/[^/]+)/services/([^/:]+)(?::(enable))?")
_BATCH = re.compile(r"/v1(?:beta1)?/(projects/[^/]+)/services:(batchEnable|batchGet)")


class ServiceUsage:
    """Enabling is done at once; disabling is not built."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        await reply(200, orjson.dumps(_answer(scope["method"], scope["path"], body)), _JSON, send)


def _answer(verb: str, path: str, body: bytes) -> dict[str, Any]:
    one, batch = _SERVICE.fullmatch(path), _BATCH.fullmatch(path)
    if one and verb == "GET" and not one[3]:
        return _service(one[1], one[2])
    if one and verb == "POST" and one[3]:
        return _done("EnableServiceResponse", {"service": _service(one[1], one[2])})
    if batch and verb == "POST" and batch[2] == "batchEnable":
        ids = orjson.loads(body or b"{}").get("serviceIds", [])
        return _done("BatchEnableServicesResponse", {"services": [_service(batch[1], name) for name in ids]})
    raise exceptions.MethodNotImplemented(f"serviceusage: {verb} {path} is not built in this emulator.")


def _service(parent: str, name: str) -> dict[str, Any]:
    config = {"name": name, "title": name}
    return {"name": f"{parent}/services/{name}", "parent": parent, "config": config, "state": "ENABLED"}


def _done(kind: str, response: dict[str, Any]) -> dict[str, Any]:
    named = {"@type": f"type.googleapis.com/google.api.serviceusage.v1.{kind}", **response}
    return {"name": "operations/noop.DONE_OPERATION", "done": True, "response": named}
