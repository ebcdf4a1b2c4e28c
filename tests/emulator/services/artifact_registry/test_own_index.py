"""The emulator's own installers reach its indexes without its proxy; what is in an index is part of an environment."""

import sys
from pathlib import Path

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes import environment
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.images import Image
from gcpmlops.emulator.services.artifact_registry.python import own_index
from gcpmlops.emulator.services.artifact_registry.received import Received
from gcpmlops.emulator.services.artifact_registry.registry import Registry

REPOSITORY = "projects/p/locations/us-central1/repositories/ours"
URL = "https://oauth2accesstoken@us-central1-python.pkg.dev/p/ours/simple/"


def reach(stored: Registry, url: str = URL) -> tuple[str, str]:
    return own_index.reached(stored, url, port=1234, token="t")


def test_an_index_of_the_emulator(stored) -> None:
    url, empty = reach(stored)
    assert url == "http://oauth2accesstoken:t@127.0.0.1:1234/us-central1-python.pkg.dev/p/ours/simple/"
    with Received(stored.blobs) as received:
        received.write(b"content")
        stored.add(REPOSITORY, "pkg/pkg-1.0.tar.gz", received, owner=f"{REPOSITORY}/packages/pkg/versions/1.0")
    assert reach(stored)[1] != empty
    with pytest.raises(exceptions.NotFound, match="others"):
        reach(stored, URL.replace("ours", "others"))
    assert not own_index.is_own("https://pypi.org/simple/")
    assert not own_index.is_own("https://us-central1-docker.pkg.dev/p/ours/simple/")


def test_environments_follow_the_index(tmp_path: Path, mocker, stored) -> None:
    make = mocker.patch.object(environment.Installation, "make", autospec=True)
    digests = iter(("one", "one", "two"))
    contents = {"url": lambda: (reach(stored)[0], next(digests))}
    made = Environments(mocker.Mock(), tmp_path, own_index=lambda text: contents.get(text, lambda: None)())
    image = Image("function", "python", ("--extra-index-url", "url", "pkg"), (sys.version_info.minor,))
    make.side_effect = lambda install, path, *_: path.mkdir()
    first, again, changed = (made.ensure(image).path for _ in range(3))
    assert first == again != changed
    assert [call.args[3] for call in make.call_args_list] == [["--extra-index-url", reach(stored)[0], "pkg"]] * 2
