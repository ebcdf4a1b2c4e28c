"""bqemulator's context on one DuckDB file, and the one thread on which all of it runs.

bqemulator holds one DuckDB connection and asyncio locks, so everything that touches them is serialised on one event
loop in a thread of its own; reading files, rendering rows and the Storage Read API use cursors (connections to the same
database) beside it.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import duckdb
from bqemulator.api.dependencies import AppContext
from bqemulator.catalog.duckdb_repository import DuckDBCatalogRepository
from bqemulator.catalog.models import DatasetMeta, TableMeta
from bqemulator.config import LogLevel, PersistenceMode, Settings
from bqemulator.domain.clock import SystemClock
from bqemulator.domain.events import EventBus, TableDataChanged
from bqemulator.jobs.upload_session_manager import UploadSessionManager
from bqemulator.observability.logging_ import configure_logging
from bqemulator.observability.metrics import MetricsRegistry
from bqemulator.row_access.policy import RowAccessPolicyManager
from bqemulator.storage.engine import DuckDBEngine
from bqemulator.storage.sql_identifiers import quoted_table_ref
from bqemulator.streaming.write_stream import WriteStreamManager
from bqemulator.udf.runtime import UDFRegistry
from bqemulator.versioning.materialized_views import hydrate_subscriptions
from bqemulator.versioning.snapshots import SnapshotManager

from gcpmlops.emulator.services.bigquery.engine.database import Database
from gcpmlops.emulator.services.bigquery.engine.errors import not_found

T = TypeVar("T")


class Changes(SnapshotManager):
    """Tells materialized views of a change, and keeps no copy of the table: time travel is refused by name instead."""

    def record_change(self, project_id: str, dataset_id: str, table_id: str) -> None:
        self._events.publish(TableDataChanged(project_id, dataset_id, table_id))


Reference = tuple[str, str, str]  # project, dataset, table

STAGING = "__gcpmlops_load_"  # the beginning of a staging table's name
RESOURCES = "_gcpmlops_resources"
_TIME_TRAVEL_DAYS = 7


class Core:
    """The engine's state. `context` and everything in it is used on the engine thread only: see `run`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.changes = 0  # counts whatever may change a table: the key of cached sizes
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="engine", daemon=True).start()
        self.context: AppContext = self.run_blocking(self._open)
        self.exclusive: asyncio.Lock = asyncio.Lock()  # one job that writes at a time

    @property
    def catalog(self) -> Any:
        return self.context.catalog

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        return self.context.engine.connection

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Await `work` on the engine thread, from the server's loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_await(work), self._loop))

    def run_blocking(self, work: Callable[[], Awaitable[T]]) -> T:
        """The same from any other thread."""
        return asyncio.run_coroutine_threadsafe(_await(work), self._loop).result()

    @contextmanager
    def cursor(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of its own to the same database, for any thread."""
        with self.connection.cursor() as cursor:
            cursor.execute("SET TimeZone = 'UTC'")
            yield cursor

    def interrupt(self) -> None:
        """Stop the statement that runs now on the engine thread."""
        self.connection.interrupt()

    def close(self) -> None:
        """Close the database: its write-ahead log is merged into the file."""
        self.run_blocking(self.context.engine.stop)

    async def _open(self) -> AppContext:
        settings = Settings(
            persistence_mode=PersistenceMode.PERSISTENT,
            data_dir=self.directory,
            log_level=LogLevel.ERROR,
            time_travel_retention_days=_TIME_TRAVEL_DAYS,
            upload_staging_dir=self.directory / "spool",
        )
        configure_logging(level=settings.log_level, fmt=settings.log_format)
        engine = Database(settings)
        await engine.start()
        engine.execute("SET autoinstall_known_extensions = false")  # nothing is fetched from the network at run time
        engine.execute(f"SET temp_directory = '{str(self.directory / 'spill').replace(chr(39), chr(39) * 2)}'")
        self._prepare(engine)
        return self._context(settings, engine)

    def _prepare(self, engine: DuckDBEngine) -> None:
        left = engine.execute(
            "SELECT schema_name, table_name FROM duckdb_tables() WHERE starts_with(table_name, ?)", [STAGING]
        )
        for schema, table in left.fetchall():  # what killed loads left behind
            engine.execute(f'DROP TABLE "{schema}"."{table}"')
        engine.execute(
            f"CREATE TABLE IF NOT EXISTS {RESOURCES} (project TEXT, dataset TEXT, name TEXT, created BIGINT, "
            "body TEXT, "
            "PRIMARY KEY (project, dataset, name))"
        )

    def _context(self, settings: Settings, engine: DuckDBEngine) -> AppContext:
        clock, events = SystemClock(), EventBus()
        catalog = DuckDBCatalogRepository(engine)
        catalog.ensure_ready()
        context = AppContext(
            settings=settings,
            clock=clock,
            engine=engine,
            catalog=catalog,
            metrics=MetricsRegistry(),
            events=events,
            udf_registry=UDFRegistry(settings),
            snapshots=Changes(
                engine=engine, catalog=catalog, clock=clock, events=events, retention_days=_TIME_TRAVEL_DAYS
            ),
            row_access=RowAccessPolicyManager(catalog=catalog, clock=clock),
            write_streams=WriteStreamManager(),
            upload_sessions=UploadSessionManager(
                staging_dir=settings.upload_staging_dir,
                max_bytes=settings.upload_max_bytes,
                ttl_seconds=settings.upload_session_ttl_seconds,
                clock=clock,
            ),
        )
        context.udf_registry.hydrate(catalog, engine)
        hydrate_subscriptions(context)
        return context

    def dataset(self, project: str, dataset: str) -> DatasetMeta:
        """Raises notFound."""
        meta: DatasetMeta | None = self.catalog.get_dataset(project, dataset)
        if meta is None:
            raise not_found("Dataset", f"{project}:{dataset}")
        return meta

    def table(self, reference: Reference) -> TableMeta:
        """Raises notFound."""
        meta: TableMeta | None = self.catalog.get_table(*reference)
        if meta is None:
            raise not_found("Table", display(reference))
        return meta

    def extras(self, reference: Reference, created: int) -> dict[str, Any]:
        """The fields of a resource that bqemulator does not keep, unless they belong to an older table of this name."""
        row = self.connection.execute(
            f"SELECT created, body FROM {RESOURCES} WHERE project = ? AND dataset = ? AND name = ?", list(reference)
        ).fetchone()
        body: dict[str, Any] = json.loads(row[1]) if row and row[0] == created else {}
        return body

    def keep_extras(self, reference: Reference, created: int, body: dict[str, Any]) -> None:
        self.connection.execute(
            f"INSERT OR REPLACE INTO {RESOURCES} VALUES (?, ?, ?, ?, ?)", [*reference, created, json.dumps(body)]
        )

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """All or nothing, on the engine thread; bqemulator's catalog writes take part."""
        self.connection.execute("BEGIN")
        try:
            yield self.connection
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("COMMIT")


async def _await(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def display(reference: Reference) -> str:
    """``project:dataset.table``, as in BigQuery's messages."""
    return f"{reference[0]}:{reference[1]}.{reference[2]}"


def quoted(reference: Reference) -> str:
    """The table's name in DuckDB."""
    return quoted_table_ref(*reference)


def reference_of(body: dict[str, Any], project: str) -> Reference:
    """A TableReference as a tuple; a partition decorator is dropped."""
    return body.get("projectId") or project, body.get("datasetId", ""), body.get("tableId", "").split("$")[0]


def millis(moment: Any) -> int:
    """Milliseconds since the epoch."""
    return int(moment.timestamp() * 1000)
