"""Times of entries whose writers know another clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud.logging_v2.types import LogEntry

from gcpmlops.emulator.services.logging import writes

MACHINE = datetime(2026, 5, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


@pytest.mark.parametrize(
    ("written", "now", "expected"),
    [
        (MACHINE, MACHINE + YEAR, MACHINE + YEAR),
        (MACHINE - timedelta(seconds=30), MACHINE + YEAR, MACHINE + YEAR - timedelta(seconds=30)),
        (MACHINE + YEAR, MACHINE + YEAR, MACHINE + YEAR),  # by who knows the emulator's
        (MACHINE - timedelta(minutes=5), MACHINE + YEAR, MACHINE - timedelta(minutes=5)),  # on purpose
        (MACHINE, MACHINE + timedelta(minutes=5), MACHINE),
        (None, MACHINE + YEAR, None),
    ],
)
def test_a_stamp_of_just_now_is_the_emulators_now(written: Any, now: datetime, expected: Any) -> None:
    entry = LogEntry.pb(LogEntry(timestamp=written))
    writes.put_right([entry], now, MACHINE)
    assert LogEntry.wrap(entry).timestamp == expected
