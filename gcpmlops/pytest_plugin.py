"""Pytest fixtures: a local Google Cloud for a test run, and a client for it. Imports nothing heavy: every run loads it.

* ``emulator`` (session): a running emulator with its own data; ``.endpoint``, ``.project``, ``.port``, ``.data_dir``.
* ``emulator_arguments`` (session): options of `gcpmlops emulator start` that it gets; override it for other ones.
* ``emulator_environment`` (session): the variables that lead any process's Google clients to it.
* ``google_environment``: the same variables, set in this process for one test, for clients that are made in it.
* ``emulator_clock``: its clock: ``.advance("1d")``, ``.set(...)``, ``.freeze()``, ``.run()``, ``.now()``.
* ``client``: a ``gcpmlops.Client`` against it.
* ``bucket``: the name of a fresh bucket.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from gcpmlops.client import Client
    from gcpmlops.emulator.clock_client import EmulatorClock
    from gcpmlops.emulator.server import Running


_MOVED_S = 1.0  # a clock that is further from real time has been moved


@pytest.fixture(scope="session")
def emulator_arguments() -> Sequence[str]:
    """What the emulator is started with; a conftest may have its own: `return ("--enforce-iam", "--no-enable-all")`."""
    return ()


@pytest.fixture(scope="session")
def emulator(emulator_arguments: Sequence[str]) -> Iterator[Running]:
    """A local Google Cloud; it ends, with all that it started, when the run does."""
    from gcpmlops.emulator import launch

    with launch.ephemeral(arguments=emulator_arguments) as state:
        yield state


@pytest.fixture
def emulator_clock(emulator: Running) -> Iterator[EmulatorClock]:
    """The emulator's clock. After the test it runs at real time again: what the test made keeps its times."""
    from gcpmlops.emulator.clock_client import EmulatorClock

    clock = EmulatorClock(emulator)
    yield clock
    clock.run()
    if abs(float(clock.show()["offset_seconds"])) > _MOVED_S:
        clock.set(datetime.now(UTC), back=True)


@pytest.fixture(scope="session")
def emulator_environment(emulator: Running) -> dict[str, str]:
    """A complete environment for subprocesses."""
    from gcpmlops.emulator import launch

    return launch.environment(emulator)


@pytest.fixture
def google_environment(emulator_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Official clients that this test makes reach the emulator by their default endpoints."""
    from gcpmlops.emulator.variables import REMOVED

    for name, value in emulator_environment.items():
        monkeypatch.setenv(name, value)
    for name in REMOVED:
        monkeypatch.delenv(name, raising=False)
    _trust_in_grpc(Path(emulator_environment["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"]), monkeypatch)
    return emulator_environment


def _trust_in_grpc(roots: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Default roots are read once in a process by gRPC: a channel of an earlier test would keep the emulator's out."""
    import grpc

    make = grpc.ssl_channel_credentials

    def with_roots(root_certificates: bytes | None = None, *others: Any, **named: Any) -> Any:
        return make(root_certificates or roots.read_bytes(), *others, **named)

    def on_compute_engine(call_credentials: Any) -> Any:
        return grpc.composite_channel_credentials(with_roots(), call_credentials)

    monkeypatch.setattr(grpc, "ssl_channel_credentials", with_roots)
    monkeypatch.setattr(grpc, "compute_engine_channel_credentials", on_compute_engine)  # what GAPIC clients call


@pytest.fixture(scope="session")
def client(emulator: Running) -> Iterator[Client]:
    """The library, configured for the emulator."""
    from gcpmlops import Client

    with Client(
        project=emulator.project,
        location="us-central1",
        endpoint=emulator.endpoint,
        credentials_file=str(Path(emulator.data_dir) / "credentials.json"),
        staging_bucket=f"gs://{emulator.project}-staging",
    ) as client:
        client.storage.ensure_bucket(f"{emulator.project}-staging")
        yield client


@pytest.fixture
def bucket(client: Client) -> str:
    """The name of a new, empty bucket."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    client.storage.create_bucket(name)
    return name
