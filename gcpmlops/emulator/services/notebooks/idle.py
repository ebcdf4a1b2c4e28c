"""Idle instances are stopped after `idle-timeout-seconds` of the emulator's clock."""

from __future__ import annotations

import json
import logging
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.runtimes.notebook import NotebookServer

log = logging.getLogger(__name__)

_ANSWER_SECONDS = 10.0
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class IdleWatch:
    """Looks at servers when they may have been idle for long enough."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda

    def watch(
        self,
        name: str,
        server: NotebookServer,
        seconds: int,
        is_current: Callable[[], bool],
        stop: Callable[[], None],
    ) -> None:
        """Calls `stop` once nothing has happened on a server for so long; ends when it is no longer the current one.

        What a kernel computes counts as activity, an open browser tab does not.
        """

        def look(before: str, wait: float) -> None:
            self._agenda.after(timedelta(seconds=wait), lambda: judge(before), name=name)

        def judge(before: str) -> None:
            if not is_current():
                return
            activity, is_busy = last_activity(server)
            if activity == before and not is_busy:
                stop()
            else:
                look(activity, seconds if is_busy else max(1.0, seconds - _ago(activity)))

        look(last_activity(server)[0], seconds)


def last_activity(server: NotebookServer) -> tuple[str, bool]:
    """When something happened last, as the server writes it, and whether a kernel computes now.

    Of a server that does not answer: nothing, and no.
    """
    try:
        status = _get(server, "status")
        return str(status["last_activity"]), any(
            kernel["execution_state"] == "busy" for kernel in _get(server, "kernels")
        )
    except (OSError, ValueError, KeyError) as error:
        log.info("the server on port %d does not say when it was used: %s", server.port, error)
        return "", False


def _get(server: NotebookServer, path: str) -> Any:
    url = f"http://127.0.0.1:{server.port}/api/{path}?no_track_activity=1"
    request = urllib.request.Request(url, headers={"Authorization": f"token {server.token}"})
    with _DIRECT.open(request, timeout=_ANSWER_SECONDS) as reply:
        return json.load(reply)


def _ago(activity: str) -> float:
    try:
        then = datetime.fromisoformat(activity.replace("Z", "+00:00"))
    except ValueError:
        return 0.0
    return (datetime.now(UTC) - then).total_seconds()
