"""Request-response logging: a sample of the predictions, in a BigQuery table, written behind the callers' backs."""

from __future__ import annotations

import itertools
import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import orjson
from google.api_core import exceptions

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.services.prediction.containers import Target
from gcpmlops.emulator.services.prediction.served import Served
from gcpmlops.emulator.services.prediction.spread import SAMPLING, Spread

log = logging.getLogger(__name__)

TABLE = "request_response_logging"
PAUSE_SECONDS = 0.3  # rows of that time are written together
MOST_ROWS = 100_000  # that wait; further ones are left out
TRIES = 3
_BUSY = "the log of requests and responses"
_FIELDS = (
    ("endpoint", "STRING", "NULLABLE"),
    ("deployed_model_id", "STRING", "NULLABLE"),
    ("logging_time", "TIMESTAMP", "NULLABLE"),
    ("request_id", "NUMERIC", "NULLABLE"),
    ("request_payload", "STRING", "REPEATED"),
    ("response_payload", "STRING", "REPEATED"),
)
SCHEMA = [{"name": name, "type": kind, "mode": mode} for name, kind, mode in _FIELDS]


class Tables(Protocol):
    """Appends rows to BigQuery tables."""

    def append(self, uri: str, location: str, schema: list[dict[str, str]], rows: Iterable[bytes]) -> None:
        """JSON objects into the table `bq://PROJECT.DATASET.TABLE`, which is made where it isn't there."""


@dataclass(frozen=True)
class Sample:
    """What Model Monitoring wants of an endpoint: a share of the requests, and the table that they go to."""

    rate: float
    uri: str


@dataclass(frozen=True)
class Entry:
    """One row; payloads are JSON values or the bytes that went over the wire."""

    endpoint: Served
    uri: str
    deployed_model_id: str
    number: int
    time: datetime
    requests: Sequence[Any]
    responses: Sequence[Any]

    def row(self) -> bytes:
        return orjson.dumps(
            {
                "endpoint": self.endpoint.name,
                "deployed_model_id": self.deployed_model_id,
                "logging_time": self.time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f UTC"),
                "request_id": str(self.number),
                "request_payload": [text(item) for item in self.requests],
                "response_payload": [text(item) for item in self.responses],
            }
        )


class RequestLog:
    """Never slows or fails a prediction; what waits is written within a second, and at the end.

    Args:
        tables: makes them when the first row is written; None: nothing is logged.
        now: the emulator's clock.
        start: how many points of the sample's even spread are left out.
        monitored: what Model Monitoring wants of an endpoint; None: nothing.
        agenda: a clock that is moved waits until what was noted is written.
    """

    def __init__(
        self,
        tables: Callable[[], Tables] | None,
        now: Callable[[], datetime],
        *,
        start: int = 0,
        monitored: Callable[[Served], Sample | None] | None = None,
        agenda: Agenda | None = None,
    ) -> None:
        self._agenda = agenda
        self._tables = tables
        self._now = now
        self._wanted = monitored or (lambda _: None)
        self._newest: dict[str, datetime] = {}
        self._writing = threading.Lock()
        self._points: dict[str, Spread] = defaultdict(partial(Spread, SAMPLING, start))
        self._numbers = itertools.count(time.time_ns())
        self._changed = threading.Condition()
        self._waiting: list[Entry] = []
        self._left_out = 0
        self._closed = False
        self._thread: threading.Thread | None = None

    def takes(self, endpoint: Served) -> bool:
        """Whether the next prediction of the endpoint belongs to the sample."""
        if self._tables is None:
            return False
        wanted = self._wanted(endpoint)
        rate = max(endpoint.logging.sampling_rate if endpoint.logging else 0.0, wanted.rate if wanted else 0.0)
        return rate > 0 and bool(self._points[endpoint.name].point() < rate)

    def write(self, target: Target, requests: Sequence[Any], responses: Sequence[Any]) -> None:
        """Note a prediction: one payload for each instance, or one for a raw body."""
        number = next(self._numbers)
        now, uri = self._now(), self._table_of(target.endpoint)
        entry = Entry(target.endpoint, uri, target.deployed.id, number, now, requests, responses)
        self._newest[target.endpoint.name] = now
        with self._changed:
            if len(self._waiting) >= MOST_ROWS or self._closed:
                self._left_out += 1
                return
            self._waiting.append(entry)
            if len(self._waiting) == 1 and self._agenda is not None:
                self._agenda.begin(_BUSY)
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_writing, name="request-log", daemon=True)
                self._thread.start()
            elif len(self._waiting) == 1:
                self._changed.notify()

    def through(self, target: Target, body: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """The chunks of a streamed reply; once they are through, the whole is noted."""
        if not self.takes(target.endpoint):
            yield from chunks
            return
        kept = []
        for chunk in chunks:
            kept.append(chunk)
            yield chunk
        self.write(target, [body], [b"".join(kept)])

    def newest(self, endpoint: str) -> datetime | None:
        """When a prediction of the endpoint was last noted; None: not since the emulator's start."""
        return self._newest.get(endpoint)

    def flush(self) -> None:
        """Write what waits now; returns when all that was noted before is written."""
        with self._writing:
            self._flush()

    def close(self) -> None:
        """Write what waits."""
        with self._changed:
            self._closed, thread = True, self._thread
            self._changed.notify()
        if thread is not None:
            thread.join()

    def _table_of(self, endpoint: Served) -> str:
        """The endpoint's own request-response logging comes first: monitoring reads what that writes."""
        wanted = None if endpoint.logging else self._wanted(endpoint)
        return wanted.uri if wanted else destination(endpoint)

    def _keep_writing(self) -> None:
        while not self._closed:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                self._changed.wait_for(lambda: self._closed, PAUSE_SECONDS)
            self.flush()
        self.flush()

    def _flush(self) -> None:
        with self._changed:
            entries, self._waiting = self._waiting, []
            left_out, self._left_out = self._left_out, 0
        if left_out:
            log.warning("%d predictions were not logged: BigQuery takes fewer rows than there are", left_out)
        places: dict[tuple[str, str], list[bytes]] = defaultdict(list)
        for entry in entries:
            places[entry.uri, location(entry.endpoint)].append(entry.row())
        for place, rows in places.items():
            self._append(*place, rows)
        if entries and self._agenda is not None:
            self._agenda.end(_BUSY)

    def _append(self, uri: str, location: str, rows: list[bytes]) -> None:
        for left in reversed(range(TRIES)):
            try:
                assert self._tables is not None  # noqa: S101 - nothing is written without
                return self._tables().append(uri, location, SCHEMA, rows)
            except exceptions.ServiceUnavailable as error:
                if not left:
                    log.warning("%d predictions were not logged in %s: %s", len(rows), uri, error.message)
            except exceptions.GoogleAPICallError as error:
                return log.warning("%d predictions were not logged in %s: %s", len(rows), uri, error.message)
            except Exception:  # noqa: BLE001 - predictions go on, and so does the log
                return log.exception("%d predictions were not logged in %s", len(rows), uri)
        return None


def destination(endpoint: Served) -> str:
    """The table's URI; dataset and table have names of their own where the endpoint gives none."""
    given = endpoint.logging.bigquery_destination.output_uri if endpoint.logging is not None else ""
    project, *rest = (given or f"bq://{names.project_of(endpoint.name)}").split(".")
    name = re.sub(r"\W", "_", f"{endpoint.display_name}_{endpoint.name.rpartition('/')[2]}", flags=re.ASCII)
    default = [f"logging_{name}", TABLE]
    return ".".join([project, *rest, *default[len(rest) :]])


def location(endpoint: Served) -> str:
    """Where a new dataset is made: beside the endpoint."""
    return names.location_of(endpoint.name)


def text(payload: Any) -> str:
    """A payload as the table has it."""
    return payload.decode(errors="replace") if isinstance(payload, bytes) else orjson.dumps(payload).decode()
