"""What all services stand on, made once: storage, logs, tables, processes, environments."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.gate import Gate
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.services.access import identities
from gcpmlops.emulator.services.access.bindings import Bindings, Elsewhere
from gcpmlops.emulator.services.access.enforcer import Enforcer
from gcpmlops.emulator.services.bigquery.grants import access_of
from gcpmlops.emulator.services.bigquery.process import BigQueryEngine
from gcpmlops.emulator.services.logging.entries import Entries
from gcpmlops.emulator.services.logging.writer import LogWriter
from gcpmlops.emulator.services.outbound import Outbound
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.services.storage.lifecycle import Lifecycle
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store
from gcpmlops.emulator.variables import client_variables

if TYPE_CHECKING:
    from gcpmlops.emulator.runtimes.artifacts import Artifacts
    from gcpmlops.emulator.runtimes.environment import Environments
    from gcpmlops.emulator.services.datasets.exports import Exports


T = TypeVar("T")
P = TypeVar("P", bound="Parts")


def made_once(make: Callable[[P], T]) -> property:
    """A property that is made when first used, once, whichever thread comes first."""

    def get(self: P) -> T:
        with self._making:
            if make.__name__ not in self._made:
                self._made[make.__name__] = make(self)
            made: T = self._made[make.__name__]
            return made

    return property(get)


class Parts:
    """What every service may use.

    Args:
        context: shared by all services.
        store: the durable state.
        authenticator: gives out and verifies tokens.
        sockets: private folder with a short path, for unix sockets.
        stack: closes what is made here, in reverse order.
    """

    def __init__(
        self, context: Context, store: Store, authenticator: Authenticator, sockets: Path, stack: ExitStack
    ) -> None:
        self._context = context
        self._settings = context.settings
        self._sockets = sockets
        self._stack = stack
        self._making = threading.RLock()
        self._made: dict[str, Any] = {}
        self._data = context.settings.data_dir
        self._port = 0
        self.gate = Gate()
        self.processes = Processes(self._data / "processes")
        stack.callback(self.processes.close)
        self.storage = self._storage(store)
        self.entries = Entries(context.store, context.clock)
        self.logs: LogWriter = self._closed_later(LogWriter(self.entries))
        context.agenda.before_moving.append(self.logs.flush)  # metrics, sinks and alerts hear of logs in their moment
        self.bigquery = self._closed_later(
            BigQueryEngine(self._data / "bigquery", sockets / "bigquery", self.processes)
        )
        self.outbound: Outbound = self._closed_later(Outbound(authenticator, lambda: self._port))
        self._authenticator = authenticator
        if self._settings.enforce_iam:
            self._enforce()

    def _enforce(self) -> None:
        """Every call is asked about from now on, and so are services that ask themselves."""
        elsewhere = Elsewhere(self.storage.buckets.access, lambda *of: access_of(self.bigquery, *of))
        bindings = Bindings(self._context.store, elsewhere, owner=self._authenticator.email)
        self._context.access.guard = enforcer = Enforcer(self._context, bindings)
        self.gate.checks.append(enforcer.check)

    def _storage(self, store: Store) -> StorageEngine:
        settings, blobs = self._settings, Blobs(self._data / "blobs" / "storage")
        engine = StorageEngine(
            store, blobs, self._context.clock, project=settings.project, project_number=settings.project_number
        )
        self._lifecycle = Lifecycle(engine, self._context.agenda)
        self._stack.callback(engine.close)
        return engine

    @made_once
    def _exports(self) -> Exports:
        from gcpmlops.emulator.services.bigquery.tables import Tables
        from gcpmlops.emulator.services.datasets.exports import Exports
        from gcpmlops.emulator.services.datasets.sources import Sources

        projects = {str(self._settings.project_number): self._settings.project}
        tables = Tables(self.bigquery, self._data / "bigquery" / "tables", projects)
        return Exports(Sources(self.storage, tables))

    @made_once
    def _environments(self) -> Environments:
        from gcpmlops.emulator.runtimes.environment import Environments

        return Environments(self.processes, own_index=self._own_index)

    def _own_index(self, requirement: str) -> tuple[str, str] | None:
        """Where installers reach an index of the emulator's own; without Artifact Registry there is none."""
        return None

    @made_once
    def _artifacts(self) -> Artifacts:
        from gcpmlops.emulator.runtimes.artifacts import Artifacts

        return Artifacts(self._data / "artifacts", self.storage)

    def _child_variables(self, account: str = "") -> dict[str, str]:
        """The environment of a process that acts as a service account, where IAM is enforced.

        Without an account, and where it is not, it acts as the emulator's own.
        """
        base = client_variables(self._data, port=self._port, project=self._settings.project, base=os.environ)
        return base | self._identity(account)

    def _identity(self, account: str) -> dict[str, str]:
        """The variables with which a process acts as a service account, where IAM is enforced."""
        if not account or not self._settings.enforce_iam:
            return {}
        folder = self._data / "accounts"
        path = str(identities.credentials_file(folder, self._authenticator, account, port=self._port))
        return {"GOOGLE_APPLICATION_CREDENTIALS": path, "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE": path}

    def _closed_later(self, part: Any) -> Any:
        self._stack.callback(part.close)
        return part
