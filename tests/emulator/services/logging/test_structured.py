"""JSON lines of programs as entries."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.cloud.logging_v2.types import LogEntry

from gcpmlops import Client
from gcpmlops.emulator.services.functions.logs import RevisionLog
from gcpmlops.emulator.services.logging import query, structured
from gcpmlops.emulator.services.logging.writer import LogWriter

START = datetime(2026, 5, 1, 12, 10, tzinfo=UTC)  # of the clock in conftest.py


def _filled(line: dict[str, Any] | str) -> Any:
    entry = LogEntry.pb()(log_name="projects/p1/logs/x")
    found = structured.parse(line if isinstance(line, str) else json.dumps(line))
    assert found is not None
    found.fill(entry)
    return LogEntry.wrap(entry)


def test_special_fields_go_to_their_places() -> None:
    special = "logging.googleapis.com/"
    entry = _filled(
        {
            "severity": "warn",
            "time": "2026-05-01T12:00:00.5Z",
            "message": "m",
            "n": 1,
            f"{special}labels": {"a": 1},
            f"{special}trace": "4bf92f3577b34da6a3ce929d0e0e4736/1;o=1",
            f"{special}spanId": "00f067aa0ba902b7",
            f"{special}trace_sampled": True,
            f"{special}sourceLocation": {"file": "f.py", "line": "7", "function": "f"},
            f"{special}insertId": "i",
            "httpRequest": {"status": 500, "latency": "0.2s"},
        }
    )
    assert (entry.severity, entry.timestamp.rfc3339(), entry.insert_id) == (400, "2026-05-01T12:00:00.5Z", "i")
    assert entry.trace == "projects/p1/traces/4bf92f3577b34da6a3ce929d0e0e4736"
    assert (entry.span_id, entry.trace_sampled, dict(entry.labels)) == ("00f067aa0ba902b7", True, {"a": "1"})
    assert (entry.source_location.line, entry.http_request.status) == (7, 500)
    assert dict(entry.json_payload) == {"message": "m", "n": 1}


def test_what_cannot_be_read_stays_in_the_payload() -> None:
    given = {"severity": "LOUD", "time": "noon", "httpRequest": {"nosuch": 1}}
    entry = _filled(given)
    assert (entry.severity, dict(entry.json_payload)["severity"]) == (0, "LOUD")
    assert set(entry.json_payload) == set(given)


@pytest.mark.parametrize("line", ["text", "", "{", "{}", "[1]", '{"a": 1} and more'])
def test_text_stays_text(line: str) -> None:
    assert structured.parse(line) is None


def test_what_the_librarys_handler_prints_arrives_as_it_was_meant(log: Any) -> None:
    stream, logger = io.StringIO(), logging.Logger("app")
    client = Client(project="p1")
    logger.addHandler(client.logs.handler(to=stream, labels={"env": "test"}))
    with client.logs.bind({"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}):
        logger.error("bad %s", "thing", extra={"n": 3})
    writer = LogWriter(log.entries)
    line = structured.parse(stream.getvalue().rstrip())
    assert line is not None
    writer.write("projects/p1/logs/x", ("ml_job", {"job_id": "7"}), "INFO", line, {"own": "label"})
    (row,) = log.entries.scan(["projects/p1"], query.compiled(""), after=None, newest_first=False)
    writer.close()
    entry = LogEntry.deserialize(row["body"])
    assert abs(entry.timestamp - START) < timedelta(seconds=60)  # the emulator's clock, not this machine's
    assert (entry.severity, dict(entry.labels)) == (500, {"env": "test", "own": "label"})
    assert entry.trace.endswith("/traces/4bf92f3577b34da6a3ce929d0e0e4736")
    assert entry.source_location.function.startswith("test_what")
    assert set(entry.json_payload) == {"message", "logger", "n"}


def test_a_functions_line_with_a_message_alone_is_text() -> None:
    entries: list[Any] = []
    log = RevisionLog("projects/p1/locations/us-central1/services/f", "f-1", entries.append)
    for line in (
        "plain",
        '{"message": "alone", "severity": "ERROR"}',
        '{"message": "m", "n": 1, "time": "2020-01-01T00:00:00Z"}',
    ):
        log.line("stdout", line)
    plain, alone, whole = map(LogEntry.wrap, entries)
    assert (plain.text_payload, alone.text_payload, alone.severity) == ("plain", "alone", 500)
    assert dict(whole.json_payload) == {"message": "m", "n": 1}
    assert whole.timestamp is None  # the emulator's time is set when it is stored
