"""Builds as service accounts, where roles are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import Build

from gcpmlops import Client

from .conftest import Building

APIS = ("cloudbuild", "iam", "storage", "logging", "cloudresourcemanager")


@pytest.fixture(scope="module")
def strict(enforcing_emulator):
    """Builds in a project that asks for roles."""
    key = str(Path(enforcing_emulator.data_dir) / "credentials.json")
    project = enforcing_emulator.project
    with Client(project=project, endpoint=enforcing_emulator.endpoint, credentials_file=key) as client:
        names = [f"{api}.googleapis.com" for api in APIS]
        request = {"parent": f"projects/{project}", "service_ids": names}
        client.clients.service_usage.batch_enable_services(request).result()
        yield Building(client.clients.builds, client, project)


def _account(strict: Building, name: str) -> str:
    account = strict.client.clients.iam.create_service_account(
        request={"name": f"projects/{strict.project}", "account_id": name}
    )
    return str(account.name)


def test_a_build_acts_as_its_account(strict):
    account = _account(strict, "building")
    email = account.rpartition("/")[2]
    build = strict.run(
        {"name": "ubuntu", "script": 'grep -o "building@[a-z.-]*" "$GOOGLE_APPLICATION_CREDENTIALS"'},
        service_account=account,
        artifacts={"objects": {"location": "gs://strict-artifacts", "paths": ["x"]}},
    )
    assert strict.printed(build) == [f"Step #0: {email}"]
    assert build.status == Build.Status.FAILURE  # there is no such bucket
    strict.client.storage.create_bucket("strict-artifacts")
    refused = strict.run(
        {"name": "ubuntu", "script": "touch x"},
        service_account=account,
        artifacts={"objects": {"location": "gs://strict-artifacts", "paths": ["x"]}},
    )
    assert (refused.status, refused.failure_info.type_.name) == (Build.Status.FAILURE, "PUSH_NOT_AUTHORIZED")
    assert "storage.objects.create" in refused.status_detail
    assert email in refused.status_detail


def test_who_may_not_act_as_an_account_builds_nothing_as_it(strict, enforcing_emulator, tmp_path):
    account, weak = _account(strict, "powerful"), _account(strict, "editor-only")
    resource = f"projects/{strict.project}"
    policies = strict.client.clients.projects
    policy = policies.get_iam_policy(request={"resource": resource})
    policy.bindings.add(role="roles/cloudbuild.builds.editor", members=[f"serviceAccount:{weak.rpartition('/')[2]}"])
    policies.set_iam_policy(request={"resource": resource, "policy": policy})
    key = tmp_path / "key.json"
    key.write_bytes(strict.client.clients.iam.create_service_account_key(request={"name": weak}).private_key_data)
    with Client(project=strict.project, endpoint=enforcing_emulator.endpoint, credentials_file=str(key)) as client:
        other = Building(client.clients.builds, client, strict.project)
        with pytest.raises(exceptions.PermissionDenied, match=r"iam\.serviceAccounts\.actAs"):
            other.submit({"name": "ubuntu", "script": "true"}, service_account=account)
        assert other.run({"name": "ubuntu", "script": "true"}).status == Build.Status.SUCCESS
