"""The services' time, finer than the second that they tell it to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gcpmlops.clients import Clients

_AGREES = timedelta(seconds=2)  # a Date header has whole seconds, and was some time on its way


class ServiceClock:
    """This machine's clock where the services agree with it, else theirs: asked by each call, as theirs may be set."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """Aware, in UTC. Raises as `Clients.now`."""
        offset = self._clients.now() + timedelta(seconds=0.5) - datetime.now(UTC)
        if abs(offset - self._offset) > _AGREES:
            self._offset = offset
        return datetime.now(UTC) + self._offset
