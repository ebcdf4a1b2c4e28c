"""Online predictions: what SDK and emulator add to the model server's own time, at batch 1 and 100."""

from __future__ import annotations

import json
import logging
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks._measure import Line, environment, seconds
from benchmarks._servers import PROJECT, Server, emulator

_IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
_TRAIN = """
import sys
import joblib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier

x, y = load_breast_cancer(return_X_y=True)
joblib.dump(GradientBoostingClassifier(random_state=0).fit(x, y), sys.argv[1])
"""
_CALLS, _WARM = 1000, 50
_LIMIT_MS = 1.5


def lines() -> Iterator[Line]:
    from sklearn.datasets import load_breast_cancer

    rows = load_breast_cancer().data.tolist()
    logging.disable(logging.INFO)  # the SDK tells the whole story of a deployment on stdout
    with emulator() as server, _variables(server):
        endpoint = _deployed()
        alone = _alone(server, endpoint)
        for batch in (1, 100):
            yield _line(endpoint, alone, rows[:batch])


def _line(endpoint: Any, alone: Callable[[bytes], Any], rows: list[list[float]]) -> Line:
    body = json.dumps({"instances": rows}).encode()
    if json.loads(alone(body).body)["predictions"] != endpoint.predict(rows).predictions:
        raise RuntimeError("the two sides answer differently")
    sides = {"sdk": partial(endpoint.predict, rows), "server": partial(alone, body)}
    p50 = _medians(sides)
    target = _LIMIT_MS if len(rows) == 1 else None
    name = f"Endpoint.predict, batch {len(rows)}, p50 through SDK and emulator, less the server's own"
    return Line(name, p50["sdk"] - p50["server"], p50["server"], "ms", target, peer_name="model server alone",
                absolute=True)  # fmt: skip


def _medians(sides: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Milliseconds, call by call in turn: a server that has just rested is slower, whoever asks it then."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(_WARM + _CALLS):
        for name, call in sides.items():
            taken[name].append(seconds(call) * 1e3)
    return {name: statistics.median(times[_WARM:]) for name, times in taken.items()}


@contextmanager
def _variables(server: Server) -> Iterator[None]:
    """What `gcpmlops emulator exec` sets, in this process."""
    from gcpmlops.emulator import launch
    from gcpmlops.emulator.server import running

    server.token  # noqa: B018 - waits until it is up
    while (state := running(server.data_dir)) is None:
        pass
    before = dict(os.environ)
    os.environ.update(launch.environment(state))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _deployed() -> Any:
    """An endpoint that serves gradient boosting on breast_cancer, trained where it will be served."""
    from google.cloud import aiplatform, storage

    aiplatform.init(project=PROJECT, location="us-central1")
    bucket = storage.Client(project=PROJECT).create_bucket("models")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.joblib"
        subprocess.run([_interpreter(), "-c", _TRAIN, path], env=environment(), check=True)
        bucket.blob("m/model.joblib").upload_from_filename(path)
    model = aiplatform.Model.upload(
        artifact_uri="gs://models/m", serving_container_image_uri=_IMAGE, display_name="benchmark"
    )
    return model.deploy(machine_type="n1-standard-2")


def _interpreter() -> Path:
    """The Python of the image's environment."""
    from gcpmlops.emulator.runtimes.environment import Environments
    from gcpmlops.emulator.runtimes.process import Processes
    from gcpmlops.emulator.runtimes.servers import pythons

    with tempfile.TemporaryDirectory() as folder:
        processes = Processes(Path(folder))
        try:
            return pythons(Environments(processes))(_IMAGE)
        finally:
            processes.close()


def _alone(server: Server, endpoint: Any) -> Callable[[bytes], Any]:
    """Asks the very server that is deployed, over its own socket."""
    from gcpmlops.emulator.runtimes.unix_http import UnixHttp
    from gcpmlops.emulator.server import running

    state = running(server.data_dir)
    if state is None:
        raise RuntimeError("the emulator has gone")
    (path,) = Path(state.sockets).glob("model-*")
    deployed = endpoint.list_models()[0]
    route = f"/v1/endpoints/{endpoint.name}/deployedModels/{deployed.id}:predict"
    client = UnixHttp(path)
    return lambda body: client.request("POST", route, body, {"content-type": "application/json"}, 60)
