"""Batch prediction of all flights beside a script that reads the same JSON lines, predicts in one call and writes."""

from __future__ import annotations

import json
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks import _flights
from benchmarks._measure import Line, environment, process_seconds
from benchmarks._servers import Server, emulator, library_client

_IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
_ROUNDS = 3
_MODELS = ("HistGradientBoostingClassifier", "GradientBoostingClassifier")
_TRAIN = """
import json, sys
import joblib, numpy as np
from sklearn import ensemble

kind, instances, labels, target = sys.argv[1:]
x = np.array([json.loads(line) for line in open(instances)])
y = np.loadtxt(labels)
rows = slice(None) if kind.startswith("Hist") else slice(0, None, 8)
joblib.dump(getattr(ensemble, kind)(random_state=0).fit(x[rows], y[rows]), target)
"""
_PEER = """
import importlib, sys
import joblib, numpy as np

library, model, source, target = sys.argv[1:]
json = importlib.import_module(library)
with open(source) as file:
    instances = [json.loads(line) for line in file]
predictions = joblib.load(model).predict(np.array(instances)).tolist()
with open(target, "w") as file:
    for instance, prediction in zip(instances, predictions):
        line = json.dumps({"instance": instance, "prediction": prediction})
        file.write((line if isinstance(line, str) else line.decode()) + "\\n")
"""


def lines() -> Iterator[Line]:
    with emulator() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        client = library_client(server)
        client.storage.create_bucket("flights")
        flights = _flights.write(folder)
        client.storage.upload(flights.instances, destination="gs://flights/in/")
        for kind in _MODELS:
            yield from _compared(client, server, kind, flights, folder)


def _compared(client: Any, server: Server, kind: str, flights: _flights.Flights, folder: Path) -> Iterator[Line]:
    """Job and scripts in turns; the first round fills the caches and is thrown away."""
    python, model = _interpreter(), folder / kind / "model.joblib"
    model.parent.mkdir()
    process_seconds([python, "-c", _TRAIN, kind, str(flights.instances), str(flights.labels), str(model)], _env())
    uploaded = client.models.upload(model.parent, display_name=kind, image=_IMAGE, check=False)
    ours, memory, peers = [], [], {"json": [], "orjson": []}  # type: ignore[var-annotated]
    for _ in range(_ROUNDS + 1):
        with _Peak(server.pid) as peak:
            begun = time.perf_counter()
            job = client.batch_predictions.run(
                uploaded, source="gs://flights/in/flights.jsonl", destination="gs://flights/out"
            )
            ours.append(time.perf_counter() - begun)
        memory.append(peak)
        for library, taken in peers.items():
            script = [python, "-c", _PEER, library, str(model), str(flights.instances), str(folder / library)]
            taken.append(process_seconds(script, _env()))
    _check(client, job, folder / "json")
    rate = _flights.FLIGHTS / statistics.median(ours[1:])
    name = f"batch prediction of {_flights.FLIGHTS:,} flights, {kind}"
    for library, target in (("json", 0.5), ("orjson", None)):
        peer = _flights.FLIGHTS / statistics.median(peers[library][1:])
        yield Line(name, rate, peer, "rows/s", target, at_least=True, peer_name=f"one call in a script, {library}")
    grown = max(each.emulator for each in memory[1:])
    yield Line(f"{name}: memory, the emulator's growth", grown, None, "MiB", None)
    yield Line(f"{name}: memory, the model's server", max(each.children for each in memory[1:]), None, "MiB", None)


def _check(client: Any, job: Any, expected: Path) -> None:
    """The same values in the same order, or there is nothing to compare."""
    found = client.storage.list(f"{job.output_uri}/prediction.results-")
    texts = (client.storage.read(f"gs://{each.bucket}/{each.name}").decode() for each in found)
    mine = [json.loads(line) for text in texts for line in text.splitlines()]
    with expected.open() as file:
        if mine != [json.loads(line) for line in file]:
            raise RuntimeError("the job's output is not the script's")


class _Peak:
    """The most memory (resident, MiB) that the emulator grew by, and that the processes it started have."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._before = self._process.memory_info().rss
        self._through = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.emulator = self.children = 0.0

    def __enter__(self) -> _Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._through.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._through.wait(0.05):
            self.emulator = max(self.emulator, (self._process.memory_info().rss - self._before) / 2**20)
            children = self._process.children(recursive=True)
            self.children = max(self.children, sum(map(_rss, children)) / 2**20)


def _rss(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended meanwhile
        return 0


def _env() -> dict[str, str]:
    return environment(OMP_WAIT_POLICY="PASSIVE")


def _interpreter() -> str:
    """The Python of the image's environment."""
    from gcpmlops.emulator.runtimes.environment import Environments
    from gcpmlops.emulator.runtimes.process import Processes
    from gcpmlops.emulator.runtimes.serving_images import pythons

    with tempfile.TemporaryDirectory() as folder:
        processes = Processes(Path(folder))
        try:
            return str(pythons(Environments(processes))(_IMAGE))
        finally:
            processes.close()
