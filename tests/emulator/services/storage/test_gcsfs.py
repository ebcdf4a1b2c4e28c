"""gcsfs, which stands behind ``pandas.read_csv("gs://...")``."""

from __future__ import annotations

import pytest

core = pytest.importorskip("gcsfs.core")


@pytest.fixture
def filesystem(served, bucket):
    made = core.GCSFileSystem(
        project="local-project",
        endpoint_url=served.url,
        token="anon",
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    yield made
    core.GCSFileSystem.close_session(made.loop, made.session)


def test_files(filesystem):
    with filesystem.open("bucket-1/a/big.bin", "wb", block_size=256 * 1024) as file:
        file.write(b"x" * 1_000_000)
    filesystem.pipe("bucket-1/a/small.txt", b"hello")
    assert filesystem.ls("bucket-1/a") == ["bucket-1/a/big.bin", "bucket-1/a/small.txt"]
    assert filesystem.info("bucket-1/a/big.bin")["size"] == 1_000_000
    assert filesystem.cat("bucket-1/a/small.txt") == b"hello"
    filesystem.cp("bucket-1/a/small.txt", "bucket-1/b")
    filesystem.mv("bucket-1/b", "bucket-1/c")
    assert filesystem.find("bucket-1") == ["bucket-1/a/big.bin", "bucket-1/a/small.txt", "bucket-1/c"]
    filesystem.rm("bucket-1/a", recursive=True)
    assert filesystem.find("bucket-1") == ["bucket-1/c"]
    assert not filesystem.exists("bucket-1/nope")
