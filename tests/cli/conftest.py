"""What the live command lines share."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gcpmlops import Client
from gcpmlops.cli import root


@pytest.fixture(scope="session")
def staging(client: Client) -> str:
    """The staging bucket of `client`, made."""
    assert client.config.staging_bucket
    return client.storage.ensure_bucket(client.config.staging_bucket).name


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes names that no other test has used."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def gcpmlops(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Runs a command line as in a shell whose environment leads to the emulator."""
    for name, value in {
        "GCPMLOPS_PROJECT": client.config.project,
        "GCPMLOPS_ENDPOINT": client.config.endpoint,
        "GCPMLOPS_CREDENTIALS_FILE": client.config.credentials_file,
        "GCPMLOPS_STAGING_BUCKET": client.config.staging_bucket,
        "CLOUDSDK_CONFIG": str(tmp_path),
    }.items():
        monkeypatch.setenv(name, str(value))
    clients: list[Client] = []
    made = Client.__init__

    def remember(self: Client, **settings: object) -> None:
        made(self, **settings)
        clients.append(self)

    monkeypatch.setattr(Client, "__init__", remember)

    def run(*arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(root, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result

    yield run
    for each in clients:
        each.close()
