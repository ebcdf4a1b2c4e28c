"""The emulator's own installers reach its indexes without its proxy; what is in an index is part of an environment."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes import environment
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.images import Image
from gcpmlops.emulator.services.artifact_registry.python import own_index
from gcpmlops.emulator.services.artifact_registry.received import Received
from gcpmlops.emulator.services.artifact_registry.registry import Registry
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store

REPOSITORY = "projects/p/locations/us-central1/repositories/ours"
URL = "https://oauth2accesstoken@us-central1-python.pkg.dev/p/ours/simple/"


@pytest.fixture
def registry(tmp_path: Path):
    clock = TravelClock()
    store = Store(tmp_path / "state.db", now=clock.now)
    with ThreadPoolExecutor(2) as pool:
        agenda = Agenda(clock, pool)
        operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
        context = Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path), agenda)
        made = Registry(context, Blobs(tmp_path / "blobs"))
        made.repositories.insert(REPOSITORY, types.Repository(name=REPOSITORY, format_="PYTHON"))
        yield made
        agenda.close()
    store.close()


def reach(registry: Registry, url: str = URL) -> tuple[str, str]:
    return own_index.reached(registry, url, port=1234, token="t")


def test_an_index_of_the_emulator(registry) -> None:
    url, empty = reach(registry)
    assert url == "http://oauth2accesstoken:t@127.0.0.1:1234/us-central1-python.pkg.dev/p/ours/simple/"
    with Received(registry.blobs) as received:
        received.write(b"content")
        registry.add(REPOSITORY, "pkg/pkg-1.0.tar.gz", received, owner=f"{REPOSITORY}/packages/pkg/versions/1.0")
    assert reach(registry)[1] != empty
    with pytest.raises(exceptions.NotFound, match="others"):
        reach(registry, URL.replace("ours", "others"))
    assert not own_index.is_own("https://pypi.org/simple/")
    assert not own_index.is_own("https://us-central1-docker.pkg.dev/p/ours/simple/")


def test_environments_follow_the_index(tmp_path: Path, mocker, registry) -> None:
    make = mocker.patch.object(environment.Installation, "make", autospec=True)
    digests = iter(("one", "one", "two"))
    contents = {"url": lambda: (reach(registry)[0], next(digests))}
    made = Environments(mocker.Mock(), tmp_path, own_index=lambda text: contents.get(text, lambda: None)())
    image = Image("function", "python", ("--extra-index-url", "url", "pkg"), tuple(made.minors))
    make.side_effect = lambda install, path, *_: path.mkdir()
    first, again, changed = (made.ensure(image).path for _ in range(3))
    assert first == again != changed
    assert [call.args[3] for call in make.call_args_list] == [["--extra-index-url", reach(registry)[0], "pkg"]] * 2
