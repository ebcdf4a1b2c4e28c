"""Codes by which who reads a channel proves it."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from google.api_core import exceptions
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.monitoring.series import micros

_VALID = timedelta(hours=1)
_LONGEST = timedelta(days=30)


class Codes:
    """Made, sent and checked.

    Args:
        store: keeps them.
        clock: they expire by it.
        mail: sends a text to an address: subject, then text.
    """

    def __init__(self, store: ResourceStore, clock: Clock, mail: Callable[[str, str, str], object]) -> None:
        self._store = store
        self._clock = clock
        self._mail = mail

    def send(self, channel: types.NotificationChannel) -> None:
        """Over the channel itself. Raises MethodNotImplemented where it cannot be."""
        if channel.type_ != "email":
            raise exceptions.MethodNotImplemented(
                f"Sending a verification code over a channel of type {channel.type_} is not built in this emulator."
            )
        code, _ = self._new(channel, _VALID)
        text = f"The verification code of this Google Cloud notification channel is {code}."
        self._mail(channel.labels["email_address"], f"Verification code {code}", text)

    def get(self, channel: types.NotificationChannel, expires: Any) -> tuple[str, datetime]:
        """A code for another channel like this one. Raises FailedPrecondition, InvalidArgument."""
        if channel.verification_status == types.NotificationChannel.VerificationStatus.UNVERIFIED:
            raise exceptions.FailedPrecondition(f"Notification channel {channel.name} is not verified itself.")
        valid = _VALID if not expires else expires - self._clock.now()
        if not timedelta(0) < valid <= _LONGEST:
            raise exceptions.InvalidArgument(f"expire_time {expires}: within the next 30 days, please.")
        return self._new(channel, valid)

    def check(self, channel: types.NotificationChannel, code: str) -> None:
        """Raises InvalidArgument."""
        sql = "SELECT 1 FROM alert_codes WHERE channel IN (?, ?) AND code = ? AND expires_us > ?"
        values = (channel.name, _address(channel), code, micros(self._clock.now()))
        if self._store.read(lambda conn: conn.execute(sql, values).fetchone()) is None:
            raise exceptions.InvalidArgument(f"code {code!r} is not valid for {channel.name}, or not any more.")

    def _new(self, channel: types.NotificationChannel, valid: timedelta) -> tuple[str, datetime]:
        code, expires = f"G-{secrets.randbelow(900_000) + 100_000}", self._clock.now() + valid
        sql = "INSERT OR REPLACE INTO alert_codes (channel, code, expires_us) VALUES (?,?,?)"
        rows = [(owner, code, micros(expires)) for owner in (channel.name, _address(channel))]
        self._store.write(lambda conn: conn.executemany(sql, rows))
        return code, expires


def _address(channel: types.NotificationChannel) -> str:
    """What channels have in common that reach the same receiver."""
    return "\0".join([channel.type_, *(f"{key}={value}" for key, value in sorted(channel.labels.items()))])
