"""`gcpmlops logs` against the emulator."""

from __future__ import annotations

import json
from typing import Any


def test_entries(gcpmlops: Any, unique: Any) -> None:
    log = unique("log")
    gcpmlops("logs", "write", "not written", "--log", log, "--dry-run")
    gcpmlops("logs", "write", "first line", "--log", log, "--severity", "ERROR", "--label", "team=blue")
    gcpmlops("logs", "write", "second", "--json", '{"n": 1}', "--log", log)
    assert "Give a MESSAGE" in gcpmlops("logs", "write", code=2).stderr
    assert "no JSON object" in gcpmlops("logs", "write", "--json", "[1]", code=2).stderr
    wanted = f'log_id("{log}")'
    header, *rows = gcpmlops("logs", "query", wanted, "--order", "asc").stdout.splitlines()
    assert header.split() == ["time", "severity", "log", "text"]
    assert [row.split(maxsplit=4)[2:] for row in rows] == [["ERROR", log, "first line"], ["INFO", log, "second"]]
    (shown,) = json.loads(gcpmlops("logs", "query", f"{wanted} jsonPayload.n=1", "--format", "json").stdout)
    assert (shown["fields"], shown["log"]) == ({"n": 1, "message": "second"}, log)
    assert "Invalid filter" in gcpmlops("logs", "query", "severity>=", code=1).stderr
    followed = gcpmlops("logs", "follow", wanted, "--since", "1h", "--timeout", "0.5", "--format", "json").stdout
    assert [json.loads(line)["text"] for line in followed.splitlines()] == ["first line", "second"]
    assert log in gcpmlops("logs", "list").stdout.split()
    gcpmlops("logs", "delete", log)
    assert log not in gcpmlops("logs", "list").stdout.split()


def test_metrics_and_sinks(gcpmlops: Any, unique: Any) -> None:
    name = unique("m")
    value = ("--value", "jsonPayload.loss", "--bucket", "0.1", "--bucket", "1", "--label", "log=logName")
    gcpmlops("logs", "ensure-metric", name, "--filter", "severity>=INFO", *value, "--dry-run")
    assert name not in gcpmlops("logs", "list-metrics").stdout
    gcpmlops("logs", "ensure-metric", name, "--filter", "severity>=INFO", *value)
    assert "distribution" in gcpmlops("logs", "get-metric", name).stdout
    gcpmlops("logs", "delete-metric", name)
    assert "not found" in gcpmlops("logs", "get-metric", name, code=1).stderr
    wanted = ("--destination", "gs://some-bucket", "--exclusion", "quiet=severity<INFO", "--disabled")
    shown = json.loads(gcpmlops("logs", "ensure-sink", name, *wanted, "--format", "json").stdout)
    assert shown["destination"] == "storage.googleapis.com/some-bucket"
    assert "quiet=severity<INFO" in gcpmlops("logs", "get-sink", name).stdout
    assert name in gcpmlops("logs", "list-sinks").stdout
    gcpmlops("logs", "delete-sink", name)
    assert name not in gcpmlops("logs", "list-sinks").stdout
