"""The local Google Cloud that the demo runs against: gone with it, or kept in a data directory of its own."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops.client import Client
from gcpmlops.config import Config
from gcpmlops.exceptions import GcpMlopsError

if TYPE_CHECKING:
    from gcpmlops.emulator.server import Running

PROJECT = "flights-demo"


@contextmanager
def local_cloud(*, keep: bool, arguments: Sequence[str] = ()) -> Iterator[Running]:
    """A running emulator. With `keep` it goes on after a demo that succeeded, and takes the place of an earlier one.

    `arguments` are further options of `gcpmlops emulator start`.

    Raises GcpMlopsError where it can't start.
    """
    launch = _launch()
    from gcpmlops.emulator.server import StartError

    try:
        with _ended_by_sigterm():
            if not keep:
                with launch.ephemeral(project=PROJECT, arguments=arguments) as state:
                    yield state
                return
            state = _fresh(launch, arguments)
            try:
                yield state
            except BaseException:
                launch.stop(state)
                raise
    except StartError as error:
        raise GcpMlopsError(str(error)) from error


@contextmanager
def images_meanwhile(*uris: str) -> Iterator[None]:
    """The environments that stand for these images are made beside the first steps; a step that needs one waits for it.

    Where that fails, the step that needs it will say so.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "gcpmlops.emulator.prepare", *uris],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def client_for(state: Running) -> Client:
    """The library, told where the emulator is; no other setting of this machine counts."""
    return Client(
        config=Config(
            project=state.project,
            endpoint=state.endpoint,
            credentials_file=str(Path(state.data_dir) / "credentials.json"),
        )
    )


def _launch() -> Any:
    try:
        import uvloop  # noqa: F401 - the extra's own marker

        from gcpmlops.emulator import launch
    except ImportError as error:
        raise GcpMlopsError(
            f"the demo needs the emulator ({error.name} is missing)", next_step="pip install 'gcpmlops[emulator]'"
        ) from error
    return launch


def _fresh(launch: Any, arguments: Sequence[str]) -> Running:
    """An emulator on the demo's own directory, without what an earlier demo left there."""
    from gcpmlops.emulator.app import data_directory

    folder = data_directory(PROJECT)
    before = launch.alive(folder)
    if before is not None:
        launch.stop(before)
    shutil.rmtree(folder, ignore_errors=True)
    state: Running = launch.start(folder, ["--project", PROJECT, *arguments])
    return state


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """SIGTERM and SIGHUP end the demo as Ctrl-C does: tidily."""

    def end(number: int, _frame: Any) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
