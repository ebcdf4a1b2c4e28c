"""Secrets, versions and payloads as they are stored, and what happens to them whoever asks."""

from __future__ import annotations

import secrets as random
from collections.abc import Callable
from datetime import datetime
from typing import Any

import google_crc32c
from google.api_core import exceptions
from google.cloud.secretmanager_v1 import types

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.secret_manager import checks
from gcpmlops.emulator.services.secret_manager.deadlines import Deadlines
from gcpmlops.emulator.services.secret_manager.notices import Notices

State: Any = types.SecretVersion.State  # proto-plus types its values as plain int


class Vault:
    """One for the emulator: RPCs, builds and the clock use it alike.

    Attributes:
        secrets, versions: the stored messages by name.
        on_delete: told the name of a secret that is gone, by a call or by the clock.
    """

    def __init__(self, context: Context, notices: Notices) -> None:
        self.context = context
        self.notices = notices
        self.on_delete: Callable[[str], object] = lambda _: None
        self.secrets: Any = context.store.collection(types.Secret)
        self.versions: Any = context.store.collection(types.SecretVersion)
        self._payloads: Any = context.store.collection(types.SecretPayload)
        self.deadlines = Deadlines(context.agenda, expire=self._expire, destroy=self._destroy_late, rotate=self._rotate)
        self.deadlines.read = lambda: (self.secrets.list(), self.versions.list())

    def secret(self, name: str) -> types.Secret:
        """Raises: NotFound."""
        checks.secret_name(name)
        found: types.Secret | None = self.secrets.find(name)
        if found is None:
            raise exceptions.NotFound(f"Secret [{name}] not found.")
        return found

    def version(self, name: str) -> types.SecretVersion:
        """By number, by alias, or the one that was added last.

        Raises: NotFound.
        """
        above, wanted = checks.version_name(name)
        secret = self.secret(above)
        number = self._number(secret, wanted)
        found: types.SecretVersion | None = self.versions.find(f"{above}/versions/{number}")
        if found is None:
            raise exceptions.NotFound(f"Secret Version [{name}] not found.")
        return found

    def payload(self, name: str) -> tuple[types.SecretVersion, types.SecretPayload]:
        """Raises: NotFound; FailedPrecondition for a version that is disabled or destroyed."""
        version = self.version(name)
        if version.state != State.ENABLED:
            raise exceptions.FailedPrecondition(
                f"Secret Version [{version.name}] is in {State(version.state).name} state."
            )
        return version, self._payloads.get(version.name)

    def access(self, name: str) -> bytes:
        """The payload's bytes, for the emulator's own services: Cloud Build's available secrets.

        The caller's right to it (secretmanager.versions.access) is for the service to check.

        Args:
            name: projects/P/secrets/S/versions/V, where V is a number, an alias or latest; regional names too.

        Raises: InvalidArgument for another form of name; NotFound; FailedPrecondition for a version that is disabled
            or destroyed.
        """
        return bytes(self.payload(name)[1].data)

    def add(self, secret: types.Secret, payload: types.SecretPayload) -> types.SecretVersion:
        """A further version, enabled. Raises: InvalidArgument for a payload that is too large or damaged."""
        checksum = _checksum(payload)
        with self.context.locks(secret.name):
            self.secret(secret.name)
            name = f"{secret.name}/versions/{self.versions.count_below(secret.name) + 1}"
            version = types.SecretVersion(
                name=name,
                create_time=self.now(),
                state=State.ENABLED,
                etag=new_etag(),
                client_specified_payload_checksum="data_crc32c" in payload,
                replication_status=_replicated(secret),
            )
            self._payloads.put(name, types.SecretPayload(data=payload.data, data_crc32c=checksum), parent=secret.name)
            self.versions.insert(name, version, parent=secret.name)
        self.notices.send("SECRET_VERSION_ADD", secret, version)
        return version

    def destroy(self, name: str) -> types.SecretVersion:
        """The payload goes for good."""
        stored = self.versions.get(name)
        if stored.state != State.DESTROYED:
            self._payloads.delete(name)

        def change(version: types.SecretVersion) -> None:
            version.state, version.destroy_time, version.etag = State.DESTROYED, self.now(), new_etag()
            version.scheduled_destroy_time = None

        self.deadlines.forget(name)
        destroyed: types.SecretVersion = self.versions.update(name, change)
        return destroyed

    def delete(self, secret: types.Secret, **more: str) -> None:
        """With its versions and their payloads."""
        with self.context.locks(secret.name):
            for version in self.versions.list(secret.name):
                self.deadlines.forget(version.name)
            self.deadlines.forget(secret.name)
            for rows in (self._payloads, self.versions):
                rows.delete_below(secret.name)
            self.secrets.delete(secret.name)
            self.on_delete(secret.name)
        self.notices.send("SECRET_DELETE", secret, None, **more)

    def resume(self) -> None:
        """After a start: what is to happen by the clock."""
        self.deadlines.resume()

    def now(self) -> datetime:
        return self.context.clock.now()

    def _number(self, secret: types.Secret, wanted: str) -> int:
        if wanted.isdigit():
            return int(wanted)
        if wanted == "latest":
            count = self.versions.count_below(secret.name)
            if not count:
                raise exceptions.NotFound(f"Secret [{secret.name}] not found or has no versions.")
            return int(count)
        if wanted in secret.version_aliases:
            return int(secret.version_aliases[wanted])
        raise exceptions.NotFound(f"Secret [{secret.name}] has no version and no alias {wanted!r}.")

    def _expire(self, name: str) -> None:
        secret = self.secrets.find(name)
        if secret is not None and "expire_time" in secret and secret.expire_time <= self.now():
            self.delete(secret, deleteType="EXPIRATION")

    def _destroy_late(self, name: str) -> None:
        with self.context.locks(name.partition("/versions/")[0]):
            version = self.versions.find(name)
            if version is None or "scheduled_destroy_time" not in version:
                return
            destroyed = self.destroy(name)
        self.notices.send("SECRET_VERSION_DESTROY", self.secret(name.partition("/versions/")[0]), destroyed)

    def _rotate(self, name: str) -> None:
        """It is time: the topics are told, and the next time is a period later."""
        with self.context.locks(name):
            secret = self.secrets.find(name)
            if secret is None or "rotation" not in secret or secret.rotation.next_rotation_time > self.now():
                return
            if "rotation_period" in secret.rotation:
                secret.rotation.next_rotation_time += secret.rotation.rotation_period
            else:
                secret.rotation = None
            self.secrets.put(name, secret, parent=name.rpartition("/secrets/")[0])
        self.notices.send("SECRET_ROTATE", secret)
        self.deadlines.keep(secret)


def new_etag() -> str:
    """With its quotes, as AIP-154 has it."""
    return f'"{random.token_hex(7)}"'


def _checksum(payload: types.SecretPayload) -> int:
    if len(payload.data) > checks.MAX_PAYLOAD:
        raise exceptions.InvalidArgument(
            f"The secret payload has {len(payload.data)} bytes: {checks.MAX_PAYLOAD} are allowed."
        )
    if not payload.data:
        raise exceptions.InvalidArgument("The secret payload is empty: it must have data.")
    checksum = google_crc32c.value(bytes(payload.data))
    if "data_crc32c" in payload and payload.data_crc32c != checksum:
        raise exceptions.InvalidArgument(
            f"The secret payload was damaged on its way: data_crc32c is {payload.data_crc32c}, {checksum} came in."
        )
    return int(checksum)


def _replicated(secret: types.Secret) -> types.ReplicationStatus | None:
    if "replication" not in secret:
        return None
    if types.Replication.pb(secret.replication).WhichOneof("replication") == "automatic":
        return types.ReplicationStatus(automatic={})
    replicas = [{"location": replica.location} for replica in secret.replication.user_managed.replicas]
    return types.ReplicationStatus(user_managed={"replicas": replicas})
