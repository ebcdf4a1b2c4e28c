"""``containeranalysis.googleapis.com``: gcloud asks what is known of an image. Nothing is scanned here: nothing is."""

from __future__ import annotations

import re

from google.api_core import exceptions

from gcpmlops.emulator.kernel.http import Receive, Scope, Send, reply

_JSON = {"content-type": "application/json; charset=UTF-8"}
_LIST = re.compile(r"/v1(?:alpha1|beta1)?/projects/[^/]+(?:/locations/[^/]+)?/(?:occurrences|notes)")


class ContainerAnalysis:
    """Lists are empty; nothing can be made."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET" or not _LIST.fullmatch(scope["path"]):
            raise exceptions.MethodNotImplemented(
                f"containeranalysis: {scope['method']} {scope['path']} is not built in this emulator."
            )
        await reply(200, b"{}", _JSON, send)
