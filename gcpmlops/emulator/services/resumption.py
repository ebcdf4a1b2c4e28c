"""What an emulator that starts again takes up: in the background, and only where there is something."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.service import ResourceStore

log = logging.getLogger(__name__)


class Resumption:
    """Begins work for which the store holds resources; a clock that is moved at once waits for its appointments."""

    def __init__(self, store: ResourceStore, agenda: Agenda) -> None:
        self._store = store
        self._agenda = agenda

    def __call__(self, kind: str, what: str, work: Callable[[], object]) -> bool:
        """Runs ``work`` on a thread where resources of the message type ``kind`` are stored; whether it does.

        Args:
            kind: a full message name.
            what: what is taken up, for who waits for it.
            work: makes the service, and has it go on.
        """
        sql = "SELECT 1 FROM resources WHERE type = ? LIMIT 1"
        if not self._store.read(lambda conn: conn.execute(sql, (kind,)).fetchone()):
            return False
        self._agenda.begin(what)

        def run() -> None:
            try:
                work()
            except Exception:
                log.exception("%s could not be taken up", what)
            finally:
                self._agenda.end(what)

        threading.Thread(target=run, name=what, daemon=True).start()
        return True
