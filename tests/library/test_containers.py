"""Dockerfiles, the serving program as a process, manifests; what people edited is kept."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import kubernetes_validate
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from sklearn.linear_model import LinearRegression

from gcpmlops.cli import root
from gcpmlops.containers import Containers, Generated
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument

IMAGE = {"image": "europe-docker.pkg.dev/p/ml/late:3", "model_uri": "gs://b/late"}


def states(files: list[Generated]) -> dict[str, str]:
    return {file.path.name: file.state for file in files}


def test_images_are_pinned_and_not_root(tmp_path: Path) -> None:
    made = Containers()
    assert set(states(made.generate("serving", tmp_path / "s"))) == {
        "Dockerfile", ".dockerignore", "requirements.txt", "serve.py",
    }  # fmt: skip
    made.generate("training", tmp_path / "t", module="trainer.fit", requirements=["pandas==2.2.3"])
    for name in ("s", "t"):
        lines = (tmp_path / name / "Dockerfile").read_text().splitlines()
        bases = {line.split()[1] for line in lines if line.startswith("FROM")}
        assert len(bases) == 1
        assert not bases.pop().endswith(":latest")
        assert lines.index("USER 10001:10001") < next(
            i for i, line in enumerate(lines) if line.startswith("ENTRYPOINT")
        )
        assert any(line.startswith("HEALTHCHECK") for line in lines)
        wanted = (tmp_path / name / "requirements.txt").read_text().splitlines()[1:]
        assert wanted
        assert all("==" in line for line in wanted)
    assert '"trainer.fit"' in (tmp_path / "t/Dockerfile").read_text()


@pytest.mark.parametrize(
    "given",
    [
        {"requirements": ["pandas"]}, {"requirements": ["pandas>=2"]}, {"base_image": "python"},
        {"base_image": "python:latest"}, {"base_image": "a//b:1"}, {"base_image": "python:3.12\nRUN x"},
        {"module": 'x"; rm'},
        {"requirements": ["pandas==2.0!"]}, {"requirements": ["pandas==2.*"]}, {"requirements": ["a-b==1", "A_b==2"]},
    ],
)  # fmt: skip
def test_what_is_not_pinned_or_would_be_something_else(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Containers().generate("training", tmp_path, **given)
    assert not list(tmp_path.iterdir())


def test_a_requirements_file_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    own = "# ours\nA_b[c] == 1.0 \\\n    --hash=sha256:00\nd==2; python_version > '3'  # via a\n"
    path.write_text(own)
    assert set(states(Containers().generate("training", tmp_path, force=True))) == {"Dockerfile", ".dockerignore"}
    assert path.read_text() == own
    path.write_text(own + "pandas>=2\n")
    with pytest.raises(InvalidArgument, match=r"requirements.txt: pandas>=2"):
        Containers().generate("training", tmp_path)
    with pytest.raises(FailedPrecondition, match=r"requirements.txt: foreign"):
        Containers().generate("training", tmp_path, requirements=["pandas==2.2.3"])


def test_the_models_pins_win_over_the_servers(tmp_path: Path) -> None:
    Containers().generate("serving", tmp_path, requirements=["scikit_learn==1.6.1", "Joblib==1.3.0"])
    lines = (tmp_path / "requirements.txt").read_text().splitlines()[1:]
    assert lines[-2:] == ["scikit_learn==1.6.1", "Joblib==1.3.0"]
    assert not any(line.startswith("joblib") for line in lines)


def test_a_file_that_was_edited_is_kept(tmp_path: Path) -> None:
    made, path = Containers(), tmp_path / "Dockerfile"
    made.generate("serving", tmp_path)
    assert set(states(made.generate("serving", tmp_path)).values()) == {"CURRENT"}
    path.write_text(path.read_text() + "RUN true\n")
    with pytest.raises(FailedPrecondition, match="Dockerfile"):
        made.generate("serving", tmp_path, requirements=["scikit-learn==1.6.1"])
    assert "1.6.1" not in (tmp_path / "requirements.txt").read_text()
    made.generate("serving", tmp_path, requirements=["scikit-learn==1.6.1"], confirm=lambda _: False)
    assert "RUN true" in path.read_text()
    assert "1.6.1" in (tmp_path / "requirements.txt").read_text()
    (tmp_path / "elsewhere").write_text(path.read_text())
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    path.chmod(0o750)
    made.generate("serving", tmp_path, force=True)
    assert "RUN true" not in path.read_text()
    assert (path.is_symlink(), path.stat().st_mode & 0o777) == (True, 0o750)


def test_states(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"

    def state(body: str = "a: 2\n") -> str:
        return Generated.compared(path, body).state

    made = Generated.compared(path, "a: 1\n").content
    assert state() == "MISSING"
    path.write_text(made)
    assert (state("a: 1\n"), state()) == ("CURRENT", "OUTDATED")
    path.write_bytes(made.replace("\n", "\r\n").encode())
    assert (state("a: 1\n"), state()) == ("CURRENT", "OUTDATED")
    for edited in (made + "b: 1\n", "# licence\n" + made, made.replace("a: 1", "a: 3")):
        path.write_text(edited)
        assert state() == "EDITED"
    for foreign in (b"mine\n", b"\xff", b""):
        path.write_bytes(foreign)
        assert state() == "FOREIGN"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("serving")
    Containers().generate("serving", folder)
    x = np.array([[0.0], [1.0], [2.0]])
    joblib.dump(LinearRegression().fit(x, 3 * x[:, 0] + 1), folder / "model.joblib")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "AIP_STORAGE_URI": str(folder), "AIP_HTTP_PORT": str(port), "SERVE_HOST": "127.0.0.1",
        "AIP_HEALTH_ROUTE": "/ready", "AIP_PREDICT_ROUTE": "/v1/predict",
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, str(folder / "serve.py")], env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5):
                    break
            except (ConnectionError, urllib.error.URLError):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/v1/predict"
    finally:
        process.terminate()
        process.wait(30)


def ask(url: str, body: bytes) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_serving_program_predicts_by_the_contract(server: str) -> None:
    status, reply = ask(server, b'{"instances": [[4], [5.5]]}')
    assert status == 200
    assert reply["predictions"] == pytest.approx([13.0, 17.5])


@pytest.mark.parametrize(
    "body", [b"{", b"\xff", b"[]", b"{}", b'{"instances": []}', b'{"instances": [[1, 2]]}', b'{"instances": [["a"]]}']
)
def test_what_is_no_request_is_refused_with_a_reason(server: str, body: bytes) -> None:
    status, reply = ask(server, body)
    assert status == 400
    assert reply["error"]
    assert ask(server, b'{"instances": [[0]]}')[0] == 200


def test_a_server_without_model_ends(tmp_path: Path) -> None:
    Containers().generate("serving", tmp_path)
    environment = os.environ | {"AIP_STORAGE_URI": str(tmp_path)}
    command = [sys.executable, str(tmp_path / "serve.py")]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "model.joblib" in result.stderr


@pytest.mark.parametrize("version", ["1.31", kubernetes_validate.latest_version()])
def test_manifests_are_valid_and_have_the_least_rights(tmp_path: Path, version: str) -> None:
    (file,) = Containers().manifests("late", folder=tmp_path, service_account="s@p.iam.gserviceaccount.com", **IMAGE)
    objects = {each["kind"]: each for each in yaml.safe_load_all(file.path.read_text())}
    for each in objects.values():
        kubernetes_validate.validate(each, version, strict=True)
    pod = objects["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert not container["securityContext"]["allowPrivilegeEscalation"]
    annotations = objects["ServiceAccount"]["metadata"]["annotations"]
    assert annotations == {"iam.gke.io/gcp-service-account": "s@p.iam.gserviceaccount.com"}
    assert objects["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"] == "late"


def test_names_that_are_words_of_yaml_and_references_of_kubernetes(tmp_path: Path) -> None:
    given = {**IMAGE, "namespace": "1e3", "model_uri": "gs://bucket/$(HOME)"}
    (file,) = Containers().manifests("y", folder=tmp_path, **given)
    assert "name: 'y'\n" in file.content
    assert "namespace: '1e3'\n" in file.content
    assert "value: gs://bucket/$$(HOME)\n" in file.content


@pytest.mark.parametrize(
    "given",
    [
        {"image": "a/b"}, {"image": "a/b:latest"}, {"model_uri": "s3://x"}, {"model_uri": "gs:///x"},
        {"namespace": "A"}, {"min_replicas": 9}, {"service_account": "me"},
    ],
)  # fmt: skip
def test_manifests_that_would_not_work(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        Containers().manifests("late", folder=tmp_path, **{**IMAGE, **given})
    assert not list(tmp_path.iterdir())


def test_the_command_says_what_it_would_write_and_keeps_what_is_edited(tmp_path: Path) -> None:
    run = CliRunner().invoke
    command = ["containers", "generate", "serving", str(tmp_path / "a"), "--project", "my-project"]
    assert "MISSING" in run(root, [*command, "--dry-run"]).output
    assert not (tmp_path / "a").exists()
    assert run(root, command).exit_code == 0
    (tmp_path / "a/serve.py").write_text("mine\n")
    result = run(root, command)
    assert result.exit_code == 1
    assert (tmp_path / "a/serve.py").read_text() == "mine\n"
