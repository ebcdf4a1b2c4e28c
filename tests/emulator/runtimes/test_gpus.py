from collections.abc import Iterator
from pathlib import Path

import pytest

from gcpmlops.emulator.runtimes import gpus


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(gpus, "_NVIDIA", tmp_path / "driver")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    gpus.count.cache_clear()
    yield
    gpus.count.cache_clear()


def test_none() -> None:
    assert gpus.count() == 0


def test_by_the_driver(tmp_path: Path) -> None:
    for name in ("0000:00:04.0", "0000:00:05.0"):
        (tmp_path / "driver" / name).mkdir(parents=True)
    assert gpus.count() == 2


@pytest.mark.parametrize(("visible", "count"), [(None, 3), ("0,2", 2), ("", 0), ("0,1,2,3", 3)])
def test_by_nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, count: int) -> None:
    command = tmp_path / "nvidia-smi"
    command.write_text('#!/bin/sh\nfor n in 0 1 2; do echo "GPU $n: NVIDIA T4 (UUID: GPU-$n)"; done\n')
    command.chmod(0o755)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert gpus.count() == count
