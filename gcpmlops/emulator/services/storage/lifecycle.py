"""Lifecycle rules at work: each object meets its rule at the moment of the clock at which that begins to apply."""

from __future__ import annotations

import heapq
import logging
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from datetime import timedelta

from google.api_core import exceptions

from gcpmlops.emulator.kernel.agenda import Agenda, Appointment
from gcpmlops.emulator.services.storage import lifecycle_rules
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.services.storage.events import DELETE, ObjectEvent
from gcpmlops.emulator.services.storage.lifecycle_rules import Rule, Version
from gcpmlops.emulator.services.storage.preconditions import Preconditions
from gcpmlops.emulator.services.storage.records import EPOCH, OBJECT_COLUMNS, BucketRecord, ObjectRecord, micros

log = logging.getLogger(__name__)

_NAME = "lifecycle rules of Cloud Storage"
_GENERATIONS = f"SELECT {OBJECT_COLUMNS} FROM storage_object WHERE bucket = ? AND name = ? ORDER BY generation DESC"
_ALL = f"SELECT {OBJECT_COLUMNS} FROM storage_object WHERE bucket = ? ORDER BY name, generation DESC"
_WITH_RULES = "SELECT name FROM storage_bucket WHERE json_extract(config, '$.lifecycle.rule') IS NOT NULL"


class Lifecycle:
    """Acts on objects of buckets that have rules; one appointment, for the object that is due first.

    The real service may take a day until it acts; here it is done at once.
    """

    def __init__(self, engine: StorageEngine, agenda: Agenda) -> None:
        self._engine = engine
        self._agenda = agenda
        self._lock = threading.Lock()
        self._rules: dict[str, list[Rule]] = {}
        self._due: list[tuple[int, str, str]] = []  # microseconds, bucket, name: of each object the first
        self._appointment: Appointment | None = None
        engine.on_event.append(self._on_event)
        engine.buckets.listeners.append(self._on_bucket)

    def resume(self) -> None:
        """At the emulator's start."""
        buckets = self._engine.store.read(lambda conn: [str(row[0]) for row in conn.execute(_WITH_RULES)])
        for bucket in buckets:
            self._on_bucket(bucket)

    def _on_bucket(self, name: str) -> None:
        """A bucket was made, changed or deleted."""
        home = self._engine.store.read(lambda conn: self._engine.buckets.find(conn, name))
        rules = _rules(home)
        with self._lock:
            known = self._rules.pop(name, [])
            if rules:
                self._rules[name] = rules
        if rules and home is not None and (rules != known or home.config.get("retentionPolicy")):
            self._agenda.at(self._agenda.clock.now(), lambda: self._look_through(name), name=_NAME)

    def _look_through(self, bucket: str) -> None:
        """All objects of a bucket whose rules are new."""

        def run(conn: sqlite3.Connection) -> list[tuple[int, str, str]]:
            home = self._engine.buckets.find(conn, bucket)
            rules = self._rules.get(bucket, [])
            if home is None or not rules:
                return []
            rows = map(ObjectRecord.from_row, conn.execute(_ALL, (bucket,)))
            found = ((name, _first_due(rules, versions, home)) for name, versions in _by_name(rows))
            return [(due, bucket, name) for name, due in found if due is not None]

        due = self._engine.store.read(run)
        with self._lock:
            self._due += due
            heapq.heapify(self._due)
            self._appoint()

    def _on_event(self, event: ObjectEvent) -> None:
        if event.bucket in self._rules and not (event.type == DELETE and event.record.live):
            self._consider(event.bucket, event.name)

    def _consider(self, bucket: str, name: str) -> None:
        """When a rule applies to an object next, as it is now."""
        home, versions = self._versions(bucket, name)
        due = None if home is None else _first_due(self._rules.get(bucket, []), versions, home)
        if due is not None:
            with self._lock:
                heapq.heappush(self._due, (due, bucket, name))
                self._appoint()

    def _appoint(self) -> None:
        """The lock is held."""
        when = EPOCH + timedelta(microseconds=self._due[0][0]) if self._due else None
        if self._appointment is not None:
            if when is not None and self._appointment.when <= when:
                return
            self._appointment.cancel()
        self._appointment = None if when is None else self._agenda.at(when, self._act, name=_NAME)

    def _act(self) -> None:
        now = micros(self._agenda.clock.now())
        with self._lock:
            self._appointment = None
            objects = []
            while self._due and self._due[0][0] <= now:
                objects.append(heapq.heappop(self._due)[1:])
        for bucket, name in dict.fromkeys(objects):
            self._apply(bucket, name, now)
        with self._lock:
            self._appoint()

    def _apply(self, bucket: str, name: str, now: int) -> None:
        """One rule after the other, until none acts on any version; each change is an event, considered anew."""
        refused: set[int] = set()
        while True:
            home, versions = self._versions(bucket, name)
            rules = self._rules.get(bucket, [])
            found = ((version, home and lifecycle_rules.chosen(rules, version, home, now)) for version in versions)
            acting = next(((v, rule) for v, rule in found if rule and v.record.generation not in refused), None)
            if acting is None:
                break
            try:
                self._change(*acting)
            except exceptions.GoogleAPICallError as error:  # changed meanwhile, or held
                log.info("lifecycle rule on gs://%s/%s: %s", bucket, name, error.message)
                refused.add(acting[0].record.generation)
        if not refused:  # else an event, or the next change, brings it up again
            self._consider(bucket, name)

    def _change(self, version: Version, rule: Rule) -> None:
        record, objects = version.record, self._engine.objects
        if rule.action == lifecycle_rules.SET_CLASS:
            objects.set_storage_class(record.bucket, record.name, record.generation, rule.storage_class)
        elif record.live:  # under versioning it becomes noncurrent
            objects.delete(record.bucket, record.name, conditions=Preconditions(generation_match=record.generation))
        else:
            objects.delete(record.bucket, record.name, record.generation)

    def _versions(self, bucket: str, name: str) -> tuple[BucketRecord | None, list[Version]]:
        def run(conn: sqlite3.Connection) -> tuple[BucketRecord | None, list[Version]]:
            rows = [ObjectRecord.from_row(row) for row in conn.execute(_GENERATIONS, (bucket, name))]
            return self._engine.buckets.find(conn, bucket), [Version(row, newer) for newer, row in enumerate(rows)]

        return self._engine.store.read(run)


def _rules(home: BucketRecord | None) -> list[Rule]:
    try:
        return [] if home is None else lifecycle_rules.parse(home.config.get("lifecycle") or {})
    except exceptions.BadRequest as error:  # stored before rules were looked at
        log.warning("gs://%s: %s Its rules do nothing.", home.name if home else "", error.message)
        return []


def _first_due(rules: Iterable[Rule], versions: Iterable[Version], home: BucketRecord) -> int | None:
    moments = (rule.due(version, home) for version in versions for rule in rules)
    return min((moment for moment in moments if moment is not None), default=None)


def _by_name(rows: Iterable[ObjectRecord]) -> Iterator[tuple[str, list[Version]]]:
    """The generations of each object, the newest first, as the rows come."""
    versions: list[Version] = []
    for row in rows:
        if versions and versions[0].record.name != row.name:
            yield versions[0].record.name, versions
            versions = []
        versions.append(Version(row, len(versions)))
    if versions:
        yield versions[0].record.name, versions
