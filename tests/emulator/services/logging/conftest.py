"""Cloud Logging's parts in this process, under a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.cloud.logging_v2.types import LogEntry
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.logging import query
from gcpmlops.emulator.services.logging.entries import Entries
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

START = datetime(2026, 5, 1, 12, 10, tzinfo=UTC)
LOG = "projects/p1/logs/app"


@dataclass
class Log:
    """The entries' table and what services need."""

    context: Context
    entries: Entries

    def write(self, *texts: str, log_name: str = LOG, **fields: Any) -> None:
        """Appends an entry for each text."""
        self.entries.append([LogEntry.pb(LogEntry(log_name=log_name, text_payload=text, **fields)) for text in texts])

    def texts(self) -> list[str]:
        """What readers see."""
        rows = self.entries.scan(["projects/p1"], query.compiled(""), after=None, newest_first=False)
        return [LogEntry.deserialize(row["body"]).text_payload for row in rows]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    clock = TravelClock(frozen=START)
    store = Store(tmp_path / "state.db", now=clock.now)
    with ThreadPoolExecutor(4) as pool:
        agenda = Agenda(clock, pool)
        operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
        context = Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path, project="p1"), agenda)
        yield Log(context, Entries(store, clock))
        agenda.close()
    store.close()
