"""Repositories, and requests to the hosts of packages as pip, twine and Docker make them."""

import io
import uuid
import zipfile

import google.auth
import pytest
import requests
from google.auth.transport.requests import Request
from google.cloud import artifactregistry_v1


@pytest.fixture
def registry(google_environment):
    return artifactregistry_v1.ArtifactRegistryClient()


@pytest.fixture
def location(emulator) -> str:
    return f"projects/{emulator.project}/locations/us-central1"


@pytest.fixture
def make(registry, location):
    """Makes a repository; its name."""

    def create(format_: str, **fields) -> str:
        request = {"parent": location, "repository_id": f"{format_.lower()}-{uuid.uuid4().hex[:8]}"}
        return registry.create_repository({**request, "repository": {"format_": format_, **fields}}).result().name

    return create


@pytest.fixture
def token(google_environment) -> str:
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    credentials.refresh(Request())
    return credentials.token


@pytest.fixture
def http(token):
    """Requests with the caller's token, as pip and Docker send it."""
    with requests.Session() as session:
        session.auth = ("oauth2accesstoken", token)
        yield session


@pytest.fixture
def url(emulator):
    """The URL of a repository on its host."""

    def made(repository: str, format_: str) -> str:
        return f"https://us-central1-{format_}.pkg.dev/{emulator.project}/{repository.rpartition('/')[2]}"

    return made


def wheel(name: str, version: str) -> tuple[str, bytes]:
    """A package's file name and content."""
    module, content = name.replace("-", "_"), io.BytesIO()
    info = f"{module}-{version}.dist-info"
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr(f"{module}.py", f"VERSION = {version!r}\n")
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return f"{module}-{version}-py3-none-any.whl", content.getvalue()


@pytest.fixture
def upload(http, url):
    """Uploads a wheel by the protocol that twine speaks; the response."""

    def send(repository: str, name: str, version: str, **form):
        filename, content = wheel(name, version)
        fields = {":action": "file_upload", "protocol_version": "1", "name": name, "version": version, **form}
        return http.post(f"{url(repository, 'python')}/", data=fields, files={"content": (filename, content)})

    return send
