"""google.cloud.secretmanager.v1.SecretManagerService: secrets, and their policies."""

from __future__ import annotations

from typing import Any

from google.cloud.secretmanager_v1 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import filters, masks, paging
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.iam import Policies
from gcpmlops.emulator.services.secret_manager import checks
from gcpmlops.emulator.services.secret_manager.vault import Vault, new_etag

PROTO = "google.cloud.secretmanager.v1.SecretManagerService"
_IMMUTABLE = ("name", "create_time", "replication", "etag", "tags", "secret_type", "policy_member")
_PAGE = 25_000


class Secrets(Service):
    """Secrets; `Versions` has the other half of the same proto service."""

    proto = PROTO

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault.context)
        self._vault = vault

    def create_secret(self, request: types.CreateSecretRequest) -> types.Secret:
        checks.parent(request.parent)
        checks.secret_id(request.secret_id)
        secret = types.Secret(request.secret)
        secret.name = f"{request.parent}/secrets/{request.secret_id}"
        self._check(secret)
        secret.create_time, secret.etag = self.clock.now(), new_etag()
        stored = self._stored(secret)
        self._vault.secrets.insert(secret.name, stored, parent=request.parent)
        self._vault.deadlines.keep(stored)
        self._vault.notices.send("SECRET_CREATE", stored)
        return stored

    def get_secret(self, request: types.GetSecretRequest) -> types.Secret:
        return self._vault.secret(request.name)

    def list_secrets(self, request: types.ListSecretsRequest) -> types.ListSecretsResponse:
        """The newest first."""
        checks.parent(request.parent)
        found = self._vault.secrets.list(request.parent)[::-1]
        chosen = [secret for secret in found if filters.matches(request.filter, secret)]
        page, token = paging.page(chosen, request, default=_PAGE, maximum=_PAGE)
        return types.ListSecretsResponse(secrets=page, next_page_token=token, total_size=len(chosen))

    def update_secret(self, request: types.UpdateSecretRequest) -> types.Secret:
        """Raises: InvalidArgument without a mask; FailedPrecondition for an etag that is not the stored one."""
        if not request.update_mask.paths:
            raise invalid("update_mask", "required, but missing.")
        name = request.secret.name
        with self.locks(name):
            before = self._vault.secret(name)
            checks.etag(request.secret.etag, before.etag, name)
            changed = types.Secret(before)
            mask = _without_etag(request.update_mask)
            fixed = set(_IMMUTABLE) - ({"replication"} & set(mask.paths))
            masks.apply(mask, changed, request.secret, immutable=fixed)
            checks.replicas_stay(before, changed)
            if changed.rotation == types.Rotation():  # both of its fields were taken away, one by one: it is none
                del changed.rotation
            self._check(changed, before)
            changed.etag = new_etag()
            self._vault.secrets.put(name, self._stored(changed), parent=name.rpartition("/secrets/")[0])
        self._vault.deadlines.keep(changed)
        self._vault.notices.send("SECRET_UPDATE", changed)
        return changed

    def delete_secret(self, request: types.DeleteSecretRequest) -> empty_pb2.Empty:
        """Raises: NotFound; FailedPrecondition for an etag that is not the stored one."""
        with self.locks(request.name):
            secret = self._vault.secret(request.name)
            checks.etag(request.etag, secret.etag, request.name)
            self._vault.delete(secret, deleteType="REQUEST")
        return empty_pb2.Empty()

    def _check(self, secret: types.Secret, before: types.Secret | None = None) -> None:
        """Times that were given before may be past by now: only new ones are looked at."""
        looked_at = types.Secret(secret)
        if before is not None:
            for field in ("expire_time", "rotation"):
                if field in looked_at and field in before and getattr(before, field) == getattr(secret, field):
                    setattr(looked_at, field, None)
        checks.secret(looked_at, now=self.clock.now())
        checks.topics(secret)
        if before is None or list(before.topics) != list(secret.topics):
            self._vault.notices.check(secret)
        for alias, number in secret.version_aliases.items():
            if self._vault.versions.find(f"{secret.name}/versions/{number}") is None:
                raise invalid(f"secret.version_aliases.{alias}", f"version {number} is not found.")

    def _stored(self, secret: types.Secret) -> types.Secret:
        """A time to live is a time of expiry; it is not shown again."""
        if "ttl" in secret:
            secret.expire_time = self.clock.now() + secret.ttl
        return secret


class SecretPolicies(Policies):
    """Who may do what to a secret."""

    proto = PROTO

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault.context, vault.secret, permissions="secretmanager.")


def _without_etag(mask: Any) -> Any:
    """A patch carries the etag in the secret itself; some clients name it in the mask too."""
    return type(mask)(paths=[path for path in mask.paths if path != "etag"])
