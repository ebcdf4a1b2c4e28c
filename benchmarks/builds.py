"""Builds beside the same commands run bare: a step that writes, one that computes, one that reads."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks._measure import Line, environment, medians, seconds
from benchmarks._servers import PROJECT, emulator, library_client

_PARENT = f"projects/{PROJECT}/locations/us-central1"
_ROUNDS = 9
_LOOK_S = 0.005  # between two looks at a build that is not done
_COMMANDS: tuple[tuple[str, Sequence[str]], ...] = (
    ("ubuntu", ["sh", "-c", "seq 100000 > numbers"]),
    ("python:3.11", ["python3", "-c", "print(sum(map(int, open('numbers'))), file=open('total', 'w'))"]),
    ("bash", ["bash", "-c", 'test "$(cat total)" = 5000050000']),
)
_TO_STORAGE, _TO_LOGGING = "LEGACY", "CLOUD_LOGGING_ONLY"


def lines() -> Iterator[Line]:
    with emulator() as server, tempfile.TemporaryDirectory() as folder:
        api = library_client(server).clients.builds
        sides = {
            "bare": lambda: _bare(Path(folder)),
            _TO_LOGGING: lambda: _built(api, _TO_LOGGING),
            _TO_STORAGE: lambda: _built(api, _TO_STORAGE),
        }
        found = medians(sides, _ROUNDS)
    for logging, called in ((_TO_LOGGING, "log in Cloud Logging"), (_TO_STORAGE, "log in Cloud Storage too")):
        over = found[logging] - found["bare"]
        name = f"a build of three steps, {called}, over its commands"
        yield Line(name, over, found["bare"], "s", 0.5, peer_name="the commands bare", absolute=True)


def _bare(folder: Path) -> float:
    def run() -> None:
        for _, command in _COMMANDS:
            subprocess.run(command, cwd=folder, env=environment(), check=True)

    return seconds(run)


def _built(api: Any, logging: str) -> float:
    """From CreateBuild until GetBuild says that it has succeeded."""
    steps = [{"name": image, "args": [word.replace("$", "$$") for word in words]} for image, words in _COMMANDS]
    build = {"steps": steps, "options": {"logging": logging}}
    started = time.perf_counter()
    build_id = api.create_build(parent=_PARENT, build=build).metadata.build.id
    while not (ended := api.get_build(name=f"{_PARENT}/builds/{build_id}")).finish_time:
        time.sleep(_LOOK_S)
    taken = time.perf_counter() - started
    if ended.status.name != "SUCCESS":
        raise RuntimeError(f"{ended.name}: {ended.status.name} {ended.status_detail}")
    return taken
