"""What stands for an image; images that are pushed, with a program in docker's place."""

from __future__ import annotations

import os

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes import build_docker
from gcpmlops.emulator.runtimes.build_images import BuildImages
from gcpmlops.emulator.runtimes.build_masking import Masking
from gcpmlops.emulator.runtimes.build_process import StepProcess
from gcpmlops.emulator.runtimes.build_spec import StepSpec
from gcpmlops.emulator.runtimes.build_workspace import BuildWorkspace
from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.services.cloud_build.images import Images


@pytest.fixture
def processes(tmp_path):
    made = Processes(tmp_path / "processes")
    yield made
    made.close()


@pytest.mark.parametrize(
    "uri",
    [
        "ubuntu", "ubuntu:24.04", "docker.io/library/debian:bookworm-slim", "mirror.gcr.io/library/alpine",
        "bash:5", "gcr.io/gcp-runtimes/ubuntu_20_0_4", "marketplace.gcr.io/google/debian12@sha256:0a1b",
    ],
)  # fmt: skip
def test_shells_are_this_machine_s(processes, uri):
    stand = BuildImages(Environments(processes), {}).resolve(uri)
    assert (stand.entrypoint, stand.image, stand.in_docker) == ((), None, False)


@pytest.mark.parametrize(
    "uri", ["python:3.11", "python", "docker.io/library/python:3.11-slim", "python:3.11@sha256:0a"]
)
def test_python_is_an_environment(processes, uri):
    stand = BuildImages(Environments(processes), {}).resolve(uri)
    assert stand.image is not None
    assert stand.image.framework == "python"


def test_cloud_builders_are_the_tools_that_they_are_called_after(processes):
    images = BuildImages(Environments(processes), {})
    for uri in ("gcr.io/cloud-builders/git", "alpine/git:2.45"):
        assert images.resolve(uri).entrypoint == ("git",)
    with pytest.raises(exceptions.InvalidArgument, match=r"gcr.io/cloud-builders/mvn can't run here"):
        images.resolve("gcr.io/cloud-builders/mvn")


def test_the_command_of_a_step(processes):
    images = BuildImages(Environments(processes), {"own:1": "env A=1"})
    assert images.resolve("bash").words("", ["-c", "true"]) == ["bash", "-c", "true"]
    assert images.resolve("bash").words("", ["true"]) == ["true"]
    assert images.resolve("gcr.io/cloud-builders/git").words("", ["-v"]) == ["git", "-v"]
    assert images.resolve("gcr.io/cloud-builders/git").words("sh", ["-c"]) == ["sh", "-c"]
    assert images.resolve("own:1").words("sh", ["-c"]) == ["env", "A=1", "sh", "-c"]


def test_a_tool_that_is_not_installed_is_named(processes, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(exceptions.InvalidArgument, match="terraform is not installed on this machine"):
        BuildImages(Environments(processes), {}).resolve("hashicorp/terraform:1.9")


def test_an_image_that_is_mapped_is_its_command(processes, tmp_path):
    images = BuildImages(Environments(processes), {"own:1": "python3 -m own", "folder:1": str(tmp_path)})
    assert images.resolve("own:1").prefix == ("python3", "-m", "own")
    with pytest.raises(exceptions.InvalidArgument, match="needs a command"):
        images.resolve("folder:1")


def test_a_mapped_command_finds_what_is_installed_beside_the_emulator(processes, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", os.defpath)  # an emulator that was started by its path
    run = StepProcess(
        processes, BuildImages(Environments(processes), {"own:1": "env"}), BuildWorkspace(tmp_path / "build"),
        base={}, masking=Masking([]), on_line=lambda *_: None, build_id="b",
    )  # fmt: skip
    there = "command -v pytest"
    assert run(StepSpec(0, "own:1", script=there), Cancellation()).code == 0


def test_docker_gets_the_folders_and_no_value_on_its_command_line(tmp_path):
    step = StepSpec(2, "own:1", entrypoint="sh", args=["-c", "true"], folder="below", secrets={"KEY": "hidden"})
    words = build_docker.command("name", step, {"/workspace": tmp_path}, {"KEY": "hidden"})
    assert words[words.index("--volume") + 1] == f"{tmp_path}:/workspace"
    assert words[words.index("--workdir") + 1] == "/workspace/below"
    assert words[words.index("--entrypoint") :] == ["--entrypoint", "sh", "own:1", "-c", "true"]
    assert "hidden" not in " ".join(words)


def test_pushed_images_have_the_digest_that_docker_says(processes, tmp_path):
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\ncase "$*" in *refused*) echo denied >&2; exit 1;; esac\necho "repo@sha256:0a1b"\n')
    docker.chmod(0o700)
    env = {"PATH": f"{docker.parent}:{os.environ['PATH']}"}
    said: list[str] = []
    images, cancellation = Images(processes), Cancellation()
    built = images.push("repo:1", tmp_path, env=env, say=said.append, cancellation=cancellation)
    assert (built.name, built.digest) == ("repo:1", "sha256:0a1b")
    assert said[0] == "Pushing repo:1"
    with pytest.raises(exceptions.FailedPrecondition, match=r"refused:1 ended with exit code 1: denied"):
        images.push("refused:1", tmp_path, env=env, say=said.append, cancellation=cancellation)
