"""Who retrains now: one at a time. A claim is renewed while its holder lives, and runs out soon after a crash."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Event, Thread
from typing import Any

from gcpmlops._retraining.ledger import Ledger
from gcpmlops.exceptions import GcpMlopsError

_log = logging.getLogger("gcpmlops.retraining")
_LEASE = timedelta(minutes=9)  # over when the schedule that goes on with what is left comes next
_BEAT = 60.0  # seconds between two renewals


class ClaimedError(GcpMlopsError):
    """Somebody else retrains."""


@contextmanager
def claimed(ledger: Ledger, about: str, *, beat: float = _BEAT) -> Iterator[None]:
    """Holds the claim meanwhile. Raises ClaimedError naming who has it, since when, and until when at most."""
    mine, over = _take(ledger, about), Event()
    beats = Thread(target=_renewed, args=(ledger, mine, over, beat), name=f"claim of {about}", daemon=True)
    beats.start()
    try:
        yield
    finally:
        over.set()
        beats.join()
        ledger.change("claim", lambda now: {} if _is(now, mine) else now or {})


def _take(ledger: Ledger, about: str) -> dict[str, Any]:
    now = ledger.now()

    def new(old: dict[str, Any] | None) -> dict[str, Any]:
        if old and datetime.fromisoformat(old["until"]) > now:
            until = f"{datetime.fromisoformat(old['until']):%Y-%m-%d %H:%M:%S} UTC"
            raise ClaimedError(f"{old['about']} is under way since {old['since']} (where it was killed: until {until})")
        return {"id": secrets.token_hex(8), "about": about, "since": f"{now:%Y-%m-%d %H:%M:%S} UTC",
                "until": (now + _LEASE).isoformat()}  # fmt: skip

    return ledger.change("claim", new)


def _renewed(ledger: Ledger, mine: dict[str, Any], over: Event, beat: float) -> None:
    def renew(now: dict[str, Any] | None) -> dict[str, Any]:
        return {**mine, "until": (ledger.now() + _LEASE).isoformat()} if _is(now, mine) else now or {}

    while not over.wait(beat):
        try:
            ledger.change("claim", renew)
        except GcpMlopsError as error:  # the lease outlasts some beats that fail
            _log.warning("the claim of %s is not renewed: %s", mine["about"], error)


def _is(now: dict[str, Any] | None, mine: dict[str, Any]) -> bool:
    return now is not None and bool(now.get("id") == mine["id"])
