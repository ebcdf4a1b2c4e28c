"""A Workbench instance, as it was when asked for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gcpmlops import _html, _waiting
from gcpmlops._handle import Resource
from gcpmlops.exceptions import DeadlineExceeded, OperationFailed

if TYPE_CHECKING:
    from gcpmlops._google import workbench_instance

_ON_THE_WAY = ("PROVISIONING", "INITIALIZING", "STARTING", "UPGRADING")


@dataclass(frozen=True)
class Instance(Resource):
    """`proto` is Google's own message."""

    proto: workbench_instance.Instance
    _fetch: Callable[[str], Instance] = field(repr=False, compare=False)

    @property
    def state(self) -> str:
        """PROVISIONING, STARTING, ACTIVE, STOPPING, STOPPED, ..."""
        return str(self.proto.state.name)

    @property
    def zone(self) -> str:
        """Such as us-central1-b."""
        return self.name.split("/")[3]

    @property
    def url(self) -> str:
        """JupyterLab's address for a browser; empty while the instance is not ACTIVE."""
        uri = str(self.proto.proxy_uri)
        return uri if not uri or "://" in uri else f"https://{uri}"

    @property
    def machine_type(self) -> str:
        """Such as e2-standard-4."""
        return str(self.proto.gce_setup.machine_type).rpartition("/")[2]

    @property
    def service_account(self) -> str:
        """The email of whom its notebooks act as."""
        return next((str(account.email) for account in self.proto.gce_setup.service_accounts), "")

    @property
    def created(self) -> datetime:
        """When it was made (aware, UTC)."""
        return self.proto.create_time  # type: ignore[no-any-return]

    @property
    def health(self) -> str:
        """HEALTHY, or what is wrong with an ACTIVE one."""
        return str(self.proto.health_state.name).removeprefix("HEALTH_STATE_")

    @property
    def error(self) -> str:
        """Why it does not run, or not well, where the service says so."""
        return str(self.proto.health_info.get("reason", ""))

    def wait(self, *, timeout: float | None = 900.0) -> Instance:
        """The instance when it is ACTIVE (GetInstance, repeated).

        Raises OperationFailed where it stops instead, DeadlineExceeded.
        """
        end = None if timeout is None else time.monotonic() + timeout
        for pause in _waiting.pauses():
            found = self._fetch(self.name)
            if found.state == "ACTIVE":
                return found
            if found.state not in _ON_THE_WAY:
                raise OperationFailed(
                    f"instance {self.id} is {found.state}: {found.error or 'it was stopped'}",
                    resource=self.name,
                    next_step=f"Start it: `gcpmlops notebooks start {self.zone}/{self.id}`.",
                )
            if end is not None and time.monotonic() + pause > end:
                raise DeadlineExceeded(f"instance {self.id} is {found.state} after {timeout} s", resource=self.name)
            time.sleep(pause)
        raise AssertionError("pauses never end")

    def _repr_html_(self) -> str:
        rows: dict[str, Any] = {"state": self.state, "zone": self.zone, "machine type": self.machine_type}
        return _html.card(self.id, {**rows, "url": self.url, "error": self.error})
