"""Steps that were interrupted or refused, and a champion that changed meanwhile; the cloud's part is a stand-in."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gcpmlops import Client
from gcpmlops._cicd import commands
from gcpmlops._cicd.workspace import FILE
from gcpmlops.cicd import Cicd
from gcpmlops.exceptions import DeliveryFailed, GcpMlopsError, NotFound

EXAMPLE = Path(__file__).parents[2] / "examples" / "delivery"
CHAMPION, CANDIDATE = "projects/p/locations/l/models/1@1", "projects/p/locations/l/models/1@2"


class Cloud:
    """As much of the modules as these steps ask."""

    def __init__(self) -> None:
        self.submitted: list[dict[str, Any]] = []
        self.serving = CHAMPION
        self.interrupt = False
        self.clients = Client(project="acme-prod").clients
        self.bigquery = self.training = self.models = self.endpoints = self

    def ensure_dataset(self, name: str) -> None:
        pass

    def load(self, table: str, **_: Any) -> None:
        pass

    def query(self, sql: str, **_: Any) -> Any:
        return SimpleNamespace(rows=lambda: [dict.fromkeys(range(sql.count("COUNT(")), 1)])

    def get_table(self, name: str) -> Any:
        columns = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g", "male")
        return SimpleNamespace(rows=10, columns=columns)

    def submit(self, source: Path, **settings: Any) -> Any:
        self.submitted.append(settings)
        return SimpleNamespace(name=f"projects/p/locations/l/customJobs/{len(self.submitted)}")

    def wait(self, name: str, *, timeout: float | None) -> Any:
        if self.interrupt:
            raise KeyboardInterrupt
        times = SimpleNamespace(start_time=datetime.now(UTC), end_time=datetime.now(UTC))
        return SimpleNamespace(name=name, proto=times, model_dir="gs://b/model/")

    def ensure(self, name: str) -> None:
        pass

    def get(self, name: str) -> Any:
        if name != "penguins":
            return SimpleNamespace(versioned_name=name)
        if not self.serving:
            raise NotFound("no endpoint")
        model, _, version = self.serving.partition("@")
        row = SimpleNamespace(id="1", model=model, model_version_id=version)
        return SimpleNamespace(traffic={"1": 100}, deployed={}, proto=SimpleNamespace(deployed_models=[row]))


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


@pytest.fixture
def definition(tmp_path: Path) -> Path:
    shutil.copytree(EXAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns(".gcpmlops"))
    return tmp_path / "project" / "delivery.yaml"


@pytest.fixture
def cicd(cloud: Cloud) -> Cicd:
    return Cicd(cloud.clients, lambda **_: cloud)


def record(definition: Path) -> dict[str, Any]:
    return json.loads((definition.parent / FILE).read_text())


def test_an_interrupted_training_is_gone_on_with(cicd: Cicd, cloud: Cloud, definition: Path) -> None:
    cloud.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        cicd.step("train", definition=definition)
    assert record(definition)["steps"]["train"]["state"] == "RUNNING"
    first = record(definition)["id"]
    cloud.interrupt = False
    assert cicd.step("train", definition=definition).id == first
    assert len(cloud.submitted) == 1
    assert cicd.step("train", definition=definition).id != first  # it had ended: another delivery
    assert len(cloud.submitted) == 2
    table = record(definition)["facts"]["training_table"]
    assert cloud.submitted[1]["args"] == [table, "--trees=200", "--depth=4"]


def test_a_gate_on_a_metric_that_there_is_not_is_found_before_anything_is_trained(
    cicd: Cicd, cloud: Cloud, definition: Path
) -> None:
    gates = definition.parent / "gates.yaml"
    gates.write_text(gates.read_text().replace("brier", "rmse"))
    with pytest.raises(DeliveryFailed, match=r"gates.yaml:4: classification has no metric 'rmse'"):
        cicd.step("train", definition=definition)
    assert not cloud.submitted


def test_an_interrupted_command_ends_with_all_that_it_has_started(tmp_path: Path) -> None:
    def interrupted(line: str) -> None:
        if not line.startswith("$"):
            raise KeyboardInterrupt

    (tmp_path / "child").write_text("trap 'touch ended; exit' TERM; echo up; while :; do sleep 0.02; done")
    with pytest.raises(KeyboardInterrupt):
        commands.run(["sh child & wait"], folder=tmp_path, on_line=interrupted)
    deadline = time.monotonic() + 30
    while not (tmp_path / "ended").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # between two looks, not for timing


def test_other_code_is_another_delivery(cicd: Cicd, cloud: Cloud, definition: Path) -> None:
    cloud.interrupt = True
    with pytest.raises(KeyboardInterrupt):
        cicd.step("train", definition=definition)
    (definition.parent / "train.py").write_text("print('other')\n")
    cloud.interrupt = False
    cicd.step("train", definition=definition)
    assert len(cloud.submitted) == 2


@pytest.mark.parametrize("serving", ["", "projects/p/locations/l/models/1@7"])
def test_another_champion_than_the_one_compared_with(cicd: Cicd, cloud: Cloud, definition: Path, serving: str) -> None:
    cicd.step("train", definition=definition)
    kept = record(definition)
    kept["facts"] |= {"champion": CHAMPION, "model": CANDIDATE}
    kept["steps"] |= {key: {"state": "PASSED"} for key in ("evaluate", "gate", "register")}
    (definition.parent / FILE).write_text(json.dumps(kept))
    cloud.serving = serving
    with pytest.raises(DeliveryFailed, match=r"deploy: penguins serves another model .*\n.*step evaluate"):
        cicd.step("deploy", definition=definition)
    assert cicd.status(definition).model == CANDIDATE


def test_the_accounts_are_the_definitions(cloud: Cloud, definition: Path) -> None:
    settings: dict[str, str] = {}

    def modules(**given: str) -> Any:
        settings.update(given)
        return cloud

    Cicd(cloud.clients, modules).step("train", definition=definition)
    assert settings == {
        "service_account": "ml-training@acme-prod.iam.gserviceaccount.com",
        "serving_service_account": "ml-serving@acme-prod.iam.gserviceaccount.com",
    }


def test_an_error_of_the_cloud_ends_the_step(cicd: Cicd, cloud: Cloud, definition: Path, monkeypatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise GcpMlopsError("no quota", next_step="Ask for more.")

    monkeypatch.setattr(cloud, "submit", broken)
    with pytest.raises(DeliveryFailed, match=r"train: no quota\nAsk for more\."):
        cicd.run(definition, first="train")
    (step,) = [each for each in cicd.status(definition).steps if each.state]
    assert (step.name, step.state, step.note) == ("train", "FAILED", "no quota")
