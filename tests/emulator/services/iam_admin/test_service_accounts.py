"""Service accounts by the official clients: made, found, changed, disabled, deleted, brought back."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest
from google.api_core import exceptions
from google.cloud import iam_admin_v1, notebooks_v2, resourcemanager_v3, storage
from google.iam.v1 import policy_pb2

from gcpmlops.emulator.server import Running

PROJECT = "local-project"


@pytest.fixture
def iam(google_environment: dict[str, str]) -> iam_admin_v1.IAMClient:
    return iam_admin_v1.IAMClient()


@pytest.fixture
def create(iam: iam_admin_v1.IAMClient) -> Callable[[], iam_admin_v1.ServiceAccount]:
    def make(**texts: str) -> iam_admin_v1.ServiceAccount:
        account = iam_admin_v1.ServiceAccount(**texts)
        name = f"robot-{uuid.uuid4().hex[:8]}"
        return iam.create_service_account(
            request={"name": f"projects/{PROJECT}", "account_id": name, "service_account": account}
        )

    return make


def test_an_account_is_found_by_email_and_by_unique_id(
    iam: iam_admin_v1.IAMClient, create: Callable[..., iam_admin_v1.ServiceAccount], emulator: Running
) -> None:
    made = create(display_name="A robot")
    assert made.email.endswith(f"@{PROJECT}.iam.gserviceaccount.com")
    for project in (PROJECT, "-", resourcemanager_v3.ProjectsClient().get_project(name=f"projects/{PROJECT}").name[9:]):
        for key in (made.email, made.unique_id):
            assert iam.get_service_account(name=f"projects/{project}/serviceAccounts/{key}") == made
    found = {account.email for account in iam.list_service_accounts(name=f"projects/{PROJECT}")}
    assert {made.email, f"gcpmlops@{PROJECT}.iam.gserviceaccount.com"} <= found
    with pytest.raises(exceptions.NotFound):
        iam.get_service_account(name=f"projects/another-project/serviceAccounts/{made.email}")
    with pytest.raises(exceptions.AlreadyExists, match="already exists within project"):
        iam.create_service_account(name=f"projects/{PROJECT}", account_id=made.email.partition("@")[0])


@pytest.mark.parametrize("account_id", ["", "short", "x" * 31, "Upper-case", "1digit-first", "ends-with-"])
def test_an_id_that_is_not_allowed(account_id: str, iam: iam_admin_v1.IAMClient) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="6 to 30"):
        iam.create_service_account(name=f"projects/{PROJECT}", account_id=account_id)


def test_texts_change_by_mask_and_etag(
    iam: iam_admin_v1.IAMClient, create: Callable[..., iam_admin_v1.ServiceAccount]
) -> None:
    made = create(display_name="before", description="kept")
    wanted = iam_admin_v1.ServiceAccount(name=made.name, display_name="after", description="lost", etag=made.etag)
    request = {"service_account": wanted, "update_mask": {"paths": ["display_name"]}}
    changed = iam.patch_service_account(request)
    assert (changed.display_name, changed.description) == ("after", "kept")
    with pytest.raises(exceptions.Aborted, match="etag"):
        iam.patch_service_account(request)
    wanted.etag = changed.etag
    with pytest.raises(exceptions.InvalidArgument, match="email"):
        iam.patch_service_account({"service_account": wanted, "update_mask": {"paths": ["email"]}})
    with pytest.raises(exceptions.InvalidArgument, match="256"):
        create(description="x" * 257)


def test_a_deleted_account_is_refused_everywhere_until_it_is_back(
    iam: iam_admin_v1.IAMClient, create: Callable[..., iam_admin_v1.ServiceAccount]
) -> None:
    made, projects = create(), resourcemanager_v3.ProjectsClient()
    member, resource = f"serviceAccount:{made.email}", f"projects/{PROJECT}"

    def grant(role: str) -> None:
        policy = projects.get_iam_policy(resource=resource)
        policy.bindings.append(policy_pb2.Binding(role=role, members=[member]))
        projects.set_iam_policy({"resource": resource, "policy": policy})

    def members() -> set[str]:
        return {each for binding in projects.get_iam_policy(resource=resource).bindings for each in binding.members}

    grant("roles/viewer")
    iam.delete_service_account(name=made.name)
    gone = f"deleted:{member}?uid={made.unique_id}"
    assert gone in members()
    assert member not in members()
    with pytest.raises(exceptions.InvalidArgument, match="does not exist"):
        grant("roles/browser")
    with pytest.raises(exceptions.NotFound):
        iam.get_service_account(name=made.name)
    with pytest.raises(exceptions.InvalidArgument, match="is deleted"):
        _run_as(made.email)
    again = iam.create_service_account(name=resource, account_id=made.email.partition("@")[0])
    assert gone in members()  # another account, if of the same name
    with pytest.raises(exceptions.FailedPrecondition):
        iam.undelete_service_account({"name": f"{resource}/serviceAccounts/{made.unique_id}"})
    iam.delete_service_account(name=again.name)
    back = iam.undelete_service_account({"name": f"projects/-/serviceAccounts/{made.unique_id}"}).restored_account
    assert (back.email, back.unique_id) == (made.email, made.unique_id)
    iam.disable_service_account({"name": made.name})
    with pytest.raises(exceptions.FailedPrecondition, match="is disabled"):
        _run_as(made.email)
    assert member in members()


def _run_as(email: str) -> None:
    """Asks for what runs as the account: here a notebook, which is refused before anything is started."""
    notebook = {"gce_setup": {"service_accounts": [{"email": email}]}}
    zone = f"projects/{PROJECT}/locations/us-central1-a"
    notebooks_v2.NotebookServiceClient().create_instance(parent=zone, instance=notebook, instance_id="refused")


def test_buckets_forget_a_deleted_account_too(
    iam: iam_admin_v1.IAMClient, create: Callable[..., iam_admin_v1.ServiceAccount], bucket: str
) -> None:
    made, resource = create(), storage.Client().bucket(bucket)
    member = f"serviceAccount:{made.email}"

    def grant(role: str = "roles/storage.objectViewer") -> None:
        policy = resource.get_iam_policy()
        policy.bindings.append({"role": role, "members": {member}})
        resource.set_iam_policy(policy)

    grant()
    for wrong in ("roles/storage.objectviewer", "viewer", f"projects/{PROJECT}/roles/none"):
        with pytest.raises(exceptions.BadRequest, match=r"not supported|not exist"):
            grant(wrong)
    iam.delete_service_account(name=made.name)
    members = {each for binding in resource.get_iam_policy().bindings for each in binding["members"]}
    assert f"deleted:{member}?uid={made.unique_id}" in members
    assert member not in members
    with pytest.raises(exceptions.BadRequest, match="does not exist"):
        grant()


def test_the_emulators_own_account_stays(iam: iam_admin_v1.IAMClient) -> None:
    name = f"projects/-/serviceAccounts/gcpmlops@{PROJECT}.iam.gserviceaccount.com"
    with pytest.raises(exceptions.FailedPrecondition):
        iam.delete_service_account(name=name)
    with pytest.raises(exceptions.FailedPrecondition):
        iam.disable_service_account({"name": name})


def test_an_account_has_a_policy(
    iam: iam_admin_v1.IAMClient, create: Callable[..., iam_admin_v1.ServiceAccount]
) -> None:
    made = create()
    binding = policy_pb2.Binding(
        role="roles/iam.serviceAccountUser", members=[f"serviceAccount:gcpmlops@{PROJECT}.iam.gserviceaccount.com"]
    )
    policy = iam.get_iam_policy({"resource": made.name})
    policy.bindings.append(binding)
    iam.set_iam_policy({"resource": f"projects/-/serviceAccounts/{made.email}", "policy": policy})
    kept = iam.get_iam_policy({"resource": f"projects/{PROJECT}/serviceAccounts/{made.unique_id}"})
    assert list(kept.bindings) == [binding]
    with pytest.raises(exceptions.Aborted):
        iam.set_iam_policy({"resource": made.name, "policy": policy})
    asked = ["iam.serviceAccounts.actAs"]
    assert iam.test_iam_permissions({"resource": made.name, "permissions": asked}).permissions == asked
