"""Repositories through the official client, over gRPC and REST."""

import pytest
import requests
from google.api_core import exceptions
from google.cloud import artifactregistry_v1

Format = artifactregistry_v1.Repository.Format
Redirection = artifactregistry_v1.ProjectSettings.RedirectionState
Mode = artifactregistry_v1.Repository.Mode
POLICY = {"id": "old", "action": "DELETE", "condition": {"older_than": {"seconds": 86400}}}


@pytest.fixture(params=["grpc", "rest"])
def client(request, google_environment):
    return artifactregistry_v1.ArtifactRegistryClient(transport=request.param)


def test_life_of_a_repository(client, location, make) -> None:
    name = make("PYTHON", labels={"team": "ml"}, cleanup_policies={"old": POLICY})
    made = client.get_repository(name=name)
    assert (made.format_, made.mode, made.size_bytes) == (Format.PYTHON, Mode.STANDARD_REPOSITORY, 0)
    assert made.registry_uri.startswith("us-central1-python.pkg.dev/")
    assert made.cleanup_policies["old"].action == artifactregistry_v1.CleanupPolicy.Action.DELETE
    again = {"parent": location, "repository_id": name.rpartition("/")[2], "repository": {"format_": "PYTHON"}}
    with pytest.raises((exceptions.AlreadyExists, exceptions.Conflict)):
        client.create_repository(again)
    changed = client.update_repository(
        repository={"name": name, "description": "new", "labels": {"team": "data"}},
        update_mask={"paths": ["description"]},
    )
    assert (changed.description, dict(changed.labels)) == ("new", {"team": "ml"})
    with pytest.raises(exceptions.BadRequest, match="format"):
        client.update_repository(repository={"name": name, "format_": "DOCKER"}, update_mask={"paths": ["format"]})
    assert name in [repository.name for repository in client.list_repositories(parent=location)]
    assert list(client.list_npm_packages(parent=make("NPM"))) == []
    with pytest.raises(exceptions.BadRequest, match="not MAVEN"):
        client.list_maven_artifacts(parent=name)
    everywhere = location.replace("us-central1", "-")
    assert name in [repository.name for repository in client.list_repositories(parent=everywhere)]
    client.delete_repository(name=name).result()
    with pytest.raises(exceptions.NotFound, match="is not found"):
        client.get_repository(name=name)


@pytest.mark.parametrize(
    ("id_", "fields", "told"),
    [
        ("Upper", {"format_": "PYTHON"}, "repository_id"),
        ("ends-", {"format_": "PYTHON"}, "repository_id"),
        ("a" * 64, {"format_": "PYTHON"}, "repository_id"),
        ("none", {}, "repository.format"),
        ("labels", {"format_": "PYTHON", "labels": {"A": "b"}}, "labels.A"),
        ("docker", {"format_": "PYTHON", "docker_config": {"immutable_tags": True}}, "docker_config"),
        ("maven", {"format_": "NPM", "maven_config": {"version_policy": "RELEASE"}}, "maven_config"),
    ],
)
def test_a_repository_that_is_not_allowed(registry, location, id_, fields, told) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=told):
        registry.create_repository({"parent": location, "repository_id": id_, "repository": fields})


@pytest.mark.parametrize("mode", ["VIRTUAL_REPOSITORY", "REMOTE_REPOSITORY"])
def test_modes_that_are_not_built_say_so(make, mode) -> None:
    with pytest.raises(exceptions.MethodNotImplemented, match=mode):
        make("PYTHON", mode=mode)


def test_places(registry, location) -> None:
    europe = location.replace("us-central1", "europe")
    made = registry.create_repository(
        {"parent": europe, "repository_id": "multi", "repository": {"format_": "GENERIC"}}
    ).result()
    assert made.registry_uri.startswith("europe-generic.pkg.dev/")
    registry.delete_repository(name=made.name).result()
    with pytest.raises(exceptions.NotFound, match="nowhere"):
        registry.create_repository(
            {"parent": location.replace("us-central1", "nowhere"), "repository_id": "a", "repository": {}}
        )


def test_policies(client, make) -> None:
    name = make("DOCKER")
    binding = {"role": "roles/artifactregistry.reader", "members": ["user:someone@example.com"]}
    kept = client.set_iam_policy(request={"resource": name, "policy": {"bindings": [binding]}})
    assert client.get_iam_policy(request={"resource": name}) == kept
    asked = {"resource": name, "permissions": ["artifactregistry.repositories.get"]}
    assert list(client.test_iam_permissions(request=asked).permissions) == asked["permissions"]


def test_cleanup_policies_as_gcloud_sends_them(make, token) -> None:
    """Google's servers take an enum's value in any case."""
    name, bearer = make("DOCKER"), {"Authorization": f"Bearer {token}"}
    url = f"https://artifactregistry.googleapis.com/v1/{name}?updateMask=cleanup_policies"

    def patch(action: str):
        policy = {"id": "old", "action": action, "condition": {"tagState": "any", "olderThan": "86400s"}}
        return requests.patch(url, json={"cleanupPolicies": {"old": policy}}, headers=bearer)

    kept = patch("Delete").json()["cleanupPolicies"]["old"]
    assert (kept["action"], kept["condition"]) == ("DELETE", {"tagState": "ANY", "olderThan": "86400s"})
    wrong = patch("burn")
    assert (wrong.status_code, "burn" in wrong.text) == (400, True)


def test_settings_of_a_project(client, emulator) -> None:
    name = f"projects/{emulator.project}/projectSettings"
    assert (
        client.get_project_settings(name=name).legacy_redirection_state == Redirection.REDIRECTION_FROM_GCR_IO_DISABLED
    )
    settings = {"name": name, "legacy_redirection_state": Redirection.REDIRECTION_FROM_GCR_IO_ENABLED}
    mask = {"paths": ["legacy_redirection_state"]}
    changed = client.update_project_settings(project_settings=settings, update_mask=mask)
    assert client.get_project_settings(name=name) == changed
    settings["legacy_redirection_state"] = Redirection.REDIRECTION_FROM_GCR_IO_DISABLED
    client.update_project_settings(project_settings=settings)
