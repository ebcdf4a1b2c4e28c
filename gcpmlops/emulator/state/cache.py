"""Rows that were read since the last commit: a client that polls one resource costs no SQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

_ROWS = 1024  # at most
_ROW_BYTES = 64 * 1024  # a larger one is not kept


class ReadCache:
    """Forgets everything before a transaction begins, and takes nothing in until it has ended.

    So a reader never gets a row older than the last acknowledged write, nor one that is rolled back later.
    """

    def __init__(self) -> None:
        self._rows: dict[Hashable, bytes] = {}
        self._lock = threading.Lock()
        self._turn = 0  # odd while a transaction is under way

    def get(self, key: Hashable, read: Callable[[], bytes | None]) -> bytes | None:
        """The row of ``key``; ``read`` fetches it from the database where it isn't here."""
        row = self._rows.get(key)
        if row is None:
            turn = self._turn
            row = read()
            if row is not None and len(row) <= _ROW_BYTES:
                self._keep(key, row, turn)
        return row

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Around a transaction, from before BEGIN until after COMMIT or ROLLBACK. One at a time."""
        self._next_turn()
        try:
            yield
        finally:
            self._next_turn()

    def _next_turn(self) -> None:
        with self._lock:
            self._turn += 1
            self._rows.clear()

    def _keep(self, key: Hashable, row: bytes, turn: int) -> None:
        with self._lock:
            if turn == self._turn and turn % 2 == 0:
                if len(self._rows) >= _ROWS:
                    self._rows.clear()
                self._rows[key] = row
