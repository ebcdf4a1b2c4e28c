"""The serving check: real model servers, and what is made of a result."""

from dataclasses import replace
from pathlib import Path

import pytest
from sklearn.dummy import DummyRegressor

from gcpmlops import Client, exceptions
from gcpmlops._models import serving_check
from gcpmlops._models.serving_check import Limits, ServingCheck
from gcpmlops._serving import Server

SKLEARN = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.1-6:latest"
GOOD = ServingCheck(True, "predict", "", SKLEARN, 2, (), 0.5, {"median": 0.01, "max": 0.2}, 130.0, (7.0, 7.0))


@pytest.fixture(scope="module")
def constant() -> DummyRegressor:
    return DummyRegressor(strategy="constant", constant=7.0).fit([[0.0]], [7.0])


@pytest.fixture(scope="module")
def checked(client: Client, staging: str, constant: DummyRegressor):
    """Registered after a check."""
    return client.models.upload(
        constant, display_name="checked", framework_version="1.6", samples=[[1.0], [2.0]], check=True
    )


def test_a_checked_model_is_registered_with_its_result(client: Client, checked) -> None:
    assert checked.check.ok
    assert (checked.check.samples, list(checked.check.predictions)) == (2, [7.0, 7.0])
    assert checked.check.boot_seconds > 0
    assert checked.check.predict_seconds["max"] >= checked.check.predict_seconds["median"] > 0
    assert checked.check.memory_mib > 10
    assert checked.refresh().check is None
    assert "latency" in checked._repr_html_()


def test_registered_model_whose_server_takes_too_much(client: Client, checked) -> None:
    found = client.models.check(checked, max_memory=5)
    assert (found.ok, found.stage, list(found.predictions)) == (False, "memory", [7.0, 7.0])
    with pytest.raises(exceptions.ServingCheckFailed, match="more than the 5 MiB"):
        found.require()


def test_broken_model_is_not_registered(client: Client, staging: str, unique, tmp_path: Path) -> None:
    name = unique("broken")
    (tmp_path / "model.joblib").write_bytes(b"not a pickle")
    before = client.storage.list(f"gs://{staging}/gcpmlops/models/")
    with pytest.raises(exceptions.ServingCheckFailed, match="serving check failed at") as failed:
        client.models.upload(tmp_path, display_name=name, framework_version="1.6")
    assert "check=False" in str(failed.value)
    assert failed.value.stage in ("start", "health")
    assert any("model.joblib" in line for line in failed.value.log_tail)
    assert failed.value.result.ok is False
    assert client.models.list(filter=f'display_name="{name}"') == []
    assert client.storage.list(f"gs://{staging}/gcpmlops/models/") == before


def test_image_that_this_machine_has_no_packages_for(client: Client, staging: str, constant, unique, caplog) -> None:
    image = "us-docker.pkg.dev/vertex-ai/prediction/sklearn-cpu.9-9:latest"
    found = client.models.upload(constant, display_name=unique("m"), image=image)
    assert (found.check.ok, found.check.stage, found.check.was_possible) == (False, "environment", False)
    assert "sklearn-cpu.9-9" in caplog.text
    for wanted in ({"check": True}, {"max_memory": 1000}):
        with pytest.raises(exceptions.ServingCheckFailed, match="environment"):
            client.models.upload(constant, display_name=unique("m"), image=image, **wanted)


@pytest.mark.parametrize(
    ("limits", "stage"),
    [
        (Limits(), "predict"),
        (Limits(max_latency=0.2, max_memory=130), "predict"),
        (Limits(max_latency=0.1), "latency"),
        (Limits(max_memory=129), "memory"),
    ],
)
def test_limits(limits: Limits, stage: str) -> None:
    found = limits.judge(GOOD)
    assert (found.stage, found.ok) == (stage, stage == "predict")
    assert replace(found, ok=True, stage="predict", error="") == GOOD


def test_what_people_read() -> None:
    assert str(GOOD) == "boot 0.50 s, latency 10.0 ms for 2 instances, memory 130 MiB"
    assert "for want of samples" in str(replace(GOOD, samples=0, predict_seconds={}))
    failed = replace(GOOD, ok=False, stage="start", error="no <model>", log_tail=("one", "two"))
    assert str(failed) == "failed at start: no <model>"
    assert "no &lt;model&gt;" in failed._repr_html_()


def test_limits_that_are_none() -> None:
    for name in ("max_latency", "max_memory", "timeout"):
        with pytest.raises(exceptions.InvalidArgument, match=name):
            Limits(**{name: 0.0})


@pytest.mark.parametrize(
    ("image", "prebuilt"),
    [
        (SKLEARN, True),
        ("europe-docker.pkg.dev/vertex-ai/prediction/xgboost-cpu.2-1:latest", True),
        ("us-docker.pkg.dev/my-project/models/server:1", False),
        ("us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest", False),
    ],
)
def test_where_it_runs_by_itself(image: str, prebuilt: bool, mocker) -> None:
    assert serving_check.is_possible(Server(image)) is prebuilt
    mocker.patch.object(serving_check, "find_spec", return_value=None)
    assert not serving_check.is_possible(Server(image))


def test_samples_among_the_files_that_are_none(client: Client, tmp_path: Path) -> None:
    (tmp_path / "model.joblib").write_bytes(b"x")
    (tmp_path / "samples.json").write_text("[[1.0],")
    with pytest.raises(exceptions.InvalidArgument, match=r"samples\.json is not JSON"):
        client.models.check(tmp_path, framework_version="1.6")


def test_without_the_extra(mocker, tmp_path: Path) -> None:
    mocker.patch.object(serving_check, "find_spec", return_value=None)
    with pytest.raises(exceptions.MissingExtra, match=r"gcpmlops\[emulator\]"):
        serving_check.run(tmp_path, Server(SKLEARN), None, Limits())


@pytest.mark.parametrize(
    ("program", "timeout", "said"),
    [
        ("import sys; sys.exit('no space left')", 30, "without a result"),
        ("import time; print('x', flush=True); time.sleep(60)", 0.5, "within 0.5 s"),
    ],
)
def test_program_that_says_nothing(program: str, timeout: float, said: str, mocker, tmp_path: Path) -> None:
    mocker.patch.object(serving_check, "_PROGRAM", ("-c", program))
    found = serving_check.run(tmp_path, Server(SKLEARN), None, Limits(timeout=timeout))
    assert (found.ok, found.stage) == (False, "start")
    assert said in found.error
    assert found.log_tail == (("no space left",) if "exit" in program else ())
