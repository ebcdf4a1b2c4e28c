"""google.iam.admin.v1.IAM: keys of service accounts."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.cloud.iam_admin_v1 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import keys as key_files
from gcpmlops.emulator.kernel.names import parse
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.iam_admin.accounts import Accounts
from gcpmlops.emulator.services.iam_admin.user_keys import certificate_of, raw_public

_MOST = 10  # keys of an account that users have
_KEY = "projects/{project}/serviceAccounts/{account}/keys/{key}"
_SYSTEM = types.ListServiceAccountKeysRequest.KeyType.SYSTEM_MANAGED
_USER = types.ListServiceAccountKeysRequest.KeyType.USER_MANAGED
_JSON = types.ServiceAccountPrivateKeyType(2)  # TYPE_GOOGLE_CREDENTIALS_FILE
_P12 = types.ServiceAccountPrivateKeyType(1)  # TYPE_PKCS12_FILE


class Keys(Service):
    """A key's private half is given out once, when it is made, and not kept.

    Args:
        token_uri: where whoever holds a key file gets tokens.
    """

    proto = "google.iam.admin.v1.IAM"

    def __init__(self, accounts: Accounts, token_uri: Callable[[], str]) -> None:
        super().__init__(accounts.context)
        self._accounts = accounts
        self._keys = accounts.keys
        self._token_uri = token_uri

    def create_service_account_key(self, request: types.CreateServiceAccountKeyRequest) -> types.ServiceAccountKey:
        """A key file for GOOGLE_APPLICATION_CREDENTIALS. Raises: FailedPrecondition for the eleventh key."""
        account = self._room(request.name)
        small = request.key_algorithm == types.ServiceAccountKeyAlgorithm.KEY_ALG_RSA_1024
        file = key_files.make(
            account.email, project=account.project_id, client_id=account.unique_id, bits=1024 if small else 2048
        )
        file["token_uri"] = self._token_uri()
        made = self._keys.add(account.name, file["private_key_id"], certificate_of(file), uploaded=False)
        shown = _shown(made)
        is_p12 = request.private_key_type == _P12
        shown.private_key_type = _P12 if is_p12 else _JSON
        shown.private_key_data = _p12(file, made.public_key_data) if is_p12 else json.dumps(file, indent=2).encode()
        return shown

    def upload_service_account_key(self, request: types.UploadServiceAccountKeyRequest) -> types.ServiceAccountKey:
        """The certificate of a key that is made elsewhere. Raises: InvalidArgument for what is none."""
        account = self._room(request.name)
        made = self._keys.add(account.name, secrets.token_hex(20), request.public_key_data, uploaded=True)
        return _shown(made)

    def list_service_account_keys(
        self, request: types.ListServiceAccountKeysRequest
    ) -> types.ListServiceAccountKeysResponse:
        account = self._accounts.get(request.name)
        wanted = {int(kind) for kind in request.key_types} or {int(_SYSTEM), int(_USER)}
        found = [_shown(key) for key in self._keys.of(account.name)] if _USER in wanted else []
        if _SYSTEM in wanted:
            found.append(_shown(self._system_key(account)))
        return types.ListServiceAccountKeysResponse(keys=found)

    def get_service_account_key(self, request: types.GetServiceAccountKeyRequest) -> types.ServiceAccountKey:
        """With its public half in the form that is asked for."""
        key = self._get(request.name)
        shown = _shown(key)
        if request.public_key_type == types.ServiceAccountPublicKeyType.TYPE_X509_PEM_FILE:
            shown.public_key_data = key.public_key_data
        elif request.public_key_type == types.ServiceAccountPublicKeyType.TYPE_RAW_PUBLIC_KEY:
            shown.public_key_data = raw_public(key.public_key_data)
        return shown

    def delete_service_account_key(self, request: types.DeleteServiceAccountKeyRequest) -> empty_pb2.Empty:
        self._keys.rows.delete(self._user_key(request.name))
        self._changed(request.name)
        return empty_pb2.Empty()

    def disable_service_account_key(self, request: types.DisableServiceAccountKeyRequest) -> empty_pb2.Empty:
        self._keys.rows.update(self._user_key(request.name), lambda key: setattr(key, "disabled", True))
        self._changed(request.name)
        return empty_pb2.Empty()

    def enable_service_account_key(self, request: types.EnableServiceAccountKeyRequest) -> empty_pb2.Empty:
        self._keys.rows.update(self._user_key(request.name), lambda key: setattr(key, "disabled", False))
        self._changed(request.name)
        return empty_pb2.Empty()

    def _room(self, name: str) -> types.ServiceAccount:
        account = self._accounts.get(name)
        if len(self._keys.of(account.name)) >= _MOST:
            raise exceptions.FailedPrecondition(f"{account.email} has {_MOST} keys, which is the most: delete one.")
        return account

    def _get(self, name: str) -> types.ServiceAccountKey:
        given = parse(_KEY, name)
        account = self._accounts.get(name.rpartition("/keys/")[0])
        found: types.ServiceAccountKey | None = self._keys.rows.find(f"{account.name}/keys/{given['key']}")
        if found is None and given["key"] == str(self._accounts.authenticator.key_of(account.email)["private_key_id"]):
            return self._system_key(account)
        if found is None:
            raise exceptions.NotFound(f"Service account key {given['key']} of {account.email} does not exist.")
        return found

    def _user_key(self, name: str) -> str:
        """The key's name. Raises: NotFound; FailedPrecondition for one that Google keeps."""
        key = self._get(name)
        if key.key_type == _SYSTEM:
            raise exceptions.FailedPrecondition(f"{name} is a system-managed key: it cannot be changed.")
        return str(key.name)

    def _system_key(self, account: types.ServiceAccount) -> types.ServiceAccountKey:
        return self._keys.system(account.name, self._accounts.authenticator.key_of(account.email))

    def _changed(self, name: str) -> None:
        self._accounts.changed(self._accounts.get(name.rpartition("/keys/")[0]))


def _p12(file: dict[str, Any], certificate: bytes) -> bytes:
    """The private key with its certificate, under the name and the password that Google's files have."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.serialization import pkcs12

    private: Any = serialization.load_pem_private_key(file["private_key"].encode(), password=None)
    locked = serialization.BestAvailableEncryption(b"notasecret")
    loaded = x509.load_pem_x509_certificate(certificate)
    return pkcs12.serialize_key_and_certificates(b"privatekey", private, loaded, None, locked)


def _shown(key: types.ServiceAccountKey) -> types.ServiceAccountKey:
    """Without its public half, which is shown where it is asked for."""
    shown: types.ServiceAccountKey = types.ServiceAccountKey(key)
    shown.public_key_data = b""
    return shown
