"""gsutil, unmodified, through `gcpmlops emulator exec`."""

import shutil
from pathlib import Path

import pytest

from .conftest import Shell

pytestmark = [
    pytest.mark.gcloud,
    pytest.mark.xdist_group("e2e-bq"),
    pytest.mark.skipif(shutil.which("gsutil") is None, reason="gsutil is not installed"),
]


def test_bucket_and_objects(shell: Shell, tmp_path: Path, unique) -> None:
    bucket = f"gs://{unique('gsutil')}"

    def gsutil(*command: object, **options: object) -> str:
        return shell.tool("gsutil", *command, **options).stdout

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("a\n")
    (tmp_path / "big.bin").write_bytes(bytes(range(256)) * 40_000)  # resumable
    gsutil("mb", "-l", "eu", bucket)
    assert f"{bucket}/" in gsutil("ls").split()
    gsutil("cp", "-r", "folder", "big.bin", bucket)
    assert gsutil("ls", f"{bucket}/**").split() == [f"{bucket}/big.bin", f"{bucket}/folder/a.txt"]
    assert gsutil("cat", f"{bucket}/folder/a.txt") == "a\n"
    gsutil("cp", f"{bucket}/big.bin", "back.bin")
    assert (tmp_path / "back.bin").read_bytes() == (tmp_path / "big.bin").read_bytes()
    gsutil("rm", f"{bucket}/**")
    gsutil("rb", bucket)
    assert "404" in shell("gsutil", "ls", bucket, code=1).stderr
