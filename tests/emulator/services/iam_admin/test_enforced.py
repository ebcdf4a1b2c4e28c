"""Who may act as an account, where roles are asked for: by a role on it, along delegates, as a federated identity."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import iam_admin_v1, iam_credentials_v1
from google.iam.v1 import policy_pb2

from gcpmlops import Client
from gcpmlops.emulator.server import Running

PROJECT = "strict-project"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
CREATOR = "roles/iam.serviceAccountTokenCreator"


@pytest.fixture(scope="module")
def owner(enforcing_emulator: Running) -> Iterator[Client]:
    key = str(Path(enforcing_emulator.data_dir) / "credentials.json")
    with Client(project=PROJECT, endpoint=enforcing_emulator.endpoint, credentials_file=key) as client:
        apis = ["iam.googleapis.com", "iamcredentials.googleapis.com"]
        client.clients.service_usage.batch_enable_services(
            {"parent": f"projects/{PROJECT}", "service_ids": apis}
        ).result(timeout=10)
        yield client


@pytest.fixture
def tokens(owner: Client, enforcing_emulator: Running) -> iam_credentials_v1.IAMCredentialsClient:
    base = f"{enforcing_emulator.endpoint}/iamcredentials.googleapis.com"
    return iam_credentials_v1.IAMCredentialsClient(
        credentials=owner.clients.credentials, transport="rest", client_options={"api_endpoint": base}
    )


def grant(iam: Any, account: iam_admin_v1.ServiceAccount, member: str) -> None:
    policy = policy_pb2.Policy(bindings=[policy_pb2.Binding(role=CREATOR, members=[f"serviceAccount:{member}"])])
    iam.set_iam_policy({"resource": account.name, "policy": policy})


def test_tokens_along_delegates(owner: Client, tokens: iam_credentials_v1.IAMCredentialsClient) -> None:
    iam = owner.clients.iam
    first, second = (
        iam.create_service_account(name=f"projects/{PROJECT}", account_id=name) for name in ("first-one", "second-one")
    )
    target, delegate = (f"projects/-/serviceAccounts/{account.email}" for account in (second, first))

    def ask(*delegates: str) -> str:
        made = tokens.generate_access_token({"name": target, "scope": SCOPES, "delegates": delegates})
        return str(made.access_token)

    with pytest.raises(exceptions.Forbidden, match="getAccessToken"):
        ask()  # nobody impersonates by owning
    with pytest.raises(exceptions.Forbidden, match="implicitDelegation"):
        ask(delegate)
    grant(iam, first, owner.clients.caller)
    with pytest.raises(exceptions.Forbidden, match="getAccessToken"):
        ask(delegate)
    grant(iam, second, first.email)
    assert ask(delegate)
    with pytest.raises(exceptions.Forbidden):
        ask()
