"""Microseconds since 1970 as times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(micros: int) -> datetime:
    """Aware, in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def stamp(micros: int) -> str:
    """As JSON has it."""
    return f"{moment(micros):%Y-%m-%dT%H:%M:%S.%f}Z"
