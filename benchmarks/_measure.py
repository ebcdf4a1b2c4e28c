"""What a line of the table is, and how times are taken: interleaved rounds, the median of each side."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

# Would change what is measured: no bytecode, other endpoints, other certificates.
_UNSET = (
    "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "GCPMLOPS_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS",
    "STORAGE_EMULATOR_HOST", "HTTPS_PROXY", "https_proxy", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    """One row: our figure, the peer's, and the bound on ours / peer's (``at_least``: higher is better).

    Where the bound is ``absolute``, it is on our figure itself, in its unit.
    """

    name: str
    ours: float
    peer: float | None
    unit: str
    target: float | None
    at_least: bool = False
    peer_name: str = ""
    absolute: bool = False

    @property
    def ratio(self) -> float | None:
        return None if self.peer is None else self.ours / self.peer

    @property
    def verdict(self) -> str:
        value = self.ours if self.absolute else self.ratio
        if self.target is None or value is None:
            return "-"
        met = value >= self.target if self.at_least else value <= self.target
        return "pass" if met else "falls short"


def environment(**more: str) -> dict[str, str]:
    """For measured processes: bytecode may be written, nothing points anywhere."""
    return {key: value for key, value in os.environ.items() if key not in _UNSET} | more


def seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def process_seconds(command: Sequence[str], env: Mapping[str, str]) -> float:
    """Wall time of a whole process. Raises: CalledProcessError with its output."""
    return seconds(lambda: subprocess.run(command, env=env, check=True, capture_output=True))


def medians(sides: Mapping[str, Callable[[], float]], rounds: int, *, warm: int = 1) -> dict[str, float]:
    """Runs the sides in turn, so that noise hits all alike; the first ``warm`` rounds write bytecode and caches."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(warm + rounds):
        for name, side in sides.items():
            value = side()
            if number >= warm:
                taken[name].append(value)
    return {name: statistics.median(values) for name, values in taken.items()}
