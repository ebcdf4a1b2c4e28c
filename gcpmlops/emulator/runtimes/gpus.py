"""Graphics processors of this machine. Jobs see them as they are: nothing is shared out."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

_NVIDIA = Path("/proc/driver/nvidia/gpus")


@cache
def count() -> int:
    """How many NVIDIA GPUs a job can use: by the driver, and no more than CUDA_VISIBLE_DEVICES lets through."""
    installed = len(list(_NVIDIA.iterdir())) if _NVIDIA.is_dir() else _told_by_nvidia_smi()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return installed if visible is None else min(installed, len([part for part in visible.split(",") if part.strip()]))


def _told_by_nvidia_smi() -> int:
    command = shutil.which("nvidia-smi")
    if command is None:
        return 0
    try:
        said = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:  # a driver that hangs is of no use to a job either
        return 0
    return sum(line.startswith("GPU ") for line in said.stdout.splitlines())
