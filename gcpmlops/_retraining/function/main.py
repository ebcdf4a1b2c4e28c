"""The Cloud Function of all retrainings: schedules and alerts call it; what it does is in the library beside it."""

import json
import sys
from typing import Any

import functions_framework

from gcpmlops import Client
from gcpmlops.exceptions import GcpMlopsError, InvalidArgument, NotFound


@functions_framework.http  # type: ignore[untyped-decorator]  # it ships no types
def retrain(request: Any) -> Any:
    """Handle one call; the reply says what was decided, and why, or what is wrong with it."""
    call = {**request.args, **(request.get_json(silent=True) or {})}
    try:
        with Client() as client:
            return client.retraining.handle(call), 200
    except GcpMlopsError as error:
        sys.stderr.write(json.dumps({"severity": "ERROR", "message": str(error)}) + "\n")
        return {"error": str(error)}, _status(error, pushed="message" in call)


def _status(error: GcpMlopsError, *, pushed: bool) -> int:
    """Cloud Scheduler shows an error; Pub/Sub pushes again, what is of no use where the answer stays the same."""
    if isinstance(error, InvalidArgument | NotFound):
        return 200 if pushed else 400
    return 500
