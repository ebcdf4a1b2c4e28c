"""Repositories, and requests to the hosts of packages as pip, twine and Docker make them."""

import io
import uuid
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import google.auth
import pytest
import requests
from google.auth.transport.requests import Request
from google.cloud import artifactregistry_v1
from google.cloud.artifactregistry_v1 import types
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.artifact_registry.registry import Registry
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store


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


@pytest.fixture
def stored(tmp_path: Path):
    """What is stored, without an emulator: one Python repository."""
    clock, name = TravelClock(), "projects/p/locations/us-central1/repositories/ours"
    store = Store(tmp_path / "state.db", now=clock.now)
    with ThreadPoolExecutor(2) as pool:
        agenda = Agenda(clock, pool)
        operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
        context = Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path), agenda)
        made = Registry(context, Blobs(tmp_path / "blobs"))
        made.repositories.insert(name, types.Repository(name=name, format_="PYTHON"))
        yield made
        agenda.close()
    store.close()
