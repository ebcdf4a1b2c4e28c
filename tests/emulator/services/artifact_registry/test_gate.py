"""What the gate is asked about a package host's calls, and what its refusal looks like to each client."""

import asyncio
import base64

import httpx
import pytest
from google.api_core import exceptions

from gcpmlops.emulator.kernel.auth import Authenticator, load_key
from gcpmlops.emulator.kernel.gate import Gate
from gcpmlops.emulator.services.artifact_registry import methods
from gcpmlops.emulator.services.artifact_registry.making import hosts
from gcpmlops.emulator.services.artifact_registry.repositories import RepositoryPolicies

REPOSITORY = "projects/p/locations/us-central1/repositories/ours"
PYTHON, DOCKER = "https://us-central1-python.pkg.dev/p/ours/", "https://us-central1-docker.pkg.dev/v2/p/ours/app/"
API = "https://artifactregistry.googleapis.com"


@pytest.fixture
def asked(stored, tmp_path):
    """Sends a request of which the gate refuses all; the response, and what the gate was asked."""
    seen = []

    def refuse(question):
        seen.append((question.call.caller.email, question.service, question.method, question.request.pairs))
        raise exceptions.PermissionDenied("Permission 'x' denied on resource.")

    gate = Gate()
    gate.checks.append(refuse)
    authenticator = Authenticator(*load_key(tmp_path / "key.json", project="p"), b"secret")
    app = hosts(stored, RepositoryPolicies(stored), authenticator, gate)
    token = authenticator.access_token("me@example.com")
    basic = base64.b64encode(f"oauth2accesstoken:{token}".encode()).decode()

    async def request(method, url):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return await client.request(method, url, headers={"Authorization": f"Basic {basic}"})

    def send(method, url):
        seen.clear()
        return asyncio.run(request(method, url)), seen

    return send


@pytest.mark.parametrize(
    ("verb", "url", "method"),
    [
        ("GET", f"{PYTHON}simple/pkg/", methods.DOWNLOAD),
        ("POST", PYTHON, methods.UPLOAD),
        ("HEAD", f"{DOCKER}manifests/v1", methods.DOWNLOAD),
        ("PUT", f"{DOCKER}manifests/v1", methods.UPLOAD),
        ("DELETE", f"{DOCKER}manifests/v1", methods.DELETE),
        ("GET", f"{API}/v1/{REPOSITORY}/files/a:v1:b:download?alt=media", methods.DOWNLOAD),
        ("POST", f"{API}/upload/v1/{REPOSITORY}/genericArtifacts:create", methods.UPLOAD),
    ],
)
def test_the_gate_is_asked(asked, verb, url, method) -> None:
    response, seen = asked(verb, url)
    assert response.status_code == 403
    assert seen == [("me@example.com", "artifactregistry", method[0], ((method[1], REPOSITORY),))]


def test_refusals(asked) -> None:
    assert "Permission 'x' denied" in asked("GET", f"{PYTHON}simple/")[0].text
    assert asked("GET", f"{DOCKER}tags/list")[0].json()["errors"][0]["code"] == "DENIED"
    assert asked("GET", f"{API}/v1/{REPOSITORY}/files/a:download")[0].json()["error"]["status"] == "PERMISSION_DENIED"
