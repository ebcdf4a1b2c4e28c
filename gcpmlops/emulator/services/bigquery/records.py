"""Job resources in the emulator's store."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from gcpmlops.emulator.services.bigquery.errors import BigQueryError

T = TypeVar("T")
Job = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS bigquery_jobs (
    project TEXT NOT NULL, job TEXT NOT NULL, created INTEGER NOT NULL, state TEXT NOT NULL, user TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (project, job)
);
CREATE INDEX IF NOT EXISTS bigquery_jobs_by_time ON bigquery_jobs (project, created DESC);
"""


class Rows(Protocol):
    """The part of the emulator's store that is used here."""

    def read(self, fn: Callable[[sqlite3.Connection], T]) -> T: ...
    def write(self, fn: Callable[[sqlite3.Connection], T]) -> T: ...
    def ensure_schema(self, sql: str) -> None: ...


class JobRecords:
    """Jobs by project and id, newest first."""

    def __init__(self, store: Rows) -> None:
        self._store = store
        store.ensure_schema(_SCHEMA)

    def insert(self, job: Job) -> None:
        """Raises duplicate."""
        project, name = key_of(job)
        row = (
            project,
            name,
            int(job["statistics"]["creationTime"]),
            job["status"]["state"],
            job["user_email"],
            json.dumps(job),
        )
        try:
            self._store.write(lambda conn: conn.execute("INSERT INTO bigquery_jobs VALUES (?, ?, ?, ?, ?, ?)", row))
        except sqlite3.IntegrityError:
            raise BigQueryError("duplicate", f"Already Exists: Job {job['id']}") from None

    def save(self, job: Job) -> None:
        row = (job["status"]["state"], json.dumps(job), *key_of(job))
        self._store.write(
            lambda conn: conn.execute("UPDATE bigquery_jobs SET state = ?, body = ? WHERE project = ? AND job = ?", row)
        )

    def get(self, project: str, name: str) -> Job:
        """Raises notFound."""
        sql = "SELECT body FROM bigquery_jobs WHERE project = ? AND job = ?"
        row = self._store.read(lambda conn: conn.execute(sql, (project, name)).fetchone())
        if row is None:
            raise BigQueryError("notFound", f"Not found: Job {project}:{name}")
        job: Job = json.loads(row["body"])
        return job

    def delete(self, project: str, name: str) -> None:
        self._store.write(
            lambda conn: conn.execute("DELETE FROM bigquery_jobs WHERE project = ? AND job = ?", (project, name))
        )

    def unfinished(self) -> list[Job]:
        sql = "SELECT body FROM bigquery_jobs WHERE state != 'DONE'"
        return [json.loads(row["body"]) for row in self._store.read(lambda conn: conn.execute(sql).fetchall())]

    def list(
        self, project: str, *, user: str | None, states: list[str], since: int, until: int, offset: int, limit: int
    ) -> list[Job]:
        """At most `limit` jobs after `offset`; times in milliseconds; `user` None lists everybody's."""
        marks = ", ".join("?" * len(states))
        sql = (
            "SELECT body FROM bigquery_jobs WHERE project = ? AND created BETWEEN ? AND ? "
            + ("AND user = ? " if user else "")
            + (f"AND state IN ({marks}) " if states else "")
            + "ORDER BY created DESC, job LIMIT ? OFFSET ?"
        )
        arguments = [project, since, until, *([user] if user else []), *states, limit, offset]
        return [
            json.loads(row["body"]) for row in self._store.read(lambda conn: conn.execute(sql, arguments).fetchall())
        ]


def key_of(job: Job) -> tuple[str, str]:
    """Project and id."""
    return job["jobReference"]["projectId"], job["jobReference"]["jobId"]
