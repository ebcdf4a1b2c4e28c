"""The Cloud Function of all retrainings: schedules and alerts call it; what it does is in the library beside it."""

from typing import Any

import functions_framework

from gcpmlops import Client


@functions_framework.http  # type: ignore[untyped-decorator]  # it ships no types
def retrain(request: Any) -> Any:
    """Handle one call; the reply says what was decided, and why."""
    with Client() as client:
        reply = client.retraining.handle({**request.args, **(request.get_json(silent=True) or {})})
    return reply, 200
