"""`gcpmlops scheduler`, on the emulator."""

import json


def test_a_jobs_life(gcpmlops, unique):
    name = unique("job")
    line = ("scheduler", "ensure-job", name, "--schedule", "0 6 1 1 *", "--http", "http://127.0.0.1:9/x")
    planned = json.loads(gcpmlops(*line, "--dry-run", "--format", "json").output)
    assert planned["method"] == "client.scheduler.ensure_job"
    made = json.loads(gcpmlops(*line, "--header", "A=b", "--retries", "1", "--format", "json").output)
    assert (made["schedule"], made["httpTarget"]["headers"]["A"]) == ("0 6 1 1 *", "b")
    assert "PAUSED" in gcpmlops("scheduler", "pause", name).output
    assert "ENABLED" in gcpmlops("scheduler", "resume", name).output
    assert "0 6 1 1 * (Etc/UTC)" in gcpmlops("scheduler", "get", name).output
    assert name in gcpmlops("scheduler", "list").output
    gcpmlops("scheduler", "run", name)
    gcpmlops("scheduler", "delete", name)
    assert "scheduler list" in gcpmlops("scheduler", "get", name, code=1).output


def test_a_bad_schedule(gcpmlops):
    failed = gcpmlops("scheduler", "ensure-job", "j", "--schedule", "99 * * * *", "--http", "http://x", code=1)
    assert "minute" in failed.output
