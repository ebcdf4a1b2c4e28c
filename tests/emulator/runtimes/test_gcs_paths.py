from collections.abc import Iterator
from pathlib import Path

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes.gcs_paths import GcsPaths
from gcpmlops.emulator.runtimes.objects import ObjectInfo


class Folder:
    """An object store over a dictionary and a folder of blobs."""

    def __init__(self, blobs: Path, *buckets: str) -> None:
        self.blobs = blobs
        self.buckets: dict[str, dict[str, Path]] = {bucket: {} for bucket in buckets}
        blobs.mkdir()

    def put(self, bucket: str, name: str, content: str | bytes) -> None:
        blob = self.blobs / f"{len(list(self.blobs.iterdir()))}"
        blob.write_bytes(content.encode() if isinstance(content, str) else content)
        self.buckets[bucket][name] = blob

    def content(self, bucket: str, name: str) -> str:
        return self.buckets[bucket][name].read_text()

    def exists(self, bucket: str) -> bool:
        return bucket in self.buckets

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        for name, blob in sorted(self.buckets[bucket].items()):
            if name.startswith(prefix):
                yield ObjectInfo(name, blob.stat().st_size, 1)

    def local_path(self, bucket: str, name: str) -> Path:
        try:
            return self.buckets[bucket][name]
        except KeyError:
            raise exceptions.NotFound(f"gs://{bucket}/{name}") from None

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        self.put(bucket, name, source.read_bytes())


@pytest.fixture
def store(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "blobs", "data", "out")


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def gcs(tmp_path: Path, store: Folder, notes: list[str]) -> GcsPaths:
    return GcsPaths(tmp_path / "gcs", store, notes.append)


@pytest.mark.parametrize(
    ("text", "rewritten"),
    [
        ("/gcs/data/a.csv", "ROOT/data/a.csv"),
        ("--data=/gcs/data/a.csv", "--data=ROOT/data/a.csv"),
        ("cp /gcs/data/a '/gcs/out/b' && ls", "cp ROOT/data/a 'ROOT/out/b' && ls"),
        ('{"in": "/gcs/data"}', '{"in": "ROOT/data"}'),
        ("gs://gcs/data/a", "gs://gcs/data/a"),
        ("/mnt/gcs/data/a", "/mnt/gcs/data/a"),
        ("./gcs/data/a", "./gcs/data/a"),
    ],
)
def test_rewriting(gcs: GcsPaths, text: str, rewritten: str) -> None:
    assert gcs.rewrite(text) == rewritten.replace("ROOT", str(gcs.root))


def test_only_what_is_mentioned_is_brought(gcs: GcsPaths, store: Folder) -> None:
    for name in ("a.csv", "a.csv.bak", "dir/b", "dir/deep/c", "other/d"):
        store.put("data", name, name)
    gcs.bring(["--data=/gcs/data/a.csv", "ls /gcs/data/dir/; true"])
    brought = sorted(path.relative_to(gcs.root).as_posix() for path in gcs.root.rglob("*") if path.is_file())
    assert brought == ["data/a.csv", "data/dir/b", "data/dir/deep/c"]


@pytest.mark.parametrize("pattern", ["a/part-*.csv", "a/part-[01].csv", "*/part-0.csv"])
def test_what_a_wildcard_may_match_is_brought(gcs: GcsPaths, store: Folder, pattern: str) -> None:
    for name in ("a/part-0.csv", "a/part-1.csv"):
        store.put("data", name, name)
    gcs.bring([f"cat /gcs/data/{pattern}"])
    assert sorted(gcs.root.glob("data/a/*")) == [gcs.root / "data/a/part-0.csv", gcs.root / "data/a/part-1.csv"]


def test_writing_in_place_does_not_reach_the_store(gcs: GcsPaths, store: Folder) -> None:
    store.put("data", "a", "old")
    blob = store.local_path("data", "a")
    gcs.bring(["/gcs/data/a"])
    with (gcs.root / "data" / "a").open("r+") as file:
        file.write("new")
    assert blob.read_text() == "old"


def test_what_changed_goes_back(gcs: GcsPaths, store: Folder) -> None:
    store.put("data", "kept", "same")
    store.put("data", "edited", "old")
    blobs = dict(store.buckets["data"])
    gcs.bring(["/gcs/data", "/gcs/out/deep/model"])
    with gcs.kept_in_store():
        (gcs.root / "data" / "edited").write_text("newer")
        (gcs.root / "out" / "deep" / "model").write_text("model")
    assert store.content("data", "edited") == "newer"
    assert store.content("out", "deep/model") == "model"
    assert store.local_path("data", "kept") == blobs["kept"]


def test_closed_files_are_uploaded_while_the_job_runs(
    gcs: GcsPaths, store: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gcpmlops.emulator.runtimes.gcs_paths._POLL_S", 0.01)
    gcs.bring(["/gcs/out/x"])
    with gcs.kept_in_store():
        (gcs.root / "out" / "checkpoint").write_text("1")
        while "checkpoint" not in store.buckets["out"]:
            pass
    assert store.content("out", "checkpoint") == "1"


def test_a_failing_upload_is_not_silent(gcs: GcsPaths, store: Folder) -> None:
    gcs.bring(["/gcs/out/x"])
    (gcs.root / "out" / "x").write_text("x")
    del store.buckets["out"]
    with pytest.raises(KeyError), gcs.kept_in_store():
        pass


def test_a_missing_bucket_stays_absent(gcs: GcsPaths) -> None:
    gcs.bring(["/gcs/missing/x"])
    assert not (gcs.root / "missing").exists()


def test_names_that_are_no_paths_are_left_out_and_said(gcs: GcsPaths, store: Folder, notes: list[str]) -> None:
    for name in ("../../escape", "a//b", "x" * 300, "file", "file/below", "folder/"):
        store.put("data", name, "x")
    gcs.bring(["/gcs/data"])
    found = sorted(path.relative_to(gcs.root).as_posix() for path in gcs.root.rglob("*"))
    assert found == ["data", "data/file", "data/folder"]
    assert len(notes) == 4
