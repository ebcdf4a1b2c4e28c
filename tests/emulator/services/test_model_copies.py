"""Copies of models' files for serving containers, in the real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gcpmlops.emulator.kernel.clock import SystemClock
from gcpmlops.emulator.services.model_copies import ModelCopies
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[StorageEngine]:
    clock = SystemClock()
    store = Store(tmp_path / "state.db", now=clock.now)
    engine = StorageEngine(store, Blobs(tmp_path / "blobs"), clock, project="p1", project_number=12)
    yield engine
    engine.close()
    store.close()


def test_copies_are_the_servers_own_and_go_with_it(storage: StorageEngine, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    (folder / "weights").write_bytes(b"12")
    (folder / "deep" / "more").write_bytes(b"3")
    copies = ModelCopies(storage)
    copies.withdraw("a")  # nothing there yet
    first, second = copies.publish("a", folder), copies.publish("b", folder)
    assert first != second
    bucket, _, prefix = first.removeprefix("gs://").partition("/")
    assert storage.read_bytes(bucket, f"{prefix}/weights") == b"12"
    assert storage.read_bytes(bucket, f"{prefix}/deep/more") == b"3"
    assert storage.buckets.list("p1", "", "", 10) == []  # not among the user's
    generations = [info.generation for info in storage.list(bucket)]
    assert copies.publish("a", folder) == first
    assert [info.generation for info in storage.list(bucket)] == generations
    copies.keep_only(["b"])
    assert {info.name.partition("/")[0] for info in storage.list(bucket)} == {second.rpartition("/")[2]}
    copies.withdraw("b")
    assert list(storage.list(bucket)) == []
