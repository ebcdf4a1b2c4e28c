"""`gcpmlops cicd`: files, exit codes, what is said. No cloud is asked."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gcpmlops.cicd import Cicd
from gcpmlops.cli import _generated, root

EXAMPLE = Path(__file__).parents[2] / "examples" / "delivery"


@pytest.fixture
def cicd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a command in a copy of the example."""
    shutil.copytree(EXAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns(".gcpmlops"))
    monkeypatch.chdir(tmp_path / "project")

    def run(*arguments: str, code: int = 0, answer: str | None = None) -> Result:
        result = CliRunner().invoke(root, ["cicd", *arguments], input=answer)
        assert result.exit_code == code, result.output
        return result

    return run


def test_checked_and_generated(cicd) -> None:
    assert cicd("check").stdout.count("CURRENT") == 4
    Path("Jenkinsfile").unlink()
    result = cicd("check", code=1)
    assert "Jenkinsfile" in result.stdout
    assert "MISSING" in result.stdout
    assert "gcpmlops cicd generate" in result.stderr
    assert "MISSING" in cicd("generate", "--dry-run").stdout
    assert not Path("Jenkinsfile").exists()
    found = json.loads(cicd("generate", "--format", "json").stdout)
    assert {each["target"]: each["state"] for each in found} == {
        "cloudbuild": "CURRENT", "github": "CURRENT", "gitlab": "CURRENT", "jenkins": "WRITTEN",
    }  # fmt: skip


def test_an_edited_file_is_asked_about(cicd, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path("cloudbuild.yaml")
    made = path.read_text()
    path.write_text(made + "# mine\n")
    assert "Nothing was written" in cicd("generate", code=1).stderr
    monkeypatch.setattr(_generated, "_on_a_terminal", lambda: True)
    assert "Write over it?" in cicd("generate", answer="n\n").stderr
    assert path.read_text().endswith("# mine\n")
    cicd("generate", answer="y\n")
    assert path.read_text() == made


def test_a_step_that_fails(cicd) -> None:
    definition = Path("delivery.yaml")
    definition.write_text(definition.read_text().replace("ruff check --no-cache .", "echo looking; exit 4"))
    result = cicd("step", "lint", code=1)
    assert "  looking" in result.stderr
    assert "lint: `echo looking; exit 4` ended with exit code 4" in result.stderr
    (first, *rest) = json.loads(cicd("status", "--format", "json").stdout)["steps"]
    assert (first["state"], {each["state"] for each in rest}) == ("FAILED", {""})
    assert "evaluate needs what train leaves" in cicd("step", "evaluate", code=1).stderr
    cicd("step", "publish", code=2)


def test_a_definition_that_is_wrong(cicd) -> None:
    Path("delivery.yaml").write_text("name: n\nmodell: m\n")
    assert "delivery.yaml:2: unknown key 'modell'\nDid you mean 'model'?" in cicd("check", code=1).stderr
    assert "other.yaml" in cicd("check", "other.yaml", code=1).stderr


def test_what_a_platform_cancels_ends_as_by_ctrl_c(cicd, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a canary gets its traffic back."""
    monkeypatch.setattr(Cicd, "step", lambda *_, **__: signal.raise_signal(signal.SIGTERM))
    assert "Aborted!" in cicd("step", "deploy", code=1).stderr
