"""`gcloud secrets`, unmodified, through `gcpmlops emulator exec`."""

import json
import shutil

import pytest

from .conftest import Shell

pytestmark = [
    pytest.mark.gcloud,
    pytest.mark.xdist_group("e2e-gcloud"),
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed"),
]


@pytest.fixture
def secrets(shell: Shell):
    """Runs `gcloud secrets ...`; what it prints, or what it says where it has to fail."""

    def run(*command: str, code: int = 0) -> str:
        done = shell.tool("gcloud", "--quiet", "secrets", *command, code=code)
        return (done.stderr if code else done.stdout).strip()

    return run


def test_a_secret_and_its_versions(secrets, shell: Shell, unique) -> None:
    name = unique("secret")
    (shell.cwd / "payload").write_text("s3cret")
    secrets("create", name, "--replication-policy=automatic", "--labels=team=ml", "--data-file=payload")
    (shell.cwd / "payload").write_text("better")
    secrets("versions", "add", name, "--data-file=payload")
    secrets("update", name, "--update-version-aliases=first=1")
    read = [secrets("versions", "access", version, f"--secret={name}") for version in ("first", "latest")]
    assert read == ["s3cret", "better"]
    secrets("versions", "disable", "2", f"--secret={name}")
    assert "is in DISABLED state" in secrets("versions", "access", "latest", f"--secret={name}", code=1)
    listed = json.loads(secrets("versions", "list", name, "--format=json"))
    assert [(found["name"].rpartition("/")[2], found["state"]) for found in listed] == [
        ("2", "DISABLED"),
        ("1", "ENABLED"),
    ]
    etag = json.loads(secrets("describe", name, "--format=json"))["etag"]
    assert "etag" in secrets("delete", name, '--etag="1"', code=1)
    secrets("delete", name, f"--etag={etag}")


def test_a_regional_secret(secrets, shell: Shell, unique) -> None:
    name, place = unique("regional"), "--location=us-central1"
    (shell.cwd / "payload").write_text("here")
    secrets("create", name, place, "--data-file=payload")
    assert secrets("versions", "access", "latest", f"--secret={name}", place) == "here"
