"""What happens to secrets by the clock: expiry, delayed destruction, notices of rotation."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from google.cloud.secretmanager_v1 import types

from gcpmlops.emulator.kernel.agenda import Agenda, Appointment

Act = Callable[[str], None]


class Deadlines:
    """Appointments by a secret's or a version's name.

    Args:
        agenda: keeps the time.
        expire: gets the name of a secret whose time has come.
        destroy: gets the name of a version whose delay is over.
        rotate: gets the name of a secret that is to be rotated.

    Attributes:
        read: all secrets and versions; set by whoever stores them.
    """

    def __init__(self, agenda: Agenda, *, expire: Act, destroy: Act, rotate: Act) -> None:
        self._agenda = agenda
        self._expire, self._destroy, self._rotate = expire, destroy, rotate
        self._made: dict[str, list[Appointment]] = {}
        self.read: Callable[[], tuple[Iterable[types.Secret], Iterable[types.SecretVersion]]] = lambda: ((), ())
        agenda.on_back.append(self.resume)

    def keep(self, secret: types.Secret) -> None:
        """From now on, by what the secret says now."""
        due = []
        if "expire_time" in secret:
            due.append((secret.expire_time, self._expire))
        if "rotation" in secret:
            due.append((secret.rotation.next_rotation_time, self._rotate))
        self._make(secret.name, due)

    def keep_version(self, version: types.SecretVersion) -> None:
        """The same of a version."""
        is_due = "scheduled_destroy_time" in version
        self._make(version.name, [(version.scheduled_destroy_time, self._destroy)] if is_due else [])

    def forget(self, name: str) -> None:
        """It is gone, or nothing is to happen to it."""
        for appointment in self._made.pop(name, []):
            appointment.cancel()

    def resume(self) -> None:
        """All that is stored."""
        secrets, versions = self.read()
        for secret in secrets:
            self.keep(secret)
        for version in versions:
            self.keep_version(version)

    def _make(self, name: str, due: Iterable[tuple[datetime, Act]]) -> None:
        self.forget(name)
        made = [self._agenda.at(when, lambda act=act: act(name), name=name) for when, act in due]  # type: ignore[misc]  # mypy can't infer a lambda with a default
        if made:
            self._made[name] = made
