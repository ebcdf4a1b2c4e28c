"""Keys and tokens of service accounts: what they open, and until when."""

from __future__ import annotations

import base64
import datetime
import json
import time
import uuid
from pathlib import Path
from typing import Any

import google.auth
import pytest
import requests
from cryptography.hazmat.primitives.serialization import pkcs12
from google.api_core import exceptions
from google.auth import crypt, impersonated_credentials, jwt
from google.auth.exceptions import RefreshError
from google.auth.transport.requests import AuthorizedSession, Request
from google.cloud import iam_admin_v1, iam_credentials_v1, resourcemanager_v3, storage
from google.oauth2 import service_account

from gcpmlops.emulator.server import Running

PROJECT = "local-project"
SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
TOKEN = f"https://cloudresourcemanager.googleapis.com/v1/projects/{PROJECT}"
POOL = f"projects/{PROJECT}/locations/global/workloadIdentityPools"


@pytest.fixture
def iam(google_environment: dict[str, str]) -> iam_admin_v1.IAMClient:
    return iam_admin_v1.IAMClient()


@pytest.fixture
def account(iam: iam_admin_v1.IAMClient) -> iam_admin_v1.ServiceAccount:
    return iam.create_service_account(name=f"projects/{PROJECT}", account_id=f"robot-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def credentials(google_environment: dict[str, str]) -> iam_credentials_v1.IAMCredentialsClient:
    return iam_credentials_v1.IAMCredentialsClient()


def who(credentials: Any) -> str:
    """Whom a token is of, as Google's token endpoint tells."""
    credentials.refresh(Request())
    answer = requests.get(f"https://oauth2.googleapis.com/tokeninfo?access_token={credentials.token}", timeout=10)
    return str(answer.json()["email"])


def test_a_key_opens_what_the_account_may_until_it_is_disabled_or_deleted(
    iam: iam_admin_v1.IAMClient, account: iam_admin_v1.ServiceAccount
) -> None:
    key = iam.create_service_account_key(name=account.name)
    info = json.loads(key.private_key_data)
    assert (info["client_email"], info["client_id"]) == (account.email, account.unique_id)
    by_key = service_account.Credentials.from_service_account_info(info, scopes=SCOPES)
    assert who(by_key) == account.email
    projects = resourcemanager_v3.ProjectsClient(  # a JWT that the key signs, without a token endpoint
        credentials=service_account.Credentials.from_service_account_info(info)
    )
    assert projects.get_project(name=f"projects/{PROJECT}").project_id == PROJECT
    iam.disable_service_account_key({"name": key.name})
    with pytest.raises(RefreshError, match="no such key"):
        by_key.refresh(Request())
    with pytest.raises(exceptions.Unauthenticated):
        projects.get_project(name=f"projects/{PROJECT}")
    iam.enable_service_account_key({"name": key.name})
    assert who(by_key) == account.email
    token = by_key.token
    iam.disable_service_account({"name": account.name})
    assert requests.get(TOKEN, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code == 401
    iam.enable_service_account({"name": account.name})
    assert requests.get(TOKEN, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code == 200
    iam.delete_service_account_key(name=key.name)
    with pytest.raises(RefreshError, match="no such key"):
        by_key.refresh(Request())
    iam.delete_service_account(name=account.name)
    assert requests.get(TOKEN, headers={"Authorization": f"Bearer {token}"}, timeout=10).status_code == 401


def test_keys_are_listed_with_their_public_half(
    iam: iam_admin_v1.IAMClient, account: iam_admin_v1.ServiceAccount
) -> None:
    made = iam.create_service_account_key(name=account.name)
    listed = {key.name: key for key in iam.list_service_account_keys(name=account.name).keys}
    assert {key.key_type.name for key in listed.values()} == {"USER_MANAGED", "SYSTEM_MANAGED"}
    assert listed[made.name].private_key_data == b""
    assert all(key.valid_after_time and key.valid_before_time for key in listed.values())  # gcloud compares them
    types = iam_admin_v1.ServiceAccountPublicKeyType
    for kind, begin in ((types.TYPE_X509_PEM_FILE, "CERTIFICATE"), (types.TYPE_RAW_PUBLIC_KEY, "PUBLIC KEY")):
        pem = iam.get_service_account_key({"name": made.name, "public_key_type": kind}).public_key_data
        signature = crypt.RSASigner.from_service_account_info(json.loads(made.private_key_data)).sign(b"data")
        assert pem.decode().startswith(f"-----BEGIN {begin}-----")
        assert crypt.RSAVerifier.from_string(pem).verify(b"data", signature)
    signed = iam.sign_blob({"name": account.name, "bytes_to_sign": b"x"})
    key = {"name": f"{account.name}/keys/{signed.key_id}", "public_key_type": types.TYPE_RAW_PUBLIC_KEY}
    assert crypt.RSAVerifier.from_string(iam.get_service_account_key(key).public_key_data).verify(
        b"x", signed.signature
    )
    p12 = iam.create_service_account_key({"name": account.name, "private_key_type": "TYPE_PKCS12_FILE"})
    private, certificate, _ = pkcs12.load_key_and_certificates(p12.private_key_data, b"notasecret")
    assert private.public_key() == certificate.public_key()
    with pytest.raises(exceptions.InvalidArgument, match="certificate"):
        iam.upload_service_account_key({"name": account.name, "public_key_data": b"nonsense"})
    system = next(name for name, key in listed.items() if key.key_type.name == "SYSTEM_MANAGED")
    with pytest.raises(exceptions.FailedPrecondition, match="system-managed"):
        iam.delete_service_account_key(name=system)


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_tokens_of_another_account(
    transport: str, account: iam_admin_v1.ServiceAccount, google_environment: dict[str, str]
) -> None:
    client = iam_credentials_v1.IAMCredentialsClient(transport=transport)
    name = f"projects/-/serviceAccounts/{account.email}"
    made = client.generate_access_token(name=name, scope=SCOPES, lifetime=datetime.timedelta(seconds=60))
    assert 50 < made.expire_time.timestamp() - time.time() < 61
    assert who(_Given(made.access_token)) == account.email
    for asked in ({"include_email": True}, {}):
        given = client.generate_id_token({"name": name, "audience": "https://x.test", **asked}).token
        claims = jwt.decode(given, verify=False)
        assert (claims["aud"], "email" in claims) == ("https://x.test", bool(asked))
        told = requests.get(f"https://oauth2.googleapis.com/tokeninfo?id_token={given}", timeout=10).json()
        assert told["email"] == account.email
    now = int(time.time())
    payload = {"iss": account.email, "aud": "a", "iat": now, "exp": now + 60}
    signed = client.sign_jwt(name=name, payload=json.dumps(payload))
    published = requests.get(
        f"https://www.googleapis.com/service_accounts/v1/metadata/x509/{account.email}", timeout=10
    ).json()
    assert jwt.decode(signed.signed_jwt, certs=published) == payload
    assert jwt.decode_header(signed.signed_jwt)["kid"] == signed.key_id
    for wrong in ({"lifetime": datetime.timedelta(hours=12), "scope": SCOPES}, {"scope": []}):
        with pytest.raises(exceptions.BadRequest):
            client.generate_access_token({"name": name, **wrong})
    with pytest.raises(exceptions.NotFound):
        client.generate_access_token(name=f"projects/-/serviceAccounts/no-one@{PROJECT}.iam.gserviceaccount.com",
                                     scope=SCOPES)  # fmt: skip
    with pytest.raises(exceptions.BadRequest, match="12 hours"):
        client.sign_jwt(name=name, payload=json.dumps({"exp": 5}))


class _Given:
    def __init__(self, token: str) -> None:
        self.token = token

    def refresh(self, _: Any) -> None:
        """It is what it is."""


def test_identity_tokens_end_with_their_account(
    iam: iam_admin_v1.IAMClient,
    account: iam_admin_v1.ServiceAccount,
    credentials: iam_credentials_v1.IAMCredentialsClient,
) -> None:
    token = credentials.generate_id_token(name=f"projects/-/serviceAccounts/{account.email}", audience="a").token
    url = f"https://oauth2.googleapis.com/tokeninfo?id_token={token}"
    assert requests.get(url, timeout=10).json()["email"] == account.email
    iam.delete_service_account(name=account.name)
    assert requests.get(url, timeout=10).status_code == 401


def test_impersonation_and_what_it_signs(account: iam_admin_v1.ServiceAccount, bucket: str) -> None:
    source, _ = google.auth.default(scopes=SCOPES)
    acting = impersonated_credentials.Credentials(source, target_principal=account.email, target_scopes=SCOPES)
    assert who(acting) == account.email
    blob = storage.Client(credentials=acting, project=PROJECT).bucket(bucket).blob("a.txt")
    blob.upload_from_string("signed")
    url = blob.generate_signed_url(version="v4", expiration=60)
    assert requests.get(url, timeout=10).text == "signed"
    assert requests.get(url + "0", timeout=10).status_code in (400, 403)


def test_system_keys_are_private(
    account: iam_admin_v1.ServiceAccount, credentials: iam_credentials_v1.IAMCredentialsClient, emulator: Running
) -> None:
    credentials.sign_blob(name=f"projects/-/serviceAccounts/{account.email}", payload=b"x")
    path = Path(emulator.data_dir) / "keys" / f"{account.email}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_tokens_of_an_identity_provider_are_exchanged(account: iam_admin_v1.ServiceAccount, tmp_path: Path) -> None:
    """As GitHub's jobs do: no key anywhere."""
    source, _ = google.auth.default(scopes=SCOPES)
    session, issuer, pool = AuthorizedSession(source), "https://issuer.test", f"pool-{uuid.uuid4().hex[:8]}"
    signer, keys = _provider_key()
    base = f"https://iam.googleapis.com/v1/{POOL}"
    assert session.post(f"{base}?workloadIdentityPoolId={pool}", json={}).json()["done"]
    oidc = {
        "oidc": {"issuerUri": issuer, "jwksJson": json.dumps(keys)},
        "attributeMapping": {"google.subject": "assertion.sub", "attribute.repo": "assertion.repository"},
        "attributeCondition": "assertion.repository == 'me/mine' && !assertion.sub.startsWith('bad')",
    }
    path = f"{base}/{pool}/providers?workloadIdentityPoolProviderId=jobs"
    github = {"issuerUri": "https://token.actions.githubusercontent.com"}
    refused = (
        {"oidc": {"issuerUri": issuer}},
        {**oidc, "attributeCondition": "assertion.repository =="},
        {**oidc, "attributeCondition": "", "oidc": github},
        {**oidc, "colour": "red"},
    )
    assert [session.post(path, json=settings).status_code for settings in refused] == [400] * len(refused)
    assert session.get(f"{base}/none/providers").status_code == 404
    policy = {"policy": {"bindings": [{"role": "roles/iam.workloadIdentityPoolViewer", "members": ["user:me@x.test"]}]}}
    kept = session.post(f"{base}/{pool}:setIamPolicy", json=policy).json()
    assert session.post(f"{base}/{pool}:getIamPolicy", json={}).json() == kept
    name = session.post(path, json=oidc).json()["response"]["name"]
    audience, file = f"//iam.googleapis.com/{name}", tmp_path / "token"

    def federated(**claims: Any) -> str:
        now = int(time.time())
        given = {"iss": issuer, "aud": audience, "sub": "job", "repository": "me/mine", "iat": now, "exp": now + 60}
        file.write_bytes(jwt.encode(signer, given | claims))
        info = {
            "type": "external_account", "audience": audience, "token_url": "https://sts.googleapis.com/v1/token",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": {"file": str(file)},
            "service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/"
            f"{account.email}:generateAccessToken",
        }  # fmt: skip
        return who(google.auth.load_credentials_from_dict(info, scopes=SCOPES)[0])

    assert federated() == account.email
    wrong = ({"repository": "other"}, {"sub": "bad"}, {"iss": "https://else.test"}, {"aud": "else"}, {"exp": 1})
    for claims in wrong:
        with pytest.raises(google.auth.exceptions.OAuthError, match="invalid_grant"):
            federated(**claims)
    session.delete(f"{base}/{pool}")
    with pytest.raises(google.auth.exceptions.OAuthError, match="deleted"):
        federated()


def _provider_key() -> tuple[Any, dict[str, Any]]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    numbers = key.public_key().public_numbers()

    def text(number: int) -> str:
        return base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode().rstrip("=")

    public = {"kty": "RSA", "kid": "one", "n": text(numbers.n), "e": text(numbers.e)}
    return crypt.RSASigner.from_string(pem, "one"), {"keys": [public]}
