"""Resource Manager and Cloud Billing: projects by id and by number, over gRPC and REST."""

from __future__ import annotations

import uuid

import google.auth
import pytest
from google.api_core import exceptions
from google.auth.transport.requests import AuthorizedSession
from google.cloud import billing_v1, iam_admin_v1, resourcemanager_v3, secretmanager_v1, service_usage_v1
from google.iam.v1 import policy_pb2

from gcpmlops.emulator.server import Running

_V1 = "https://cloudresourcemanager.googleapis.com/v1/projects"
both = pytest.mark.parametrize("transport", ["grpc", "rest"])


@both
def test_a_number_finds_the_project(transport: str, emulator: Running, google_environment: dict[str, str]) -> None:
    client = resourcemanager_v3.ProjectsClient(transport=transport)
    project = client.get_project(name=f"projects/{emulator.project}")
    assert project.project_id == emulator.project
    assert client.get_project(name=project.name).project_id == emulator.project
    with pytest.raises(exceptions.BadRequest, match="6 to 30"):
        client.get_project(name="projects/No")
    with pytest.raises(exceptions.NotFound, match="12345"):
        client.get_project(name="projects/12345")


@both
def test_a_project_from_its_creation_to_its_return(transport: str, google_environment: dict[str, str]) -> None:
    client = resourcemanager_v3.ProjectsClient(transport=transport)
    project_id = f"made-{uuid.uuid4().hex[:8]}"
    wanted = {"project_id": project_id, "display_name": "A project", "labels": {"env": project_id}}
    made = client.create_project({"project": wanted}).result(timeout=10)
    assert client.get_project(name=f"projects/{project_id}") == made
    with pytest.raises(exceptions.Conflict, match="taken"):
        client.create_project({"project": {"project_id": project_id}})
    for wrong, why in (("No", "6 to 30"), ("ends-with-", "6 to 30"), ("my-google-one", "'google'"), ("x" * 31, "6 to")):
        with pytest.raises(exceptions.BadRequest, match=f"not allowed.*{why}"):
            client.create_project({"project": {"project_id": wrong}})
    label = f"of-{project_id}"
    vault, automatic = (
        secretmanager_v1.SecretManagerServiceClient(transport=transport),
        {"replication": {"automatic": {}}},
    )
    vault.create_secret(parent=made.name, secret_id="of-its-own", secret=automatic)  # the number names what the id does
    assert vault.get_secret(name=f"projects/{project_id}/secrets/of-its-own").name.startswith(f"projects/{project_id}/")
    change = {"name": made.name, "display_name": "Another", "labels": {"env": label}}
    changed = client.update_project({"project": change, "update_mask": {"paths": ["display_name"]}}).result(timeout=10)
    assert (changed.display_name, dict(changed.labels)) == ("Another", {"env": project_id})
    whole = {"project": {**change, "display_name": ""}, "update_mask": {"paths": ["*"]}}  # what can't change, stays
    assert client.update_project(whole).result(timeout=10).labels == {"env": label}
    client.update_project({"project": change, "update_mask": {"paths": ["display_name"]}}).result(timeout=10)
    stale = {"project": {**change, "etag": made.etag}, "update_mask": {"paths": ["labels"]}}
    with pytest.raises(exceptions.Conflict, match="etag"):
        client.update_project(stale)
    for query in (f"labels.env:{label}", f"id:{project_id}", f"name:Another labels.env={label}"):
        assert [each.name for each in client.search_projects(query=query)] == [made.name]
    services = service_usage_v1.ServiceUsageClient(transport=transport)
    services.enable_service(request={"name": f"{made.name}/services/run.googleapis.com"})
    listed = services.list_operations({"name": "operations"}).operations  # of this API alone: REST parses its messages
    assert {operation.metadata.type_url.split(".")[4] for operation in listed} == {"serviceusage"}
    deleted = client.delete_project(name=made.name).result(timeout=10)
    assert deleted.state.name == "DELETE_REQUESTED"
    assert deleted.delete_time > deleted.update_time
    assert client.delete_project(name=made.name).result(timeout=10) == deleted
    with pytest.raises(exceptions.BadRequest, match="not active"):
        client.update_project({"project": change, "update_mask": {"paths": ["labels"]}})
    assert client.undelete_project(name=made.name).result(timeout=10).state.name == "ACTIVE"
    with pytest.raises(exceptions.BadRequest, match="not deleted"):
        client.undelete_project(name=made.name)


def test_policies_have_etags(emulator: Running, google_environment: dict[str, str]) -> None:
    client = resourcemanager_v3.ProjectsClient()
    resource = f"projects/{emulator.project}"
    policy = client.get_iam_policy(resource=resource)
    roles = {binding.role: list(binding.members) for binding in policy.bindings}
    assert f"serviceAccount:gcpmlops@{emulator.project}.iam.gserviceaccount.com" in roles["roles/owner"]
    assert "roles/aiplatform.serviceAgent" in roles
    number = client.get_project(name=resource).name
    assert client.get_iam_policy(resource=number).etag == policy.etag
    policy.bindings.append(policy_pb2.Binding(role="roles/viewer", members=["user:someone@example.com"]))
    client.set_iam_policy({"resource": resource, "policy": policy})
    with pytest.raises(exceptions.Aborted, match="concurrent"):
        client.set_iam_policy({"resource": resource, "policy": policy})
    asked = ["resourcemanager.projects.get", "storage.objects.get"]
    assert client.test_iam_permissions(resource=resource, permissions=asked).permissions == asked
    with pytest.raises(exceptions.InvalidArgument, match="policy: required"):
        client.set_iam_policy({"resource": resource})  # and all is kept
    assert client.get_iam_policy(resource=resource).bindings
    with pytest.raises(exceptions.InvalidArgument, match="wildcards"):
        client.test_iam_permissions(resource=resource, permissions=["storage.*"])
    assert list(resourcemanager_v3.FoldersClient().list_folders(parent="organizations/1")) == []
    with pytest.raises(exceptions.PermissionDenied, match="no organisations"):
        resourcemanager_v3.OrganizationsClient().get_organization(name="organizations/1")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("{bad", "Invalid JSON"),
        ("[]", "must be an object"),
        ('{"projectId": 5}', "projectId"),
        ('{"projectId": "some-project", "labels": "x"}', "labels"),
        ('{"projectId": "some-project", "parent": "x"}', "parent"),
        ('{"projectId": "some-project", "colour": "red"}', "Unknown name 'colour'"),
    ],
)
def test_malformed_calls_of_the_first_version(body: str, told: str, google_environment: dict[str, str]) -> None:
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    with AuthorizedSession(credentials) as session:
        answer = session.post(_V1, data=body, timeout=10)
        assert (answer.status_code, told in answer.json()["error"]["message"]) == (400, True), answer.text
        assert session.get(f"{_V1}?pageSize=x", timeout=10).status_code == 400


@pytest.mark.parametrize(
    ("binding", "version", "told"),
    [
        ({"role": "roles/viewer", "members": ["allUsers"]}, 1, "allUsers"),
        ({"role": "roles/viewer", "members": ["usr:me@example.com"]}, 1, "Invalid member 'usr:"),
        ({"role": "roles/viewer", "members": ["user:"]}, 1, "Invalid member 'user:'"),
        ({"role": "roles/storage.objectviewer"}, 1, "roles/storage.objectViewer meant"),
        ({"role": "projects/some-project/roles/none"}, 1, "does not exist in the resource's hierarchy"),
        ({"role": "roles/storage.admin", "condition": {"expression": "true"}}, 1, "version"),
        ({"role": "roles/storage.admin", "condition": {"expression": "request.time < timestamp("}}, 3, "not compile"),
        ({"role": "roles/owner", "condition": {"expression": "true"}}, 3, "basic role"),
        ({"role": "roles/storage.admin"}, 2, "2 is no version"),
    ],
)
def test_bindings_that_no_policy_takes(
    binding: dict[str, object], version: int, told: str, emulator: Running, google_environment: dict[str, str]
) -> None:
    client, resource = resourcemanager_v3.ProjectsClient(), "projects/refused-bindings"
    before = client.get_iam_policy(resource=resource)
    policy = policy_pb2.Policy(bindings=[policy_pb2.Binding(**{"members": ["user:me@example.com"], **binding})])
    policy.version = version
    with pytest.raises(exceptions.InvalidArgument, match=told):
        client.set_iam_policy({"resource": resource, "policy": policy})
    assert client.get_iam_policy(resource=resource) == before


def test_permissions_that_a_role_takes(emulator: Running, google_environment: dict[str, str]) -> None:
    client, parent = iam_admin_v1.IAMClient(), "projects/roles-of-its-own"
    role = {"included_permissions": ["storage.objects.get", "container.clusters.get"]}  # the second is of no API here
    made = client.create_role({"parent": parent, "role_id": "some", "role": role})
    assert list(made.included_permissions) == role["included_permissions"]
    for wrong in ("storage.objects.gett", "nonsense", "storage.*"):
        with pytest.raises(exceptions.InvalidArgument, match="is not valid"):
            client.create_role({"parent": parent, "role_id": "other", "role": {"included_permissions": [wrong]}})


def test_conditions_make_a_policy_of_version_3(emulator: Running, google_environment: dict[str, str]) -> None:
    client, resource = resourcemanager_v3.ProjectsClient(), "projects/conditional-bindings"
    condition = {
        "title": "soon",
        "expression": 'request.time < timestamp("2030-01-01T00:00:00Z") &&\n  (1 > 0 ? true : x)',
    }
    binding = policy_pb2.Binding(role="roles/storage.admin", members=["user:me@example.com"], condition=condition)
    policy = policy_pb2.Policy(bindings=[binding], version=3)
    assert client.set_iam_policy({"resource": resource, "policy": policy}).version == 3
    policy.bindings[0].ClearField("condition")
    plain = policy_pb2.Binding(role=binding.role, members=["user:you@example.com", *binding.members])
    policy.bindings.extend([plain, policy_pb2.Binding(role="roles/browser")])
    kept = client.set_iam_policy({"resource": resource, "policy": policy})
    assert kept.version == 1
    for expression, errors in (
        (condition["expression"], 0),
        ("request.time <", 1),
    ):  # gcloud iam policies lint-condition
        asked = {"full_resource_name": f"//cloudresourcemanager.googleapis.com/{resource}"}
        found = iam_admin_v1.IAMClient().lint_policy({**asked, "condition": {"expression": expression}}).lint_results
        assert len(found) == errors
    assert [(each.role, list(each.members)) for each in kept.bindings] == [
        (binding.role, ["user:me@example.com", "user:you@example.com"])  # merged; nobody's role is not kept
    ]


@both
def test_one_account_pays_for_the_emulators_project(
    transport: str, emulator: Running, google_environment: dict[str, str]
) -> None:
    client = billing_v1.CloudBillingClient(transport=transport)
    info = client.get_project_billing_info(name=f"projects/{emulator.project}")
    assert info.billing_enabled
    account = client.get_billing_account(name=info.billing_account_name)
    assert account.open
    assert [each.name for each in client.list_billing_accounts()] == [account.name]
    binding = policy_pb2.Binding(role="roles/billing.user", members=["user:me@example.com"])
    wanted = {"resource": account.name, "policy": policy_pb2.Policy(bindings=[binding])}
    assert client.set_iam_policy(request=wanted) == client.get_iam_policy(resource=account.name)
    assert not client.get_project_billing_info(name="projects/some-other-project").billing_enabled
    with pytest.raises(exceptions.NotFound):
        client.get_billing_account(name="billingAccounts/000000-000000-000000")
