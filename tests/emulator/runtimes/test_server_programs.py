"""What stands for a serving image: variables, arguments, folders, and the errors of images that can't run."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.server_programs import Programs
from gcpmlops.emulator.runtimes.server_spec import ServerSpec
from gcpmlops.emulator.runtimes.serving_images import routine_image
from gcpmlops.emulator.runtimes.unix_http import PortHttp

SKLEARN = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-5:latest"
IMAGE = "gcr.io/me/own:1"
ROUTINE = {"PREDICTOR_MODULE": "predictor", "PREDICTOR_CLASS": "Mine"}


@pytest.fixture
def spec(tmp_path: Path) -> ServerSpec:
    model = tmp_path / "model"
    model.mkdir()
    return ServerSpec("m", IMAGE, model, "gs://b/m", "/health", "/predict")


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    processes = Processes(tmp_path / "processes")
    environments = Environments(processes, tmp_path / "environments")
    images = {IMAGE: "server --fast", "gcr.io/me/routine:1": str(tmp_path / "source")}
    (tmp_path / "source").mkdir()
    yield Programs(tmp_path, tmp_path / "work", lambda image: Path(), environments, images, {"GOOGLE": "yes"})
    processes.close()


def test_a_mapped_command_gets_the_containers_words_and_variables(programs: Programs, spec: ServerSpec) -> None:
    env = {
        "LEVEL": "high",
        "WHERE": "$(AIP_STORAGE_URI)/$(LEVEL)",
        "KEEP": "$(NOTHING) $$(LEVEL)",
        "AIP_HTTP_PORT": "8080",
    }
    first = programs.launch(replace(spec, env=env, command=["serve"], args=["--port=$(AIP_HTTP_PORT)", "$(WHERE)"]))
    assert isinstance(first.client, PortHttp)
    port = str(first.client.port)
    assert first.process.argv == ["server", "--fast", "serve", f"--port={port}", "gs://b/m/high"]
    told = first.process.env
    assert (told["AIP_HTTP_PORT"], told["AIP_HEALTH_ROUTE"], told["AIP_PREDICT_ROUTE"]) == (port, "/health", "/predict")
    assert (told["WHERE"], told["KEEP"]) == ("gs://b/m/high", "$(NOTHING) $(LEVEL)")
    assert (told["GOOGLE"], told["PATH"]) == ("yes", os.environ["PATH"])
    second = programs.launch(spec)
    assert second.process.cwd != first.process.cwd
    assert first.process.cwd.is_dir()
    first.gone()
    assert not first.process.cwd.exists()


def test_python_images_run_a_command_beside_a_copy_of_the_models_files(
    programs: Programs, spec: ServerSpec, tmp_path: Path
) -> None:
    (spec.model_dir / "serve.py").write_text("print('hello')")
    python = replace(spec, image="python:3.11", command=["python", "serve.py"])
    launch = programs.launch(python)
    assert (launch.process.cwd / "serve.py").read_text() == "print('hello')"
    assert launch.process.argv == ["python", "serve.py"]
    assert launch.process.env["PATH"].startswith(str(tmp_path / "work"))
    with pytest.raises(exceptions.InvalidArgument, match=r"python:3.11 runs nothing by itself: give .* a command"):
        programs.launch(replace(python, command=()))
    (spec.model_dir / "requirements.txt").write_text("# ours\n--index-url https://elsewhere\n")
    with pytest.raises(exceptions.InvalidArgument, match="--index-url https://elsewhere' is an option of pip"):
        programs.launch(python)


def test_a_routine_needs_its_source_and_its_classes(programs: Programs, spec: ServerSpec) -> None:
    with pytest.raises(exceptions.FailedPrecondition, match=r"source is neither among .* --image gcr.io/me/x=FOLDER"):
        programs.launch(replace(spec, image="gcr.io/me/x", env=ROUTINE))
    with pytest.raises(exceptions.FailedPrecondition, match=r"must have .* PREDICTOR_MODULE and PREDICTOR_CLASS"):
        programs.launch(replace(spec, image="gcr.io/me/routine:1"))
    assert programs.kind(replace(spec, image="gcr.io/me/routine:1")) == "routine"
    assert routine_image("gcr.io/me/x").packages[0] == "google-cloud-aiplatform[prediction]"
    assert {"scikit-learn==1.5.*", "google-cloud-aiplatform[prediction]"} <= set(routine_image(SKLEARN).packages)
    (spec.model_dir / "predictor.py").touch()
    assert programs._source(replace(spec, image="gcr.io/me/x", env=ROUTINE)) == spec.model_dir


def test_a_routine_runs_under_our_server_from_a_copy_of_its_source(
    programs: Programs, spec: ServerSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def ensure(image: Any, requirements: Any = ()) -> Any:
        asked.append((image.packages[0], requirements))
        return SimpleNamespace(python=Path(sys.executable))

    monkeypatch.setattr(programs._environments, "ensure", ensure)
    source = tmp_path / "source"
    (source / "predictor.py").write_text("class Mine: ...")
    (source / "requirements.txt").write_text("humanize>=4  # for people\n\n# more\n")
    (source / ".git").mkdir()
    routine = replace(spec, image="gcr.io/me/routine:1", env={**ROUTINE, "PYTHONPATH": "/more"})
    programs.prepare(routine)
    launch = programs.launch(routine)
    assert asked == [("google-cloud-aiplatform[prediction]", ["humanize>=4"])] * 2
    assert launch.process.argv[0] == sys.executable
    assert Path(launch.process.argv[1]).name == "model_server"
    copy = launch.process.cwd
    assert {path.name for path in copy.iterdir()} == {"predictor.py", "requirements.txt"}
    told = launch.process.env
    assert (told["PYTHONPATH"], told["PREDICTOR_CLASS"], told["AIP_STORAGE_URI"]) == (
        f"{copy}:/more",
        "Mine",
        "gs://b/m",
    )
    launch.gone()
    assert not copy.exists()
    assert (source / "predictor.py").exists()


def test_other_images_run_in_docker_where_it_answers(
    programs: Programs, spec: ServerSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=r"no local command stands for .*--image gcr.io/me/x=COMMAND"):
        programs.launch(replace(spec, image="gcr.io/me/x"))
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text("#!/bin/sh\n")
    docker.chmod(docker.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    asked = replace(spec, image="gcr.io/me/x", env={"A": "1"}, command=["run", "me"], args=["$(A)"])
    assert programs.kind(replace(asked, env=ROUTINE)) == "docker"  # an image of build_cpr_model has its source
    launch = programs.launch(asked)
    words = list(launch.process.argv)
    assert words[:2] == ["docker", "run"]
    assert words[words.index("--entrypoint") + 1] == "run"
    assert words[-3:] == ["gcr.io/me/x", "me", "1"]
    assert {"A", "AIP_HTTP_PORT", "AIP_STORAGE_URI"} <= set(words)
    assert isinstance(launch.client, PortHttp)
    launch.gone()
