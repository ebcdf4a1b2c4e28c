"""The one call of ``cloudbuild.googleapis.com`` that gcloud makes before a deployment: who builds by default."""

from __future__ import annotations

import re

import orjson
from google.api_core import exceptions

from gcpmlops.emulator.kernel.http import Receive, Scope, Send, reply
from gcpmlops.emulator.settings import project_number

_PATH = re.compile(r"/v1/(projects/([^/]+)/locations/[^/]+/defaultServiceAccount)")


class BuildAccount:
    """Builds are this machine's own; the answer is the account that Cloud Build has in each project."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _PATH.fullmatch(scope["path"])
        if found is None or scope["method"] != "GET":
            raise exceptions.MethodNotImplemented(
                f"cloudbuild.googleapis.com{scope['path']} is not built in this emulator."
            )
        number = project_number(found[2])
        email = f"projects/{found[2]}/serviceAccounts/{number}@cloudbuild.gserviceaccount.com"
        answer = {"name": found[1], "serviceAccountEmail": email}
        await reply(200, orjson.dumps(answer), {"content-type": "application/json; charset=UTF-8"}, send)
