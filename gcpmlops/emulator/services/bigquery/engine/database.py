"""bqemulator's DuckDB database, opened without reading the spatial extension twice."""

from __future__ import annotations

import duckdb
from bqemulator.storage.engine import DuckDBEngine


class Database(DuckDBEngine):
    """DuckDB checks the signature of an extension by a hash of its 78 MB: most of an engine's start.

    The extension comes from the wheel of the same pinned version as DuckDB's own: nothing else is ever installed.
    """

    async def start(self) -> None:
        """Open the connection and prepare it, as bqemulator does."""
        self._connection = duckdb.connect(self._resolve_path(), config={"allow_unsigned_extensions": "true"})
        self._apply_session_pragmas()
        self._ensure_catalog_schema()
        self._load_spatial()
        self._register_builtin_udfs()
        self._started = True
