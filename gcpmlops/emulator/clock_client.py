"""The clock of a running emulator, for tests, scripts and the command line. Imports nothing heavy."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gcpmlops.emulator.server import Running


class ClockError(Exception):
    """The emulator refused, or could not finish; the text says why."""


@dataclass(frozen=True)
class Moved:
    """Where the clock is after a change, and how many appointments were done on the way."""

    now: datetime
    done: int
    frozen: bool


class EmulatorClock:
    """Moves the clock of an emulator: schedules, windows, rules and deadlines follow in order."""

    def __init__(self, running: Running) -> None:
        self._url = f"{running.endpoint}/emulator/clock"
        self._token = Path(running.data_dir) / "token"
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def now(self) -> datetime:
        """The emulator's time, aware, in UTC."""
        return datetime.fromisoformat(self.show()["now"])

    def show(self) -> dict[str, Any]:
        """now, frozen, moving, offset_seconds, waiting_for (names), next (time and name of what is due first)."""
        return self._call(None)

    def advance(self, by: str | timedelta, *, wait: bool = True, patience: float | None = None) -> Moved:
        """Moves it on.

        Args:
            by: "90s", "15m", "2h", "1d", "2w", "1d12h" or a timedelta.
            wait: for what falls due on the way, and what that sets off.
            patience: real seconds that one moment may take; default 600.

        Raises: ClockError.
        """
        text = by if isinstance(by, str) else f"{by.total_seconds():.6f}s"
        return self._move(advance=text, wait=wait, patience_seconds=patience)

    def set(self, to: str | datetime, *, wait: bool = True, patience: float | None = None, back: bool = False) -> Moved:
        """Moves it to a time; as `advance` on the way. An earlier one needs `back`, unless the emulator is empty.

        Raises: ClockError.
        """
        text = to if isinstance(to, str) else to.isoformat()
        return self._move(set=text, wait=wait, patience_seconds=patience, back=back)

    def freeze(self) -> Moved:
        """Stops it; `advance` and `set` move it still."""
        return self._move(freeze=True)

    def run(self) -> Moved:
        """Lets it go on from where it stands."""
        return self._move(run=True)

    def _move(self, **order: Any) -> Moved:
        answer = self._call(order)
        return Moved(datetime.fromisoformat(answer["now"]), int(answer["done"]), bool(answer["frozen"]))

    def _call(self, order: dict[str, Any] | None) -> dict[str, Any]:
        body = None if order is None else json.dumps(order).encode()
        headers = {"Authorization": f"Bearer {self._token.read_text('utf-8')}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url, data=body, headers=headers)  # noqa: S310 - the emulator's own
        try:
            with self._opener.open(request) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise ClockError(_message(error)) from None
        except OSError as error:
            raise ClockError(f"the emulator does not answer at {self._url}: {error}") from None


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(error)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"{error.code} {error.reason}"
