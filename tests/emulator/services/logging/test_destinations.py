"""Files and rows that sinks make of entries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from google.api_core import exceptions
from google.cloud.logging_v2.types import LogEntry, LogSink
from google.protobuf import any_pb2

from gcpmlops.emulator.services.bigquery.tables import Table
from gcpmlops.emulator.services.logging import log_json
from gcpmlops.emulator.services.logging.destinations import rows
from gcpmlops.emulator.services.logging.destinations.bigquery import DatasetDestination
from gcpmlops.emulator.services.logging.destinations.storage import BucketDestination

NOON = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


class Item:
    def __init__(self, name: str) -> None:
        self.name = name


class Folder:
    """A bucket in memory."""

    def __init__(self) -> None:
        self.files: dict[str, list[Any]] = {}

    def list(self, bucket: str, prefix: str = "") -> list[Item]:
        return [Item(name) for name in self.files if name.startswith(prefix)]

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        assert content_type == "application/json"
        self.files[name] = [orjson.loads(line) for line in source.read_bytes().splitlines()]


def _entry(text: str, at: datetime, log: str = "app") -> Any:
    entry = LogEntry(log_name=f"projects/p1/logs/{log}", text_payload=text, timestamp=at, receive_timestamp=NOON)
    return LogEntry.pb(entry)


def test_files_are_by_log_and_hour_and_late_entries_are_addenda() -> None:
    folder = Folder()
    destination = BucketDestination(folder, "b", lambda: NOON)
    late = _entry("late", NOON.replace(hour=9))
    destination.send([_entry("2", NOON), _entry("1", NOON.replace(minute=1)), late, _entry("x", NOON, "a%2Fb")])
    destination.send([_entry("3", NOON)])
    assert {name: [line["textPayload"] for line in lines] for name, lines in folder.files.items()} == {
        "app/2026/05/01/12:00:00_12:59:59_S0.json": ["1", "2"],
        "app/2026/05/01/12:00:00_12:59:59_S1.json": ["3"],
        f"app/2026/05/01/09:00:00_09:59:59_A0:{int(NOON.timestamp())}.json": ["late"],
        "a/b/2026/05/01/12:00:00_12:59:59_S0.json": ["x"],
    }


def test_json_of_an_entry() -> None:
    entry = LogEntry.pb(
        LogEntry(log_name="projects/p1/logs/a", json_payload={"n": 3, "f": 0.5, "l": [1]}, severity=500)
    )
    shown = orjson.loads(log_json.dump(entry))
    assert shown == {
        "logName": "projects/p1/logs/a",
        "jsonPayload": {"n": 3, "f": 0.5, "l": [1]},
        "severity": "ERROR",
    }
    assert re.search(rb'"n":3[,}]', log_json.dump(entry))  # no 3.0
    unknown = LogEntry.pb()(log_name="x", proto_payload=any_pb2.Any(type_url="a/b.C", value=b"1"))
    assert log_json.to_dict(unknown)["protoPayload"] == {"@type": "a/b.C", "value": "MQ=="}


class Dataset:
    """BigQuery's tables, in memory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.schemas: dict[str, list[Any]] = {}
        self.rows: dict[str, list[Any]] = {}

    def fields(self, table: Table) -> list[Any]:
        if table.table not in self.schemas:
            raise exceptions.NotFound("table")
        return self.schemas[table.table]

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        yield self.directory

    def load(self, table: Table, files: list[Path], config: dict[str, Any]) -> None:
        assert "timePartitioning" not in config
        self.schemas[table.table] = config["schema"]["fields"]
        lines = files[0].read_bytes().splitlines()
        self.rows[table.table] = self.rows.get(table.table, []) + [orjson.loads(line) for line in lines]


def test_tables_are_by_log_and_day(tmp_path: Path) -> None:
    dataset: Any = Dataset(tmp_path)
    destination = DatasetDestination(lambda: dataset, "projects/p1/datasets/d", LogSink(name="s"))
    destination.send([_entry("a", NOON, "my%2Flog"), _entry("b", NOON.replace(day=2), "my%2Flog")])
    wrong = LogEntry.pb(LogEntry(log_name="projects/p1/logs/app", json_payload={"n": 1}, timestamp=NOON))
    again = LogEntry.pb(LogEntry(log_name="projects/p1/logs/app", json_payload={"n": "x"}, timestamp=NOON))
    destination.send([wrong, again])
    assert {name: len(rows) for name, rows in dataset.rows.items()} == {
        "my_log_20260501": 1,
        "my_log_20260502": 1,
        "app_20260501": 1,
        "export_errors_20260501": 1,
    }
    assert dataset.rows["my_log_20260501"][0]["textPayload"] == "a"
    (error,) = dataset.rows["export_errors_20260501"]
    assert (error["schemaErrorDetail"], error["sink"]) == ("n: STRING, where the table has FLOAT", "s")


def test_rows_and_their_schema() -> None:
    shown = {
        "logName": "l",
        "jsonPayload": {"a-b": 1, "deep": {"x": [{"y": "1"}, {"z": True}]}, "none": None, "empty": {}, "m": [[1], [2]]},
        "httpRequest": {"status": 200, "latency": "0.25s", "responseSize": "12"},
        "labels": {"k8s-pod/app": "web"},
        "protoPayload": {"@type": "type.googleapis.com/google.cloud.audit.AuditLog", "methodName": "m"},
    }
    cells = rows.row(shown)
    assert cells["jsonPayload"] == {"a_b": 1, "deep": {"x": [{"y": "1"}, {"z": True}]}, "m": ["[1]", "[2]"]}
    assert cells["httpRequest"] == {"status": 200, "latency": 0.25, "responseSize": 12}
    assert cells["protopayload_auditlog"] == {"methodName": "m"}
    fields = {field["name"]: field for field in rows.schema(cells)}
    assert fields["labels"]["fields"] == [{"name": "k8s_pod_app", "type": "STRING", "mode": "NULLABLE"}]
    deep = {field["name"]: field for field in fields["jsonPayload"]["fields"]}["deep"]
    assert deep["fields"][0]["mode"] == "REPEATED"
    assert [field["name"] for field in deep["fields"][0]["fields"]] == ["y", "z"]


def test_schemas_grow_and_contradictions_are_refused() -> None:
    first = rows.schema({"jsonPayload": {"a": 1.0}})
    grown = rows.merged(first, rows.schema({"jsonPayload": {"A": 2.0, "b": "x"}, "trace": "t"}))
    payload = next(field for field in grown if field["name"] == "jsonPayload")
    assert [field["name"] for field in payload["fields"]] == ["a", "b"]
    assert rows.fitted({"jsonPayload": {"A": 2.0}}, grown) == {"jsonPayload": {"a": 2.0}}
    with pytest.raises(rows.ConflictError, match="a: STRING, where the table has FLOAT"):
        rows.merged(grown, rows.schema({"jsonPayload": {"a": "x"}}))
    with pytest.raises(rows.ConflictError, match="FLOAT, repeated"):
        rows.merged(grown, rows.schema({"jsonPayload": {"a": [1.0]}}))
