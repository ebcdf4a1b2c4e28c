"""google.cloud.secretmanager.v1.SecretManagerService: versions of secrets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.cloud.secretmanager_v1 import types

from gcpmlops.emulator.kernel import filters, paging
from gcpmlops.emulator.kernel.service import Service
from gcpmlops.emulator.services.secret_manager import checks
from gcpmlops.emulator.services.secret_manager.service import PROTO
from gcpmlops.emulator.services.secret_manager.vault import State, Vault, new_etag

_PAGE = 25_000


class Versions(Service):
    """Versions; `Secrets` has the other half of the same proto service."""

    proto = PROTO

    def __init__(self, vault: Vault) -> None:
        super().__init__(vault.context)
        self._vault = vault

    def add_secret_version(self, request: types.AddSecretVersionRequest) -> types.SecretVersion:
        return self._vault.add(self._vault.secret(request.parent), request.payload)

    def get_secret_version(self, request: types.GetSecretVersionRequest) -> types.SecretVersion:
        return self._vault.version(request.name)

    def access_secret_version(self, request: types.AccessSecretVersionRequest) -> types.AccessSecretVersionResponse:
        """Named by the number that an alias stands for."""
        version, payload = self._vault.payload(request.name)
        return types.AccessSecretVersionResponse(name=version.name, payload=payload)

    def list_secret_versions(self, request: types.ListSecretVersionsRequest) -> types.ListSecretVersionsResponse:
        """The newest first."""
        self._vault.secret(request.parent)
        found = self._vault.versions.list(request.parent)[::-1]
        chosen = [version for version in found if filters.matches(request.filter, version)]
        page, token = paging.page(chosen, request, default=_PAGE, maximum=_PAGE)
        return types.ListSecretVersionsResponse(versions=page, next_page_token=token, total_size=len(chosen))

    def enable_secret_version(self, request: types.EnableSecretVersionRequest) -> types.SecretVersion:
        return self._set(request, State.ENABLED, "SECRET_VERSION_ENABLE")

    def disable_secret_version(self, request: types.DisableSecretVersionRequest) -> types.SecretVersion:
        return self._set(request, State.DISABLED, "SECRET_VERSION_DISABLE")

    def destroy_secret_version(self, request: types.DestroySecretVersionRequest) -> types.SecretVersion:
        """At once; where the secret has a delay, the version is disabled until it is over."""
        secret = self._vault.secret(checks.version_name(request.name)[0])
        if "version_destroy_ttl" not in secret:
            return self._change(request, self._vault.destroy, "SECRET_VERSION_DESTROY")
        when = self.clock.now() + secret.version_destroy_ttl

        def schedule(name: str) -> types.SecretVersion:
            return self._stored(name, State.DISABLED, scheduled_destroy_time=when)

        return self._change(request, schedule, "SECRET_VERSION_DESTROY_SCHEDULED")

    def _set(self, request: Any, state: Any, event: str) -> types.SecretVersion:
        return self._change(request, lambda name: self._stored(name, state, scheduled_destroy_time=None), event)

    def _change(self, request: Any, act: Callable[[str], types.SecretVersion], event: str) -> types.SecretVersion:
        """Under the secret's lock: etag and state are those that the change finds."""
        secret, number = checks.version_name(request.name)
        if not number.isdigit():
            raise exceptions.InvalidArgument(
                f"Secret Version [{request.name}]: aliases are for access alone; name the version by its number."
            )
        with self.locks(secret):
            version = self._vault.version(request.name)
            checks.etag(request.etag, version.etag, version.name)
            if version.state == State.DESTROYED:
                raise exceptions.FailedPrecondition(f"Secret Version [{version.name}] is in DESTROYED state.")
            changed = act(version.name)
        self._vault.notices.send(event, self._vault.secret(version.name.partition("/versions/")[0]), changed)
        return changed

    def _stored(self, name: str, state: Any, *, scheduled_destroy_time: Any) -> types.SecretVersion:
        def change(version: types.SecretVersion) -> None:
            version.state, version.etag = state, new_etag()
            version.scheduled_destroy_time = scheduled_destroy_time

        changed: types.SecretVersion = self._vault.versions.update(name, change)
        self._vault.deadlines.keep_version(changed)
        return changed
