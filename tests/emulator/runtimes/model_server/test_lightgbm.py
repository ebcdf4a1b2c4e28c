"""A LightGBM booster under a prebuilt image: lightgbm comes into the environment because the model needs it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.server import ServerSpec
from gcpmlops.emulator.runtimes.servers import Servers, pythons

IMAGE = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"


def test_a_booster_is_served_in_the_environment_of_the_image(tmp_path: Path) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    rows = np.arange(40.0).reshape(20, 2)
    data = lightgbm.Dataset(rows, rows[:, 0], params={"verbose": -1})
    booster = lightgbm.train({"min_data_in_leaf": 1, "verbose": -1}, data, 5)
    folder = tmp_path / "model"
    folder.mkdir()
    booster.save_model(folder / "model.txt")
    processes = Processes(tmp_path / "processes")
    environments = Environments(processes)
    servers = Servers(tmp_path / "s", processes, pythons(environments), {}, environments=environments)
    lines: list[str] = []
    try:
        spec = ServerSpec("d1", IMAGE, folder, "gs://b/model", "/health", "/predict")
        server = servers.start(spec, lambda stream, text: lines.append(text))
        server.wait_ready(120)
        body = json.dumps({"instances": rows.tolist()}).encode()
        reply = server.request("POST", "/predict", body, {"content-type": "application/json"}, 20)
        assert json.loads(reply.body)["predictions"] == pytest.approx(booster.predict(rows).tolist())
        assert any("Vertex AI's prebuilt images have no LightGBM" in line for line in lines)
    finally:
        servers.close()
        processes.close()
