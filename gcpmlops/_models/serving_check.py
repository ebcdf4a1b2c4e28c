"""The serving check: a real model server is started on this machine and asked, before a model is registered.

It is a program of the extra `emulator` and runs as a process of its own, in the packages of the image: nothing of it is
imported here, no service is contacted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gcpmlops import _html
from gcpmlops._models.samples import FILE, Samples
from gcpmlops._serving import Server
from gcpmlops.exceptions import InvalidArgument, MissingExtra, ServingCheckFailed

_PROGRAM = ("-m", "gcpmlops.emulator.check_serving")
_NEEDS = ("httptools", "psutil", "starlette", "uv", "uvicorn")  # of the extra
_STOP = 20.0  # seconds that it gets to end its server


@dataclass(frozen=True)
class ServingCheck:
    """What the check found. `stage` is where it stopped: environment, start, health, predict, latency or memory."""

    ok: bool
    stage: str
    error: str
    image: str
    samples: int
    """How many instances each request had; 0: none were given, and nothing was predicted."""
    log_tail: Sequence[str] = ()
    """The server's last lines."""
    boot_seconds: float = 0.0
    """From the start of the process until it answers."""
    predict_seconds: Mapping[str, float] | None = None
    """`median` and `max` of requests with all samples."""
    memory_mib: float = 0.0
    """Resident, after predicting."""
    predictions: Sequence[Any] = ()

    @property
    def was_possible(self) -> bool:
        """False where this machine has no environment for the image: that says nothing of the model."""
        return self.ok or self.stage != "environment"

    def require(self) -> ServingCheck:
        """Itself where all is well. Raises ServingCheckFailed."""
        if not self.ok:
            raise ServingCheckFailed(self)
        return self

    def __str__(self) -> str:
        if not self.ok:
            return f"failed at {self.stage}: {self.error}"
        return ", ".join(f"{name} {value}" for name, value in self.measured.items())

    @property
    def measured(self) -> dict[str, str]:
        """What was measured, for people."""
        latency = "not measured, for want of samples"
        if self.predict_seconds:
            latency = f"{self.predict_seconds['median'] * 1000:.1f} ms for {self.samples} instances"
        return {"boot": f"{self.boot_seconds:.2f} s", "latency": latency, "memory": f"{self.memory_mib:.0f} MiB"}

    def _repr_html_(self) -> str:
        found = {"result": "ok", **self.measured} if self.ok else {"result": str(self), "log": "\n".join(self.log_tail)}
        return _html.card("Serving check", {"image": self.image, **found})


@dataclass(frozen=True)
class Limits:
    """What a server may take: seconds for the slowest request, MiB of memory; None is no limit."""

    max_latency: float | None = None
    max_memory: float | None = None
    timeout: float = 600.0
    """Seconds for everything; the packages of an image are installed when it is first used."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value is not None and value <= 0:
                raise InvalidArgument(field=name, value=value, allowed="a number above 0")

    @property
    def are_set(self) -> bool:
        """Whether latency or memory is limited."""
        return self.max_latency is not None or self.max_memory is not None

    def judge(self, found: ServingCheck) -> ServingCheck:
        """The result with the limits applied."""
        slowest = (found.predict_seconds or {}).get("max", 0.0)
        if found.ok and self.max_latency is not None and slowest > self.max_latency:
            error = f"the slowest request took {slowest:.3f} s, more than the {self.max_latency:g} s allowed"
            return replace(found, ok=False, stage="latency", error=error)
        if found.ok and self.max_memory is not None and found.memory_mib > self.max_memory:
            error = f"the server takes {found.memory_mib:.0f} MiB, more than the {self.max_memory:g} MiB allowed"
            return replace(found, ok=False, stage="memory", error=error)
        return found


def is_possible(server: Server) -> bool:
    """Whether a check can be expected to work here: the extra `emulator` is installed, the image is one of Google's."""
    return server.is_prebuilt and not _missing()


def run(folder: Path, server: Server, samples: Samples | None, limits: Limits) -> ServingCheck:
    """Check a folder of model files; `samples` take the place of its samples.json.

    Raises MissingExtra, InvalidArgument for a samples.json that is none.
    """
    missing = _missing()
    if missing:
        text = f"the serving check needs {', '.join(missing)}, which is not installed"
        raise MissingExtra(text, extra="emulator")
    stored = folder / FILE
    if samples is None and stored.is_file():
        samples = Samples.parse(stored.read_bytes(), where=str(stored))
    with tempfile.TemporaryDirectory() as scratch:
        request = Path(scratch, FILE)
        if samples is not None:
            request.write_bytes(samples.to_json())
        given = ["--samples", str(request)] if samples is not None else []
        words = [*_PROGRAM, "--model-dir", str(folder), *_words(server, limits), *given]
        found = _result(*_output(words, limits.timeout), server, samples, limits.timeout)
    return limits.judge(found)


def _missing() -> list[str]:
    return [name for name in _NEEDS if find_spec(name) is None]


def _words(server: Server, limits: Limits) -> Iterator[str]:
    yield from ("--image", server.image, "--ready-seconds", str(0.8 * limits.timeout))
    for name, value in server.env.items():
        yield from ("--env", f"{name}={value}")
    if server.health_route:
        yield from ("--health-route", server.health_route)
    if server.predict_route:
        yield from ("--predict-route", server.predict_route)
    if limits.max_latency is not None:  # later than that it has failed anyway
        yield from ("--predict-seconds", str(max(1.0, 2 * limits.max_latency)))


def _output(words: Sequence[str], timeout: float) -> tuple[str, str, bool]:
    """Standard output, standard error, and whether it was ended for taking too long."""
    with subprocess.Popen(
        [sys.executable, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            return *process.communicate(timeout=timeout), False
        except subprocess.TimeoutExpired:
            return *_ended(process), True
        except BaseException:  # Ctrl-C: its server goes with it
            _ended(process)
            raise


def _ended(process: subprocess.Popen[str]) -> tuple[str, str]:
    process.terminate()
    try:
        return process.communicate(timeout=_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.communicate()


def _result(
    output: str, errors: str, too_late: bool, server: Server, samples: Samples | None, timeout: float
) -> ServingCheck:
    count = len(samples or ())
    try:
        found = json.loads(output)
    except ValueError:
        tail = tuple(errors.splitlines()[-20:])
        error = f"it did not end within {timeout:g} s" if too_late else "the checking program ended without a result"
        return ServingCheck(False, "start", error, server.image, count, tail)
    found["samples"] = count
    found["log_tail"] = tuple(found["log_tail"])
    return ServingCheck(image=server.image, **found)
