"""The definition of a delivery: what is wrong in it is said with file and line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gcpmlops._cicd.definition import STEPS, read
from gcpmlops.exceptions import InvalidArgument

EXAMPLE = Path(__file__).parents[2] / "examples" / "delivery"
LEAST = (
    "name: n\nmodel: m\nsource: train.py\nevaluation: SELECT 1\nevaluate: {target: y, score: s}\ngates: gates.yaml\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("train.py", "gates.yaml"):
        shutil.copy(EXAMPLE / name, tmp_path)
    return tmp_path


def written(folder: Path, text: str) -> Path:
    path = folder / "delivery.yaml"
    path.write_text(text)
    return path


def test_the_example() -> None:
    found = read(EXAMPLE / "delivery.yaml")
    assert found.steps == STEPS
    assert found.endpoint == "penguins"
    assert found.account("training", "acme-prod") == "ml-training@acme-prod.iam.gserviceaccount.com"


def test_what_is_not_linted_and_tested_has_no_such_steps(folder: Path) -> None:
    assert read(written(folder, LEAST)).steps == STEPS[2:]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (LEAST.replace("model: m\n", ""), 1, "model is missing"),
        (LEAST + "tets: pytest\n", 7, "unknown key 'tets'"),
        (LEAST + "name: other\n", 7, "'name' stands twice"),
        (LEAST.replace("name: n", "name: 7"), 1, "name: 7 is no text"),
        (LEAST + "python: 3.11\n", 7, "python: 3.11 is no text"),
        (LEAST + "python: '3.9'\n", 7, "python: '3.9' is not possible"),
        (LEAST + "lint: [ruff check, 3]\n", 7, "lint is no list of texts"),
        (LEAST + "canary: {steps: [20, 10]}\n", 7, "canary: steps: .* are no canary steps"),
        (LEAST + "job: {imagee: x}\n", 7, "unknown key 'imagee'"),
        (LEAST + "accounts: {training: Me}\n", 7, "'Me' is no service account"),
        (LEAST + "targets: [circleci]\n", 7, "there is no target 'circleci'"),
        (LEAST + "github: {workload_identity_provider: mine}\n", 7, "github: workload_identity_provider can't be"),
        (LEAST + "cloudbuild: {timeout: 600}\n", 7, "cloudbuild: timeout can't be 600"),
        (LEAST + "cloudbuild: {machine_type: HUGE}\n", 7, "cloudbuild: machine_type can't be 'HUGE'"),
        (LEAST + "github: {runs_on: {label: linux}}\n", 7, "github: runs_on can't be"),
        (LEAST + "gitlab: {image: 3.11}\n", 7, "gitlab: image can't be 3.11"),
        (LEAST + "jenkins: {agent: [a]}\n", 7, "jenkins: agent can't be"),
        (LEAST + "accounts: {training: m$(id)@b.c}\n", 7, ".* is no service account"),
        (LEAST + "staging_bucket: gs://b/folder\n", 7, "staging_bucket: .* is not possible"),
        (LEAST + "training: data/none.csv\n", 7, "training: data/none.csv is not there"),
        (LEAST.replace("train.py", "trane.py"), 3, "source: trane.py is not there"),
        (LEAST.replace("target: y, ", ""), 5, "evaluate names no target"),
        (LEAST.replace(", score: s", ""), 5, "evaluate does not say what is predicted"),
        (LEAST + "task: regression\n", 5, "evaluate does not say what is predicted"),
        (LEAST + "samples: true\n", 7, "samples: True is no number"),
        (LEAST + "samples: 0\ncanary: {probes: true}\n", 7, "canary: probes needs samples"),
        (LEAST + "branch: a/../b\n", 7, "branch: 'a/../b' is not possible"),
        (LEAST + "branch: 'main; rm'\n", 7, "branch: 'main; rm' is not possible"),
        ("- a\n", 1, "the file is not a mapping"),
    ],
)
def test_bad_input(folder: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(InvalidArgument, match=rf"delivery\.yaml:{line}: {said}"):
        read(written(folder, text))


def test_comments_and_layout_make_no_other_definition(folder: Path) -> None:
    before = read(written(folder, LEAST)).digest
    assert read(written(folder, "# the same\n" + LEAST)).digest == before
    assert read(written(folder, LEAST + "samples: 5\n")).digest != before


def test_the_stamp_knows_the_code(folder: Path) -> None:
    before = read(written(folder, LEAST))
    stamp = before.stamp
    (folder / "train.py").write_text("print()\n")
    after = read(before.path)
    assert (after.digest, after.stamp != stamp) == (before.digest, True)
