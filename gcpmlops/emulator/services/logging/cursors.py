"""How far each sink has come, in the order in which entries arrived; over restarts."""

from __future__ import annotations

import sqlite3

from gcpmlops.emulator.kernel.service import ResourceStore

_SET = "INSERT INTO log_sink_cursors VALUES (?, ?) ON CONFLICT (sink) DO UPDATE SET seq = excluded.seq"
_PASSED = """DELETE FROM log_entries WHERE parent = '-' || ? AND seq <=
             (SELECT MIN(seq) FROM log_sink_cursors WHERE sink >= ? || '/sinks/' AND sink < ? || '/sinks0')"""


class Cursors:
    """Sequence numbers of the last entries that sinks are done with."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store

    def get(self, sink: str) -> int:
        """0 for a sink that is not known."""
        sql = "SELECT seq FROM log_sink_cursors WHERE sink = ?"
        row = self._store.read(lambda conn: conn.execute(sql, (sink,)).fetchone())
        return int(row[0]) if row else 0

    def set(self, sink: str, seq: int) -> None:
        """Also removes what was kept for sinks alone, and has been read by all of the project."""
        parent = "/".join(sink.split("/")[:2])

        def run(conn: sqlite3.Connection) -> None:
            conn.execute(_SET, (sink, seq))
            conn.execute(_PASSED, (parent, parent, parent))

        self._store.write(run)

    def remove(self, sink: str) -> None:
        """Of a sink that is gone."""
        self._store.write(lambda conn: conn.execute("DELETE FROM log_sink_cursors WHERE sink = ?", (sink,)))
