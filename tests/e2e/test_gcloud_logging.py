"""gcloud's logging group, unmodified: logs, metrics, sinks, buckets."""

from __future__ import annotations

import json
import shutil
from typing import Any

import pytest

from .conftest import Shell

pytestmark = [
    pytest.mark.gcloud,
    pytest.mark.xdist_group("e2e-gcloud"),
    pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed"),
]


@pytest.fixture
def logging(shell: Shell) -> Any:
    """Runs `gcloud logging`; its standard output."""
    return lambda *command: shell.tool("gcloud", "--quiet", "logging", *command).stdout.strip()


def test_entries_and_logs(logging: Any, unique: Any) -> None:
    name = unique("log")
    logging("write", name, json.dumps({"n": 1, "who": "Ann"}), "--payload-type=json", "--severity=ERROR")
    text = f'log_id("{name}") AND jsonPayload.who="ann" AND cast(jsonPayload.n, INT64) >= 1'
    (entry,) = json.loads(logging("read", text, "--format=json", "--freshness=1h", "--order=asc"))
    assert (entry["jsonPayload"], entry["severity"]) == ({"n": 1, "who": "Ann"}, "ERROR")
    assert any(line.endswith(f"/logs/{name}") for line in logging("logs", "list").split())
    logging("logs", "delete", name)
    assert json.loads(logging("read", text, "--format=json")) == []
    assert "ml_job" in logging("resource-descriptors", "list", "--format=value(type)").split()


def test_metrics(logging: Any, unique: Any) -> None:
    name = unique("metric")
    logging("metrics", "create", name, "--description=errors", "--log-filter=severity>=ERROR")
    assert logging("metrics", "describe", name, "--format=value(filter)") == "severity>=ERROR"
    logging("metrics", "update", name, "--log-filter=severity>=WARNING")
    listed = logging("metrics", "list", f"--filter=name={name}", "--format=value(filter,description)")
    assert listed.split() == ["severity>=WARNING", "errors"]
    logging("metrics", "delete", name)
    assert name not in logging("metrics", "list", "--format=value(name)").split()


def test_sinks_and_buckets(shell: Shell, logging: Any, unique: Any) -> None:
    name, bucket = unique("sink"), unique("sinkbucket")
    shell.tool("gcloud", "--quiet", "storage", "buckets", "create", f"gs://{bucket}")
    logging(
        "sinks",
        "create",
        name,
        f"storage.googleapis.com/{bucket}",
        f'--log-filter=log_id("{name}")',
        "--exclusion=name=noise,filter=severity<INFO",
    )
    described = json.loads(logging("sinks", "describe", name, "--format=json"))
    assert described["writerIdentity"].startswith("serviceAccount:")
    assert described["exclusions"] == [{"filter": "severity<INFO", "name": "noise"}]
    logging("sinks", "update", name, "--log-filter=severity>=ERROR", "--remove-exclusions=noise", "--disabled")
    changed = json.loads(logging("sinks", "describe", name, "--format=json"))
    assert (changed["filter"], changed["disabled"], "exclusions" in changed) == ("severity>=ERROR", True, False)
    assert {"_Default", "_Required", name} <= set(logging("sinks", "list", "--format=value(name)").split())
    logging("sinks", "delete", name)
    assert name not in logging("sinks", "list", "--format=value(name)").split()
    buckets = logging("buckets", "list", "--format=value(name.basename())").split()
    assert {"_Default", "_Required"} <= set(buckets)
    assert logging("buckets", "describe", "_Default", "--location=global", "--format=value(retentionDays)") == "30"
