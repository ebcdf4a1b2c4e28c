"""Who has read how much of a tensorboard."""

from __future__ import annotations

from gcpmlops.emulator.kernel.auth import current_caller
from gcpmlops.emulator.kernel.clock import Clock
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.tensorboard.names import board_of


class Views:
    """Reads of data, counted by tensorboard, month and user."""

    def __init__(self, store: ResourceStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def count(self, name: str) -> None:
        """The caller has read data of a tensorboard, or of something in it."""
        sql = """INSERT INTO tensorboard_views VALUES (?, ?, ?, 1)
                 ON CONFLICT (tensorboard, month, user) DO UPDATE SET views = views + 1"""
        values = (board_of(name), self._clock.now().strftime("%Y%m"), current_caller().email)
        self._store.write(lambda conn: conn.execute(sql, values))

    def of(self, board: str) -> list[tuple[str, str, int]]:
        """Month (YYYYMM), user and number of reads."""
        sql = "SELECT month, user, views FROM tensorboard_views WHERE tensorboard = ? ORDER BY month, user"
        found = self._store.read(lambda conn: conn.execute(sql, (board,)).fetchall())
        return [(row["month"], row["user"], row["views"]) for row in found]

    def forget(self, board: str) -> None:
        """The tensorboard is deleted."""
        sql = "DELETE FROM tensorboard_views WHERE tensorboard = ?"
        self._store.write(lambda conn: conn.execute(sql, (board,)))
