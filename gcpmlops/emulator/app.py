"""The composition root: everything is made here, top to bottom, and handed to what needs it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.longrunning import operations_pb2

from gcpmlops.emulator import server, variables
from gcpmlops.emulator.kernel import clock_file
from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.auth import Authenticator, load_key, load_secret, write_private
from gcpmlops.emulator.kernel.certificates import Certificates
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.front import Backends
from gcpmlops.emulator.kernel.grpc import GrpcApi, serve
from gcpmlops.emulator.kernel.http import Http
from gcpmlops.emulator.kernel.keys import SystemKeys
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.registry import BoundApi
from gcpmlops.emulator.kernel.rest import RestApi
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.kernel.tunnel import Upstream
from gcpmlops.emulator.runtimes.process import reap_leftovers
from gcpmlops.emulator.server import Running, StartError
from gcpmlops.emulator.services.catalog import Services
from gcpmlops.emulator.services.storage.signing import SignedUrls
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

log = logging.getLogger(__name__)

_FOREVER = 10 * 365 * 86400  # seconds: gcloud's token file lasts as long as the data directory
_RESTARTED = "The emulator was restarted while this ran."


def run(
    settings: Settings, *, clock: TravelClock | None = None, on_ready: Callable[[Running], Any] = lambda _: None
) -> None:
    """Runs an emulator in this process until SIGTERM or SIGINT.

    Raises: StartError, with one clear line.
    """
    with ExitStack() as stack:
        server.prepare(settings.data_dir)
        stack.enter_context(server.lock(settings.data_dir))
        if settings.ephemeral:
            stack.callback(shutil.rmtree, settings.data_dir, ignore_errors=True)
        try:
            emulator = Emulator(settings, clock or clock_file.load(settings.data_dir), stack)
        except (sqlite3.Error, OSError) as error:
            raise StartError(f"data directory {settings.data_dir}: {error}.") from error
        emulator.serve(on_ready)


@dataclass(frozen=True)
class Identity:
    """The key file, the tokens and the certificates of one data directory."""

    authenticator: Authenticator
    certificates: Certificates
    key: dict[str, Any]

    @classmethod
    def load(cls, settings: Settings) -> Identity:
        key, public = load_key(settings.data_dir / "service-account.json", project=settings.project)
        system_keys = SystemKeys(settings.data_dir / "keys")
        authenticator = Authenticator(key, public, load_secret(settings.data_dir / "secret"), system_keys)
        return cls(authenticator, Certificates(settings.data_dir), key)


class Emulator:
    """All parts of one emulator; ``stack`` closes them in reverse order."""

    def __init__(self, settings: Settings, clock: TravelClock, stack: ExitStack) -> None:
        self.settings = settings
        reap_leftovers(settings.data_dir / "processes")
        stack.callback(clock_file.ClockFile(settings.data_dir, clock).close)
        self.identity = Identity.load(settings)
        self.sockets = server.sockets(settings.data_dir, stack)
        self.store = Store(settings.data_dir / "state.db", now=clock.now)
        stack.callback(self.store.close)
        self.pool = ThreadPoolExecutor(48, thread_name_prefix="service")
        stack.callback(self.pool.shutdown, wait=False, cancel_futures=True)
        background = ThreadPoolExecutor(64, thread_name_prefix="operation")
        stack.callback(background.shutdown, wait=False, cancel_futures=True)
        agenda = Agenda(clock, background)
        operations = Operations(self.store.collection(operations_pb2.Operation), clock, background, busy=agenda.busy)
        operations.fail_unfinished(_RESTARTED)
        stack.callback(agenda.close)
        self.context = Context(self.store, clock, operations, Locks(), settings, agenda)
        self.services = Services(self.context, self.store, self.identity.authenticator, self.sockets, stack)

    def serve(self, on_ready: Callable[[Running], Any]) -> None:
        """Answers on the port until a signal comes."""
        import uvloop

        def ready(port: int) -> None:
            asked = self.settings
            state = Running(
                os.getpid(), port, asked.project, str(asked.data_dir), str(self.sockets), asked.options
            )  # fmt: skip
            self._write_client_files(port)
            self.services.start(port)
            server.announce(self.settings.data_dir, state)
            on_ready(state)

        if self.context.access.guard is not None and os.environ.get("GCPMLOPS_RECORD_ACCESS"):
            self.context.access.guard.used = set()
        grpc_socket = str(self.sockets / "grpc")
        grpc_server = serve(
            GrpcApi(self.services.apis, self.context.operations, self.identity.authenticator), grpc_socket
        )
        upstream = Upstream(os.environ.get("https_proxy", os.environ.get("HTTPS_PROXY", "")), self.settings.offline)

        def backends(http: Any) -> Backends:
            return Backends(http, grpc_socket, self.identity.certificates, upstream)

        try:
            uvloop.run(
                server.Server(self._http(), backends, self.context.clock.now).serve(
                    self.settings.host, self.settings.port, ready
                )
            )
        finally:
            grpc_server.stop(grace=0).wait(5)
            self._record_calls(os.environ.get("GCPMLOPS_RECORD_CALLS", ""))
            self._write_access(os.environ.get("GCPMLOPS_RECORD_ACCESS", ""))

    def _http(self) -> Http:
        by_host: dict[str, list[BoundApi]] = {}
        for api in self.services.apis:
            by_host.setdefault(api.api.host.partition(".")[0], []).append(api)
        return Http(
            apps=self.services.apps,
            rests={host: RestApi(apis, self.context.operations) for host, apis in by_host.items()},
            authenticator=self.identity.authenticator,
            pool=self.pool,
            max_body=self.settings.max_body_bytes,
            signer=self._signed_urls().signer,
        )

    def _signed_urls(self) -> SignedUrls:
        keys = self.identity.authenticator
        return SignedUrls(keys.public_key, keys.email, others=lambda email: keys.public_keys(email).values())

    def _record_calls(self, path: str) -> None:
        """Appends what was called, for docs/coverage.md: ``make coverage`` asks for it."""
        if path:
            called = sorted(name for api in self.services.apis for name in api.called)
            with Path(path).open("a", encoding="utf-8") as file:
                file.writelines(f"{name}\n" for name in called)

    def _write_access(self, path: str) -> None:
        """Appends who used which permission on what, with --enforce-iam: which roles are needed shows in it."""
        guard = self.context.access.guard
        if guard is not None and guard.used:
            with Path(path).open("a", encoding="utf-8") as file:
                file.writelines(f"{email} {permission} {name}\n" for email, permission, name in sorted(guard.used))

    def _write_client_files(self, port: int) -> None:
        data_dir, authenticator = self.settings.data_dir, self.identity.authenticator
        key = self.identity.key | {"token_uri": f"http://127.0.0.1:{port}/oauth2.googleapis.com/token"}
        write_private(data_dir / "credentials.json", json.dumps(key, indent=2))
        token = authenticator.access_token(authenticator.email, lifetime=_FOREVER)
        variables.write_client_files(
            data_dir, ca=self.identity.certificates.path, token=token, port=port, project=self.settings.project
        )


def data_directory(project: str, base: str | None = None) -> Path:
    """The default data directory of a project: a folder under the user's data directory."""
    root = Path(base or os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return root / "gcpmlops" / project
