"""Who retrains now: one at a time. A claim runs out by itself, so that a crash does not stop retraining for ever."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from gcpmlops._retraining.ledger import Ledger
from gcpmlops.exceptions import GcpMlopsError

_LEASE = timedelta(hours=1)  # as long as a function may take


class ClaimedError(GcpMlopsError):
    """Somebody else retrains."""


@contextmanager
def claimed(ledger: Ledger, about: str) -> Iterator[None]:
    """Holds the claim meanwhile. Raises ClaimedError naming who has it, since when, and until when at most."""
    mine = _take(ledger, about)
    try:
        yield
    finally:
        ledger.change("claim", lambda now: {} if now == mine else now or {})


def _take(ledger: Ledger, about: str) -> dict[str, Any]:
    now = ledger.now()

    def new(old: dict[str, Any] | None) -> dict[str, Any]:
        if old and datetime.fromisoformat(old["until"]) > now:
            raise ClaimedError(f"{old['about']} is under way since {old['since']} (until {old['until']} at most)")
        return {"about": about, "since": now.isoformat(), "until": (now + _LEASE).isoformat()}

    return ledger.change("claim", new)
