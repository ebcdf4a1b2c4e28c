"""Incidents, what is known of watched series, and deliveries that are under way: the tables of alerting."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.monitoring.alerting.combining import Key
from gcpmlops.emulator.services.monitoring.alerting.states import State

_COLUMNS = "id, project, policy, condition, series, opened_us, closed_us, body"
_OPEN = f"INSERT INTO alert_incidents ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?)"
_CHANGE = "UPDATE alert_incidents SET closed_us = ?, body = ? WHERE id = ?"
_STATE = (
    "INSERT OR REPLACE INTO alert_states (policy, condition, series, last_us, since_us, met, spent)"
    " VALUES (?,?,?,?,?,?,?)"
)
_FORGET = "DELETE FROM alert_states WHERE policy = ? AND condition = ? AND series = ?"
_DELIVER = "INSERT INTO alert_deliveries (channel, attempts, due_us, body) VALUES (?,?,?,?) RETURNING id"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Incident:
    """One incident.

    Attributes:
        id: as notifications show it.
        project: its id.
        policy: resource name.
        condition: resource name.
        series: the key of what meets the condition.
        opened: microseconds since 1970.
        closed: None: it is open.
        body: `incident`: as notifications tell it; `policy`: a snapshot of the policy; `log`: extracted labels.
    """

    id: str
    project: str
    policy: str
    condition: str
    series: str
    opened: int
    closed: int | None
    body: dict[str, Any]

    @property
    def key(self) -> Key:
        return self.condition, self.series


@dataclass(frozen=True)
class Delivery:
    """A notification on its way to a channel."""

    channel: str
    payload: dict[str, Any]
    due: int
    attempts: int = 0
    id: int = 0


@dataclass
class Changes:
    """What one look at a policy changes, stored together."""

    opened: list[Incident] = field(default_factory=list)
    changed: list[Incident] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    states: list[tuple[str, str, str, State | None]] = field(default_factory=list)  # None: forgotten

    def __bool__(self) -> bool:
        return bool(self.opened or self.changed or self.deliveries or self.states)


class AlertRows:
    """The tables."""

    def __init__(self, store: ResourceStore) -> None:
        self._store = store
        store.ensure_schema(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))

    def commit(self, changes: Changes) -> list[Delivery]:
        """Stores them in one transaction; the deliveries with their ids."""
        return self._store.write(lambda conn: _written(conn, changes)) if changes else []

    def open(self, policy: str) -> list[Incident]:
        """A policy's open incidents, oldest first."""
        return self._incidents("policy = ? AND closed_us IS NULL ORDER BY seq", (policy,))

    def all(self, project: str) -> list[Incident]:
        """A project's, newest first."""
        return self._incidents("project = ? ORDER BY opened_us DESC, seq DESC", (project,))

    def get(self, id_: str) -> Incident | None:
        """By its id."""
        return next(iter(self._incidents("id = ?", (id_,))), None)

    def states(self, policy: str) -> dict[tuple[str, str], State]:
        """What was known of a policy's series, by condition and key."""
        sql = "SELECT * FROM alert_states WHERE policy = ?"
        rows = self._store.read(lambda conn: conn.execute(sql, (policy,)).fetchall())
        return {
            (row["condition"], row["series"]): State(
                row["last_us"], row["since_us"], bool(row["met"]), bool(row["spent"])
            )
            for row in rows
        }

    def forget(self, policy: str) -> None:
        """Removes what is known of a policy's series; its incidents stay."""
        self._store.write(lambda conn: conn.execute("DELETE FROM alert_states WHERE policy = ?", (policy,)))

    def deliveries(self) -> list[Delivery]:
        """Those that are under way."""
        sql = "SELECT * FROM alert_deliveries ORDER BY id"
        rows = self._store.read(lambda conn: conn.execute(sql).fetchall())
        return [
            Delivery(row["channel"], json.loads(row["body"]), row["due_us"], row["attempts"], row["id"]) for row in rows
        ]

    def put_off(self, delivery: Delivery, due: int) -> Delivery:
        """One more attempt failed; the next one is at `due`."""
        sql = "UPDATE alert_deliveries SET attempts = ?, due_us = ? WHERE id = ?"
        later = replace(delivery, attempts=delivery.attempts + 1, due=due)
        self._store.write(lambda conn: conn.execute(sql, (later.attempts, due, delivery.id)))
        return later

    def end(self, delivery: Delivery) -> None:
        """It arrived, or never will."""
        self._store.write(lambda conn: conn.execute("DELETE FROM alert_deliveries WHERE id = ?", (delivery.id,)))

    def _incidents(self, where: str, values: Sequence[Any]) -> list[Incident]:
        sql = f"SELECT {_COLUMNS} FROM alert_incidents WHERE {where}"
        rows = self._store.read(lambda conn: conn.execute(sql, tuple(values)).fetchall())
        return [_incident(row) for row in rows]


def new_id() -> str:
    """As Cloud Monitoring forms them."""
    return "0." + "".join(secrets.choice(_DIGITS) for _ in range(12))


def _incident(row: sqlite3.Row) -> Incident:
    id_, project, policy, condition, series, opened, closed, body = tuple(row)
    return Incident(id_, project, policy, condition, series, opened, closed, json.loads(body))


def _written(conn: sqlite3.Connection, changes: Changes) -> list[Delivery]:
    for one in changes.opened:
        body = json.dumps(one.body)
        row = (one.id, one.project, one.policy, one.condition, one.series, one.opened, one.closed, body)
        conn.execute(_OPEN, row)
    conn.executemany(_CHANGE, [(one.closed, json.dumps(one.body), one.id) for one in changes.changed])
    _write_states(conn, changes.states)
    return [replace(each, id=_delivery(conn, each)) for each in changes.deliveries]


def _write_states(conn: sqlite3.Connection, states: Iterable[tuple[str, str, str, State | None]]) -> None:
    for policy, condition, series, state in states:
        if state is None:
            conn.execute(_FORGET, (policy, condition, series))
        else:
            row = (policy, condition, series, state.last, state.since, state.met, state.spent)
            conn.execute(_STATE, row)


def _delivery(conn: sqlite3.Connection, one: Delivery) -> int:
    values = (one.channel, one.attempts, one.due, json.dumps(one.payload))
    return int(conn.execute(_DELIVER, values).fetchone()[0])
