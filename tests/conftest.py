"""The order of a run by several workers, what each need not do, and an emulator that asks for roles and APIs."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from google.auth.crypt import RSASigner

if TYPE_CHECKING:
    from gcpmlops.emulator.server import Running

HERE = Path(__file__).parent

# Each client loads its key anew, and OpenSSL looks whether its factors are prime, for 30 ms: once a key is enough here.
RSASigner.from_string = lru_cache(RSASigner.from_string)  # type: ignore[method-assign]

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # the other workers need the cores on which threads would spin
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a script's background: programs under test must not inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)
gc.disable()  # while hundreds of modules are imported, which all stay: looking through them takes half the time


def pytest_collection_finish() -> None:
    """What is there now stays to the end: later collections leave it out."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def enforcing_emulator() -> Iterator[Running]:
    """An empty project of its own under `--enforce-iam --no-enable-all`."""
    from gcpmlops.emulator import launch

    with launch.ephemeral(project="strict-project", arguments=("--enforce-iam", "--no-enable-all")) as state:
        yield state


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Whole programs come first: no worker is left alone with a long one at the end.

    `--dist worksteal` deals out equal parts of this list: one begins with the demo's programs, the next with those of
    `e2e`, so that only one of the workers has to load gcloud and the SDK.
    """
    workers = getattr(config, "workerinput", {}).get("workercount", 1)
    if workers == 1:
        return
    demo, e2e = ([item for item in items if HERE / name in item.path.parents] for name in ("demo", "e2e"))
    short = [item for item in items if not {HERE / "demo", HERE / "e2e"} & set(item.path.parents)]
    between = max(len(items) // workers - len(demo), 0)
    items[:] = [*demo, *short[:between], *e2e, *short[between:]]
