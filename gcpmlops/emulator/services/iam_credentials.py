"""google.iam.credentials.v1.IAMCredentials: tokens and signatures of service accounts, for who may act as them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from google.api_core import exceptions
from google.cloud.iam_admin_v1 import types as admin
from google.cloud.iam_credentials_v1 import types

from gcpmlops.emulator.kernel.auth import LIFETIME, Authenticator
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.kernel.validate import invalid, require
from gcpmlops.emulator.services.iam_admin.accounts import Accounts

_LONGEST_JWT = 12 * 3600  # seconds


class IamCredentials(Service):
    """Each account signs with the key that Google keeps for it; validity is real time."""

    proto = "google.iam.credentials.v1.IAMCredentials"

    def __init__(self, accounts: Accounts, authenticator: Authenticator) -> None:
        super().__init__(accounts.context)
        self._accounts = accounts
        self._authenticator = authenticator

    def generate_access_token(self, request: types.GenerateAccessTokenRequest) -> types.GenerateAccessTokenResponse:
        """Raises: InvalidArgument without a scope, for a lifetime that is negative or more than an hour."""
        require(request, "scope")
        seconds = request.lifetime.total_seconds() if "lifetime" in request else LIFETIME
        if not 0 < seconds <= LIFETIME:
            raise invalid("lifetime", f"{seconds:.0f} s is not allowed: at most {LIFETIME} s without an org policy.")
        account = self._account(request.name, request.delegates, "iam.serviceAccounts.getAccessToken")
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        token = self._authenticator.access_token(account.email, lifetime=seconds)
        return types.GenerateAccessTokenResponse(access_token=token, expire_time=until.replace(microsecond=0))

    def generate_id_token(self, request: types.GenerateIdTokenRequest) -> types.GenerateIdTokenResponse:
        require(request, "audience")
        account = self._account(request.name, request.delegates, "iam.serviceAccounts.getOpenIdToken")
        token = self._authenticator.id_token(account.email, request.audience, with_email=request.include_email)
        return types.GenerateIdTokenResponse(token=token)

    def sign_blob(self, request: types.SignBlobRequest) -> types.SignBlobResponse:
        account = self._account(request.name, request.delegates, "iam.serviceAccounts.signBlob")
        signature = self._authenticator.sign(request.payload, email=account.email)
        return types.SignBlobResponse(key_id=self._key_id(account), signed_blob=signature)

    def sign_jwt(self, request: types.SignJwtRequest) -> types.SignJwtResponse:
        """Raises: InvalidArgument for claims that are no JSON object, or that expire in the past or too late."""
        claims = _claims(request.payload)
        account = self._account(request.name, request.delegates, "iam.serviceAccounts.signJwt")
        signed = self._authenticator.sign_jwt(claims, email=account.email)
        return types.SignJwtResponse(key_id=self._key_id(account), signed_jwt=signed)

    def _key_id(self, account: admin.ServiceAccount) -> str:
        return str(self._authenticator.key_of(account.email)["private_key_id"])

    def _account(self, name: str, delegates: Sequence[str], permission: str) -> admin.ServiceAccount:
        """The account, once each delegate may act for the next one.

        Raises: NotFound; FailedPrecondition for one that is disabled; PermissionDenied along the delegates.
        """
        chain = [self._enabled(each) for each in (*delegates, name)]
        for holder, following in pairwise(chain):
            last = following is chain[-1]
            needed = permission if last else "iam.serviceAccounts.implicitDelegation"
            self.access.require(needed, following.name, email=holder.email)
        return chain[-1]

    def _enabled(self, name: str) -> admin.ServiceAccount:
        account = self._accounts.get(name)
        if account.disabled:
            raise exceptions.FailedPrecondition(f"Service account {account.email} is disabled.")
        return account


def _claims(payload: str) -> dict[str, object]:
    try:
        claims = json.loads(payload)
    except ValueError as error:
        raise invalid("payload", f"no JSON: {error}.") from None
    if not isinstance(claims, dict):
        raise invalid("payload", "a JSON object of claims is expected.")
    expires = claims.get("exp")
    if expires is not None and (not isinstance(expires, int) or not 0 <= expires - time.time() <= _LONGEST_JWT):
        raise invalid("payload", f"exp {expires!r} is not a time within the next 12 hours.")
    return claims
