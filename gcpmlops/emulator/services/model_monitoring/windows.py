"""When a job looks, at what span of time, and where the requests of that span are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from google.api_core import exceptions

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.services.bigquery.tables import Tables
from gcpmlops.emulator.services.monitoring.series import micros
from gcpmlops.emulator.services.prediction.request_log import destination
from gcpmlops.emulator.services.prediction.served import Served

HOUR = timedelta(hours=1)


class Window(NamedTuple):
    """From `start` on, before `end`."""

    start: datetime
    end: datetime

    @property
    def before(self) -> Window:
        """The one of the same length that ends where this one starts."""
        return Window(self.start - (self.end - self.start), self.start)


def interval(job: Any) -> timedelta:
    """Between two looks: full hours, rounded up."""
    given: timedelta = job.model_deployment_monitoring_schedule_config.monitor_interval
    return max(HOUR, -(-given // HOUR) * HOUR)


def window(job: Any, end: datetime) -> Window:
    """What a look at that time covers: the monitor window, or the time since the look before."""
    given: timedelta | None = job.model_deployment_monitoring_schedule_config.monitor_window
    return Window(end - (given or interval(job)), end)


def first(job: Any, now: datetime) -> datetime:
    """The first look of a job that begins now: windows end at full hours."""
    return now.replace(minute=0, second=0, microsecond=0) + interval(job)


def table_uri(endpoint: str, project: str) -> str:
    """The documented logging table of an endpoint's serving traffic."""
    return f"bq://{project}.model_deployment_monitoring_{endpoint.rpartition('/')[2].replace('-', '_')}.serving_predict"


def logged_in(endpoint: Served) -> str:
    """Where an endpoint's requests are logged."""
    return destination(endpoint) if endpoint.logging else table_uri(endpoint.name, names.project_of(endpoint.name))


class Requests:
    """Reads logged requests back."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def payloads(self, uri: str, deployed_model_id: str, span: Window) -> list[str]:
        """Instances as JSON that a deployed model was asked in a window; none where there is no table yet."""
        try:
            with self._selected(uri, deployed_model_id, span) as paths:
                return [payload for path in paths for payload in _payloads(path)]
        except exceptions.NotFound:
            return []

    @contextmanager
    def _selected(self, uri: str, deployed_model_id: str, span: Window) -> Iterator[list[Path]]:
        tables = self._tables
        table = tables.parse(uri, "bigquery_table_path")
        chosen = tables.temporary(table)
        start, end = (f"TIMESTAMP_MICROS({micros(moment)})" for moment in span)
        condition = f"deployed_model_id = '{deployed_model_id}' AND logging_time >= {start} AND logging_time < {end}"
        sql = f"SELECT payload FROM {table.sql}, UNNEST(request_payload) AS payload WHERE {condition}"
        tables.query(table.project, f"CREATE TABLE {chosen.sql} AS {sql}")
        try:
            with tables.workspace() as folder:
                yield tables.extract(chosen, "NEWLINE_DELIMITED_JSON", folder)
        finally:
            tables.delete(chosen)


def _payloads(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        for line in file:
            yield orjson.loads(line)["payload"]
