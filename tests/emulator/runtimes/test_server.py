"""Model servers as real processes, under this environment's Python; one under the prediction image's own."""

from __future__ import annotations

import json
import os
import pickle
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import pytest
from google.api_core import exceptions
from sklearn.linear_model import LinearRegression

from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.server import ModelServer, ServerSpec
from gcpmlops.emulator.runtimes.servers import Servers, pythons

SKLEARN = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"
XGBOOST = "us-docker.pkg.dev/vertex-ai/prediction/xgboost-cpu.2-1:latest"
JSON = {"content-type": "application/json"}


SLOW = """
import os, signal, time

class Slow:
    def predict(self, rows):
        if rows[0][0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(float(rows[0][0]))
        return rows
"""
SLOW_PICKLE = b"cslow\nSlow\n)\x81."  # an instance of slow.Slow


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    found = Processes(tmp_path / "processes")
    yield found
    found.close()


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def servers(tmp_path: Path, processes: Processes) -> Iterator[Servers]:
    env = {"PYTHONPATH": str(tmp_path / "code"), "PYTHONDONTWRITEBYTECODE": "1"}
    found = Servers(tmp_path, processes, lambda image: Path(sys.executable), env)
    yield found
    found.close()
    assert processes.living == []


@pytest.fixture
def spec(tmp_path: Path) -> ServerSpec:
    directory = tmp_path / "model"
    directory.mkdir()
    joblib.dump(
        LinearRegression().fit([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0]], [0.0, 3.0, 3.0]), directory / "model.joblib"
    )
    return ServerSpec("d1", SKLEARN, directory, "gs://b/model", "/health", "/predict")


@pytest.fixture
def slow(spec: ServerSpec, tmp_path: Path) -> ServerSpec:
    """A model that predicts after the seconds in its first cell, and ends its process for a negative number."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "slow.py").write_text(SLOW)
    (spec.model_dir / "model.joblib").unlink()
    (spec.model_dir / "model.pkl").write_bytes(SLOW_PICKLE)
    return spec


def predict(server: ModelServer, body: object, timeout: float = 20.0) -> tuple[int, dict[str, object]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    reply = server.request("POST", server.spec.predict_route, data, JSON, timeout)
    return reply.status, json.loads(reply.body)


def started(servers: Servers, spec: ServerSpec, lines: list[str]) -> ModelServer:
    server = servers.start(spec, lambda stream, text: lines.append(text))
    server.wait_ready(60)
    return server


def test_it_predicts_and_refuses_in_the_words_of_the_container(
    servers: Servers, spec: ServerSpec, lines: list[str]
) -> None:
    server = started(servers, spec, lines)
    status, body = predict(server, {"instances": [[1, 2], [3, 3]]})
    assert status == 200
    assert body["predictions"] == pytest.approx([3.0, 6.0])
    refused = {
        "X has 1 features, but LinearRegression is expecting 2 features": {"instances": [[1]]},
        "must be a string or a real number, not 'dict' (the prebuilt image passes": {"instances": [{"a": 1, "b": 2}]},
        "is not compatible with arrays of bytes/strings": {"instances": [["a", "b"]]},
        "unexpected keyword argument 'parameters'": {"instances": [[1, 2]], "parameters": {}},
        "inhomogeneous": {"instances": [[1, 2], [3]]},
        "Expected 2D array": {"instances": []},
        'Missing "instances"': {"rows": []},
        "it must be a list": {"instances": 1},
        "Invalid JSON payload": b'{"instances": [[',
    }
    for text, request in refused.items():
        status, body = predict(server, request)
        assert (status, text in str(body["error"]) or body["error"]) == (400, True)
    assert server.request("GET", "/predict", b"", {}, 5).status == 405
    assert server.request("POST", "/elsewhere", b"", {}, 5).status == 404
    assert lines[0] == "Loaded model.joblib: sklearn.linear_model._base.LinearRegression"


def test_a_large_batch_and_a_large_body(servers: Servers, spec: ServerSpec, lines: list[str]) -> None:
    server = started(servers, spec, lines)
    status, body = predict(server, {"instances": [[1, 2]] * 200_000})
    assert status == 200
    assert isinstance(body["predictions"], list)
    assert len(body["predictions"]) == 200_000


def test_xgboost_boosters_predict_from_a_matrix(
    servers: Servers, spec: ServerSpec, lines: list[str], tmp_path: Path
) -> None:
    xgboost = pytest.importorskip("xgboost")
    rows, targets = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 1.0, 2.0, 3.0])
    booster = xgboost.train({}, xgboost.DMatrix(rows, targets), 3)
    directory = tmp_path / "booster"
    directory.mkdir()
    (directory / "model.bst").write_bytes(booster.save_raw("ubj"))
    server = started(servers, replace(spec, image=XGBOOST, model_dir=directory), lines)
    status, body = predict(server, {"instances": rows.tolist()})
    assert status == 200
    assert body["predictions"] == pytest.approx(booster.predict(xgboost.DMatrix(rows)).tolist())
    status, body = predict(server, {"instances": [1, 2]})
    assert status == 400
    assert "Could not initialize DMatrix from inputs" in str(body["error"])
    status, body = predict(server, {"instances": [[1.0, 2.0]]})
    assert status == 400
    assert str(body["error"]).endswith("Number of columns does not match number of features in booster.")


def test_an_xgboost_estimator_is_refused_as_by_the_container(
    servers: Servers, spec: ServerSpec, lines: list[str], tmp_path: Path
) -> None:
    xgboost = pytest.importorskip("xgboost")
    model = xgboost.XGBRegressor(n_estimators=2).fit([[0.0], [1.0]], [0.0, 1.0])
    directory = tmp_path / "estimator"
    directory.mkdir()
    (directory / "model.pkl").write_bytes(pickle.dumps(model))
    server = started(servers, replace(spec, image=XGBOOST, model_dir=directory), lines)
    status, body = predict(server, {"instances": [[0.5]]})
    assert status == 400
    assert "save model.get_booster()" in str(body["error"])


def test_a_model_that_does_not_unpickle_fails_with_the_last_lines(
    servers: Servers, spec: ServerSpec, lines: list[str], processes: Processes
) -> None:
    (spec.model_dir / "model.joblib").write_bytes(b"not a pickle")
    begun = time.monotonic()
    server = servers.start(spec, lambda stream, text: lines.append(text))
    with pytest.raises(
        exceptions.FailedPrecondition, match=r"(?s)exit code 1.*The model in gs://b/model could not be loaded"
    ):
        server.wait_ready(60)
    assert time.monotonic() - begun < 30
    servers.stop(spec.name)
    assert processes.living == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "has no model file: the prebuilt sklearn image needs exactly one of model.joblib, model.pkl .* notes.txt"),
        (["model.bst"], "has no model file"),
        (["model.pkl", "model.joblib"], "has 2 model files"),
    ],
)
def test_artifacts_need_exactly_one_model_file(
    servers: Servers, spec: ServerSpec, lines: list[str], names: list[str], words: str
) -> None:
    (spec.model_dir / "model.joblib").unlink()
    for name in [*names, "notes.txt"]:
        (spec.model_dir / name).write_bytes(b"")
    server = servers.start(spec, lambda stream, text: lines.append(text))
    with pytest.raises(exceptions.FailedPrecondition, match=f"gs://b/model {words}"):
        server.wait_ready(60)


@pytest.mark.parametrize("image", ["gcr.io/me/mine:1", "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-5:latest"])
def test_other_images_are_refused_by_name(servers: Servers, spec: ServerSpec, lines: list[str], image: str) -> None:
    server = servers.start(replace(spec, image=image), lambda stream, text: lines.append(text))
    with pytest.raises(exceptions.InvalidArgument, match=image):
        server.wait_ready(60)


def test_a_server_that_dies_answers_503_then_serves_again(servers: Servers, slow: ServerSpec, lines: list[str]) -> None:
    server = started(servers, slow, lines)
    assert predict(server, {"instances": [[0, 1]]}) == (200, {"predictions": [[0, 1]]})
    with pytest.raises(exceptions.ServiceUnavailable, match="ended while it answered"):
        predict(server, {"instances": [[-1]]})
    assert predict(server, {"instances": [[0, 1]]}) == (200, {"predictions": [[0, 1]]})
    assert "The model server ended (signal 9 (SIGKILL)) and is being restarted." in lines
    with pytest.raises(exceptions.DeadlineExceeded, match=r"did not answer within 0.2 s"):
        predict(server, {"instances": [[1]]}, timeout=0.2)


def test_stopping_lets_requests_in_flight_end(servers: Servers, slow: ServerSpec, lines: list[str]) -> None:
    server = started(servers, slow, lines)
    replies: list[int] = []
    thread = threading.Thread(target=lambda: replies.append(predict(server, {"instances": [[0.5]]})[0]))
    thread.start()
    while not server.in_flight:
        thread.join(0.005)
    servers.stop(slow.name)
    thread.join()
    assert replies == [200]
    with pytest.raises(exceptions.ServiceUnavailable, match="is being undeployed"):
        predict(server, {"instances": [[0]]})


def test_the_environment_of_the_image_serves_it(
    tmp_path: Path, processes: Processes, spec: ServerSpec, lines: list[str]
) -> None:
    (spec.model_dir / "model.joblib").unlink()
    python = pythons(Environments(processes))(SKLEARN)
    code = (
        "import pickle, sys; from sklearn.linear_model import LinearRegression; import sklearn;"
        "pickle.dump(LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0]), open(sys.argv[1], 'wb'));"
        "assert sklearn.__version__.startswith('1.5.')"
    )
    os.spawnv(os.P_WAIT, str(python), [str(python), "-c", code, str(spec.model_dir / "model.pkl")])
    servers = Servers(tmp_path, processes, lambda image: python, {})
    try:
        server = started(servers, spec, lines)
        assert predict(server, {"instances": [[3]]})[1]["predictions"] == pytest.approx([6.0])
    finally:
        servers.close()
