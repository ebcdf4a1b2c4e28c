"""Arguments > environment > gcpmlops.toml > gcloud."""

import json
from pathlib import Path

import pytest

from gcpmlops.config import Config
from gcpmlops.exceptions import ConfigError


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment with a gcloud configuration of its own and nothing else."""
    folder = tmp_path / "gcloud" / "configurations"
    folder.mkdir(parents=True)
    (folder / "config_default").write_text("[core]\nproject = from-gcloud\n[compute]\nregion = europe-west1\n")
    (folder / "config_work").write_text("[core]\nproject = from-work\n[ai]\nregion = asia-east1\n")
    return {"CLOUDSDK_CONFIG": str(tmp_path / "gcloud")}


def load(home: dict[str, str], tmp_path: Path, **arguments: object) -> Config:
    return Config.load(environ=home, directory=tmp_path, **arguments)


def test_gcloud_is_the_last_resort(home: dict[str, str], tmp_path: Path) -> None:
    config = load(home, tmp_path)
    assert (config.project, config.location) == ("from-gcloud", "europe-west1")
    assert config.sources["project"].startswith("gcloud core/project")


def test_gcloud_configuration_by_name_and_by_file(home: dict[str, str], tmp_path: Path) -> None:
    assert load({**home, "CLOUDSDK_ACTIVE_CONFIG_NAME": "work"}, tmp_path).location == "asia-east1"
    (Path(home["CLOUDSDK_CONFIG"]) / "active_config").write_text("work")
    assert load(home, tmp_path).project == "from-work"


def test_each_source_goes_before_the_next(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "gcpmlops.toml").write_text('project = "from-toml"\n')
    assert load(home, tmp_path).project == "from-toml"
    environ = {**home, "GOOGLE_CLOUD_PROJECT": "from-google"}
    assert load(environ, tmp_path).project == "from-google"
    environ["GCPMLOPS_PROJECT"] = "from-environment"
    assert load(environ, tmp_path).project == "from-environment"
    config = load(environ, tmp_path, project="from-argument")
    assert (config.project, config.sources["project"]) == ("from-argument", "argument")


def test_toml_is_searched_upwards(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "gcpmlops.toml").write_text('staging_bucket = "gs://code/"\n[emulator]\nport = 9000\n')
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    config = load(home, tmp_path / "deep" / "deeper")
    assert config.staging_bucket == "code"
    assert config.sources["staging_bucket"] == str(tmp_path / "gcpmlops.toml")


def test_unknown_key_names_file_and_nearest(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "gcpmlops.toml").write_text('projekt = "x"\n')
    with pytest.raises(ConfigError, match=r"gcpmlops.toml: unknown key 'projekt'\nDid you mean 'project'"):
        load(home, tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("project =", "gcpmlops.toml"), ("timeout = 0", "timeout is 0"), ("project = 3", "must be text")],
)
def test_broken_toml(home: dict[str, str], tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "gcpmlops.toml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load(home, tmp_path)


def test_endpoint_must_be_a_url(home: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="environment GCPMLOPS_ENDPOINT"):
        load({**home, "GCPMLOPS_ENDPOINT": "localhost:9000"}, tmp_path)


def test_project_of_the_key_file(tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"project_id": "from-key"}))
    config = load({"CLOUDSDK_CONFIG": str(tmp_path), "GOOGLE_APPLICATION_CREDENTIALS": str(key)}, tmp_path)
    assert (config.project, config.sources["project"]) == ("from-key", "credentials file")


def test_missing_project_says_how_to_set_it() -> None:
    with pytest.raises(ConfigError, match="GCPMLOPS_PROJECT"):
        Config().require("project")


def test_unknown_argument() -> None:
    with pytest.raises(ConfigError, match="unknown setting 'region'"):
        Config.load(region="us-central1")
