"""`gcpmlops init`, `doctor` and `down`, on the emulator."""

import json
import tomllib
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where gcpmlops.toml is written."""
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_a_set_ups_life(gcpmlops, client, folder, monkeypatch):
    from gcpmlops._project.survey import Surveyor

    looks, survey = [], Surveyor.survey
    monkeypatch.setattr(Surveyor, "survey", lambda self: looks.append(self) or survey(self))
    where = ("--directory", folder)
    line = ("init", "--name", "trial", "--action", "data", "--action", "train", "--yes", *where)
    planned = json.loads(gcpmlops(*line, "--dry-run", "--format", "json").output)
    kinds = {step["kind"] for step in planned}
    assert kinds == {"service account", "bucket", "dataset", "role"} or kinds > {"service account", "dataset", "role"}
    assert {"iam.projects.serviceAccounts.create", "bigquery.datasets.insert"} <= {step["api"] for step in planned}
    assert not (folder / "gcpmlops.toml").exists(), "a dry run writes nothing"

    looks.clear()
    made = gcpmlops(*line).output
    assert len(looks) == 1, "where nobody is asked, the project is looked at once"
    assert "made service account trial-training@" in made
    assert "Next: gcpmlops doctor" in made
    settings = tomllib.loads((folder / "gcpmlops.toml").read_text())
    assert settings["project"] == client.config.project
    assert settings["setup"] == {"name": "trial", "actions": ["data", "train"]}
    assert "made service account" not in gcpmlops("init", "--yes", *where).output, "a second time makes nothing"

    found = json.loads(gcpmlops("doctor", "--format", "json", *where).output)
    assert {finding["status"] for finding in found if finding["subject"] == "roles"} == {"OK"}
    account = f"projects/{client.config.project}/serviceAccounts/trial-training@{client.config.project}"
    client.clients.iam.delete_service_account(name=f"{account}.iam.gserviceaccount.com")
    sick = gcpmlops("doctor", *where, code=1).output
    assert "ERROR   service account trial-training@" in sick
    assert "fix: gcloud iam service-accounts create trial-training" in sick
    assert "who: roles/iam.serviceAccountCreator" in sick

    assert "trial-delivery@" in gcpmlops("down", "--plan", *where).output
    assert "trial-delivery@" in gcpmlops("down", "--yes", "--force", *where).output
    assert "No resources of that set-up." in gcpmlops("down", "--yes", *where).output


def test_a_project_id_that_is_not_allowed(gcpmlops, folder):
    failed = gcpmlops("init", "--yes", "--project", "Not_Allowed", "--directory", folder, code=1)
    assert "6 to 30 lower-case letters" in failed.output
    assert not (folder / "gcpmlops.toml").exists()


def test_an_action_that_is_not_known(gcpmlops, folder):
    assert "--action" in gcpmlops("init", "--action", "fly", "--directory", folder, code=2).output


def test_on_a_terminal_it_asks_shows_and_asks_once_more(gcpmlops, client, folder, monkeypatch):
    import types

    from click.testing import CliRunner

    from gcpmlops.cli import project, root

    terminal = types.SimpleNamespace(stdin=types.SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr(project, "sys", terminal)
    line = ["init", "--name", "asked", "--directory", str(folder)]
    refused = CliRunner().invoke(root, line, input="europe-west4\ndata train\nn\n")
    assert refused.exit_code == 1
    assert "Location [us-central1]" in refused.output
    assert "gs://" + client.config.project + "-asked-data" in refused.output
    assert "Make these" in refused.output
    assert not (folder / "gcpmlops.toml").exists(), "who says no has nothing made"
    assert not client.storage.exists(f"gs://{client.config.project}-asked-data")
