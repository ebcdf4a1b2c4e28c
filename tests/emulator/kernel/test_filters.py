"""AIP-160 filters and order_by over real messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import CustomJob, JobState
from google.cloud.logging_v2.types import LogEntry

from gcpmlops.emulator.kernel import filters


@pytest.fixture(scope="module")
def job() -> CustomJob:
    return CustomJob(
        name="projects/p/locations/l/customJobs/1",
        display_name="train flights",
        state=JobState.JOB_STATE_RUNNING,
        labels={"team": "blue", "a.b/c": "x"},
        create_time=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ('display_name="train flights"', True),
        ('displayName="train flights"', True),
        ('display_name="train*"', True),
        ("display_name:flights", True),
        ("display_name!=other", True),
        ('state="JOB_STATE_RUNNING"', True),
        ("state=JOB_STATE_FAILED", False),
        ('state="JOB_STATE_FAILED" OR state="JOB_STATE_RUNNING"', True),
        ("labels.team=blue", True),
        ("labels.team:*", True),
        ("labels:team", True),
        ("labels.shape:*", False),
        ('labels."a.b/c"=x', True),
        ('create_time>"2026-03-01T11:59:59Z"', True),
        ('create_time>="2026-03-01T12:00:00Z" AND create_time<"2026-03-02T00:00:00Z"', True),
        ("create_time<2026-03-01T00:00:00Z", False),
        ("NOT labels.team=red", True),
        ("-labels.team=blue", False),
        ("labels.team=(red OR blue)", True),
        ("(labels.team=red OR labels.team=blue) AND state=JOB_STATE_RUNNING", True),
        ("labels.team=red OR labels.team=blue AND state=JOB_STATE_FAILED", False),  # OR binds tighter
        ("labels.team=blue state=JOB_STATE_RUNNING", True),
        ("flights", True),
        ("penguins", False),
    ],
)
def test_matches(job: CustomJob, text: str, expected: bool) -> None:
    assert filters.matches(text, job) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("severity>=ERROR", True),
        ("severity<ERROR", False),
        ('logName="projects/p/logs/x"', True),
        ('resource.type="ml_job" AND resource.labels.job_id="7"', True),
        ('jsonPayload.message=~"^trained"', True),
        ('jsonPayload.message!~"^trained"', False),
        ("jsonPayload.loss<0.5", True),
        ("jsonPayload.missing=1", False),
    ],
)
def test_log_filters(text: str, expected: bool) -> None:
    entry = LogEntry(log_name="projects/p/logs/x", severity=500, json_payload={"message": "trained it", "loss": 0.25})
    entry.resource = {"type": "ml_job", "labels": {"job_id": "7"}}
    assert filters.matches(text, entry) is expected


@pytest.mark.parametrize("text", ["state=", "(state=1", "a = b )", 'name="x" AND', "=x"])
def test_what_does_not_parse_is_refused_by_its_text(job: CustomJob, text: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="Invalid filter"):
        filters.matches(text, job)


def test_order_by() -> None:
    jobs = [CustomJob(display_name=name, state=state) for name, state in [("b", 4), ("a", 5), ("c", 4)]]
    assert [j.display_name for j in filters.order(jobs, "display_name")] == ["a", "b", "c"]
    assert [j.display_name for j in filters.order(jobs, "state desc, display_name desc")] == ["a", "c", "b"]
    with pytest.raises(exceptions.InvalidArgument, match="nosuch"):
        filters.order(jobs, "nosuch")
