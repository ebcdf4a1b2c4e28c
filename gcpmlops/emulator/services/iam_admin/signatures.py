"""google.iam.admin.v1.IAM: what it signed before IAM Credentials did; the same keys, the same rules."""

from __future__ import annotations

from google.cloud.iam_admin_v1 import types
from google.cloud.iam_credentials_v1 import types as newer

from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.iam_credentials import IamCredentials


class Signatures(Service):
    """Deprecated by Google, and still in its client."""

    proto = "google.iam.admin.v1.IAM"

    def __init__(self, credentials: IamCredentials) -> None:
        super().__init__(credentials.context)
        self._credentials = credentials

    def sign_blob(self, request: types.SignBlobRequest) -> types.SignBlobResponse:
        signed = self._credentials.sign_blob(newer.SignBlobRequest(name=request.name, payload=request.bytes_to_sign))
        return types.SignBlobResponse(key_id=signed.key_id, signature=signed.signed_blob)

    def sign_jwt(self, request: types.SignJwtRequest) -> types.SignJwtResponse:
        signed = self._credentials.sign_jwt(newer.SignJwtRequest(name=request.name, payload=request.payload))
        return types.SignJwtResponse(key_id=signed.key_id, signed_jwt=signed.signed_jwt)
