"""What a kill leaves: acknowledged objects whole, unacknowledged ones invisible, no stray files."""

from __future__ import annotations

import os

import pytest

from gcpmlops.emulator.services.storage import contents
from gcpmlops.emulator.services.storage.contents import ContentWriter

BIG = os.urandom(200_000)


def test_restart_keeps_everything(storage_client, bucket, served):
    bucket.labels = {"a": "b"}
    bucket.patch()
    bucket.blob("small").upload_from_string(b"small")
    bucket.blob("big").upload_from_string(BIG)
    served.restart(clean=False)
    assert storage_client.get_bucket("bucket-1").labels == {"a": "b"}
    assert bucket.blob("small").download_as_bytes() == b"small"
    assert bucket.blob("big").download_as_bytes() == BIG


def test_a_kill_before_the_commit_leaves_nothing(bucket, served, engine):
    bucket.blob("kept").upload_from_string(BIG)
    (engine.blobs.directory / "tmp" / "half-written").write_bytes(BIG)
    unowned = ContentWriter(engine.blobs)
    unowned.write(BIG)
    unowned.finish()  # renamed into place, but the row was never written
    assert len(list(engine.blobs.ids())) == 2
    served.restart(clean=False)
    assert len(list(served.engine.blobs.ids())) == 1
    assert not list((served.engine.blobs.directory / "tmp").iterdir())
    assert [blob.name for blob in bucket.list_blobs()] == ["kept"]
    assert bucket.blob("kept").download_as_bytes() == BIG


def test_deleted_and_replaced_contents_leave_no_files(bucket, engine):
    for _ in range(3):
        bucket.blob("o").upload_from_string(BIG)
    assert len(list(engine.blobs.ids())) == 1
    bucket.blob("o").delete()
    assert list(engine.blobs.ids()) == []


def test_a_full_disk_stores_nothing(bucket, engine, mocker):
    mocker.patch.object(engine.store, "write", side_effect=OSError(28, "No space left on device"))
    with ContentWriter(engine.blobs) as writer:
        writer.write(BIG)
        content = writer.finish()
    with pytest.raises(OSError, match="No space"):
        engine.objects.put("bucket-1", "o", content, {})
    assert list(engine.blobs.ids()) == []


def test_the_object_store_protocol(bucket, engine, tmp_path):
    source = tmp_path / "f"
    source.write_bytes(b"abc")
    engine.upload("bucket-1", "small", source, "text/plain")
    source.write_bytes(BIG)
    engine.upload("bucket-1", "big", source)
    assert engine.local_path("bucket-1", "small").read_bytes() == b"abc"
    assert engine.local_path("bucket-1", "small").read_bytes() == b"abc"
    assert engine.local_path("bucket-1", "big").read_bytes() == BIG
    assert bucket.blob("small").download_as_bytes() == b"abc"
    assert engine.read_bytes("bucket-1", "big") == BIG
    assert [(info.name, info.size) for info in engine.list("bucket-1", "")] == [("big", len(BIG)), ("small", 3)]
    assert (engine.exists("bucket-1"), engine.exists("nope")) == (True, False)
    source.write_bytes(b"changed afterwards")
    assert engine.read_bytes("bucket-1", "big") == BIG


def test_pieces_of_a_file(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(BIG)
    assert b"".join(contents.pieces(path, 10, 50)) == BIG[10:50]


@pytest.mark.usefixtures("bucket")
def test_events_that_a_kill_kept_from_their_listeners_are_told_after_it(served, tmp_path):
    told = []

    def killed(_):
        raise SystemExit("between the commit and the telling")

    (tmp_path / "file").write_bytes(b"1")
    served.engine.on_event.append(killed)
    with pytest.raises(SystemExit):
        served.engine.upload("bucket-1", "a", tmp_path / "file")
    served.restart(clean=False)
    served.engine.on_event.append(told.append)
    for _ in range(2):
        served.engine.objects.events.resume()
        served.store.write(lambda _: None)  # after what it submitted
    assert [(event.type, event.name, event.resource["size"]) for event in told] == [("OBJECT_FINALIZE", "a", "1")]
