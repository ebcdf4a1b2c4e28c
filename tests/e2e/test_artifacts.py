"""gcloud, twine and pip, unmodified, against Artifact Registry through `gcpmlops emulator exec`."""

import configparser
import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.emulator.services.artifact_registry.conftest import wheel

from .conftest import Shell

PLACE = "--location=us-central1"

pytestmark = [
    pytest.mark.gcloud,
    pytest.mark.xdist_group("e2e-gcloud"),
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed"),
]


@pytest.fixture
def artifacts(shell: Shell):
    """Runs `gcloud artifacts ...`; what it prints, or what it says where it has to fail."""

    def run(*command: str, code: int = 0) -> str:
        done = shell.tool("gcloud", "--quiet", "artifacts", *command, code=code)
        return (done.stderr if code else done.stdout).strip()

    return run


@pytest.fixture
def repository(artifacts, unique):
    """Makes a repository of a format; its id."""

    def made(format_: str) -> str:
        name = unique(format_)
        artifacts("repositories", "create", name, PLACE, f"--repository-format={format_}")
        return name

    return made


def test_a_python_repository(artifacts, repository, shell: Shell) -> None:
    """The settings that gcloud prints are enough for twine and pip."""
    name, home = repository("python"), shell.cwd
    filename, content = wheel("our-features", "1.2")
    (home / filename).write_bytes(content)
    ask = ("gcloud", "artifacts", "print-settings", "python", PLACE, f"--repository={name}")
    settings = shell(*ask).stdout  # in a process of its own, which reads gcloud's configuration
    pypirc, _, pip_conf = settings.partition("# Insert the following snippet into your pip.conf")
    (home / ".pypirc").write_text(pypirc)
    (home / "pip.conf").write_text(pip_conf)
    twine = (sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar")
    shell.tool(*twine, "--config-file", ".pypirc", "--repository", name, filename)
    config = configparser.RawConfigParser()
    config.read_string(pip_conf)
    index = config["global"]["extra-index-url"]
    pip = (sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-deps", "--target=into")
    shell.tool(*pip, "--index-url", index, "our-features==1.2")
    assert (home / "into" / "our_features.py").read_text() == "VERSION = '1.2'\n"
    packages = json.loads(artifacts("packages", "list", PLACE, f"--repository={name}", "--format=json"))
    assert [package["name"].rpartition("/")[2] for package in packages] == ["our-features"]
    of_package = (PLACE, f"--repository={name}", "--package=our-features")
    versions = json.loads(artifacts("versions", "list", *of_package, "--format=json"))
    assert [version["name"].rpartition("/")[2] for version in versions] == ["1.2"]
    assert f"our-features/{filename}" in artifacts("files", "list", *of_package, "--version=1.2")
    artifacts("versions", "delete", "1.2", *of_package)
    assert artifacts("files", "list", PLACE, f"--repository={name}", "--format=value(name)") == ""


def test_docker_images(artifacts, repository, shell: Shell, emulator) -> None:
    image = f"us-central1-docker.pkg.dev/{emulator.project}/{repository('docker')}/team/app"
    digest = _push(image, "v1", (Path(emulator.data_dir) / "token").read_text(), shell)
    (found,) = json.loads(artifacts("docker", "images", "list", image, "--include-tags", "--format=json"))
    assert (found["version"], found["tags"]) == (digest, ["v1"])
    assert digest in artifacts("docker", "images", "describe", f"{image}:v1")
    artifacts("docker", "images", "delete", f"{image}@{digest}", "--delete-tags")
    assert "not found" in artifacts("docker", "images", "describe", f"{image}:v1", code=1)


def _push(image: str, tag: str, token: str, shell: Shell) -> str:
    """An image of one empty layer, by curl; its digest."""
    host, _, name = image.partition("/")
    curl = ("curl", "--fail", "--silent", "-u", f"oauth2accesstoken:{token}")
    digest = f"sha256:{hashlib.sha256(b'{}').hexdigest()}"
    blob = {"mediaType": "application/octet-stream", "digest": digest, "size": 2}
    kind = "application/vnd.oci.image.manifest.v1+json"
    manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": blob, "layers": [blob]})
    shell.tool(*curl, "-d", "{}", f"https://{host}/v2/{name}/blobs/uploads/?digest={digest}")
    where = f"https://{host}/v2/{name}/manifests/{tag}"
    shell.tool(*curl, "-X", "PUT", "-H", f"Content-Type: {kind}", "-d", manifest, where)
    return f"sha256:{hashlib.sha256(manifest.encode()).hexdigest()}"


def test_generic_artifacts(artifacts, repository, shell: Shell) -> None:
    """One that is too large for a single request."""
    place = (PLACE, f"--repository={repository('generic')}", "--package=model", "--version=v1")
    content = bytes(range(256)) * 21_000
    (shell.cwd / "big.bin").write_bytes(content)
    artifacts("generic", "upload", *place, "--source=big.bin", "--destination-path=a/b")
    (shell.cwd / "into").mkdir()
    artifacts("generic", "download", *place, "--destination=into")
    assert (shell.cwd / "into" / "a" / "b" / "big.bin").read_bytes() == content
