"""AIP-160 filters and order_by over real messages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import Artifact, CustomJob, JobState
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
        (r'display_name="train\u0020flights"', True),
        (r'display_name="train\tflights"', False),
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


@pytest.fixture(scope="module")
def artifact() -> Artifact:
    metadata = {"precision": 0.95, "field:1": {"deep": "x"}, "ok": True, "note": "five"}
    return Artifact(name="projects/p/artifacts/1", display_name="my_model_7", metadata=metadata)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("metadata.precision.number_value>0.9", True),
        ("metadata.precision.number_value>0.95", False),
        ("metadata.precision.string_value=0.95", False),
        ("metadata.ok.bool_value=true", True),
        ('metadata.note.string_value="five"', True),
        ('metadata."field:1".deep.string_value=x', True),
        ('metadata."field:1".struct_value.fields', False),
        ('display_name="my_*_7"', True),
        ('display_name="*model*"', True),
        ('display_name="*model"', False),
    ],
)
def test_struct_values_and_wildcards(artifact: Artifact, text: str, expected: bool) -> None:
    assert filters.matches(text, artifact) is expected


def test_functions_of_a_service_take_strings_in_brackets_or_after_a_colon(artifact: Artifact) -> None:
    calls = []

    def near(arguments):
        calls.append(list(arguments))
        return lambda message: message.display_name == arguments[0]

    parsed = filters.parse('near("my_model_7", "x") AND (near:"other" OR display_name="my*")', {"near": near})
    assert parsed(artifact)
    assert calls == [["my_model_7", "x"], ["other"]]
    assert parsed.comparisons == [(["display_name"], "=", "my*")]
    assert len(parsed.terms) == 2
    with pytest.raises(exceptions.InvalidArgument, match="no function 'far'"):
        filters.parse('far("x")', {"near": near})
    with pytest.raises(exceptions.InvalidArgument, match="nest deeper than 2"):
        filters.parse("(((a=1)))", {}, max_depth=2)


def test_order_of_struct_values_that_some_lack() -> None:
    items = [Artifact(name=str(i), metadata=m) for i, m in enumerate([{"a": 2}, {}, {"a": "x"}, {"a": 1}])]
    ordered = filters.order(items, "metadata.a.number_value")
    assert [item.name for item in ordered] == ["1", "2", "3", "0"]
    assert [item.name for item in filters.order(items, "metadata.a desc")] == ["2", "0", "3", "1"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('display_name = begins("my")', True),
        ('display_name != begins("my")', False),
        ('display_name != begins("your")', True),
        ('labels.none = begins("")', False),  # no such label
        ('labels.none != begins("")', True),
        ('NOT display_name = begins("your") AND (display_name = begins("x") OR name:artifacts)', True),
        ('display_name = (begins("x") OR begins("my"))', True),
    ],
)
def test_a_services_own_tests_stand_for_values(artifact: Artifact, text: str, expected: bool) -> None:
    parsed = filters.parse(text, tests={"begins": lambda given: lambda value: value.startswith(given[0])})
    assert parsed(artifact) is expected
    assert any("begins(" in value for _, _, value in parsed.comparisons)


def test_a_test_needs_its_bracket(artifact: Artifact) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="expected '\\('"):
        filters.parse("display_name = begins", tests={"begins": lambda given: lambda value: True})
