"""The cause and the next step of a failure, from the service's reason and the log's last lines."""

# ruff: noqa: E501 - tables of cases

from types import SimpleNamespace
from typing import Any

import pytest

from gcpmlops._jobs.failures import failure
from gcpmlops._jobs.logs import LogLine
from gcpmlops.exceptions import JobCancelled, JobFailed

EXITED = "The replica workerpool0-0 exited with a non-zero status of 1. Termination reason: Error."


def failed(reason: str, *lines: str, state: str = "JOB_STATE_FAILED") -> JobFailed | None:
    """A line may begin with its task in brackets."""
    from google.cloud.aiplatform_v1.types import JobState

    def line(text: str) -> LogLine:
        task, found, rest = text.partition("] ")
        return LogLine(None, "INFO", rest, task.lstrip("[")) if found else LogLine(None, "INFO", text, "workerpool0-0")

    job = SimpleNamespace(
        display_name="train", name="projects/p/locations/l/customJobs/7", state=JobState[state],
        error=SimpleNamespace(message=reason),
    )  # fmt: skip
    logs: Any = SimpleNamespace(last=lambda count: [line(each) for each in lines][-count:])
    return failure(job, logs)


def test_success_is_none() -> None:
    assert failed("", state="JOB_STATE_SUCCEEDED") is None


def test_cancelled() -> None:
    error = failed("CANCELED", "up", state="JOB_STATE_CANCELLED")
    assert isinstance(error, JobCancelled)
    assert error.next_step == "All of its log: `gcpmlops training logs 7`."


TRACEBACK = ("Traceback (most recent call last):", '  File "train.py", line 3, in <module>')


@pytest.mark.parametrize(
    ("reason", "lines", "cause", "step"),
    [
        (EXITED, (*TRACEBACK, "ModuleNotFoundError: No module named 'shap'"), "No module named 'shap'", "requirements="),
        ("x-1.tar.gz can't be installed.\nERROR: No matching distribution found for x", (), "No matching", "requirements="),
        ("The replica workerpool0-0 was stopped: scheduling.timeout ran out.", ("up",), "scheduling.timeout", "timeout="),
        (EXITED, (*TRACEBACK, "TimeoutError: timed out"), "TimeoutError: timed out", "All of its log"),
        (EXITED.replace("1.", "137."), (), "137", "memory"),
        (EXITED, (*TRACEBACK, "MemoryError"), "MemoryError", "machine_type="),
        (EXITED, ("train.py: error: unrecognized arguments: --a",), "", "preflight"),
        (EXITED, (*TRACEBACK, "google.api_core.exceptions.NotFound: 404 GET x"), "404", "gs:// paths"),
        (EXITED, (*TRACEBACK, "google.api_core.exceptions.Forbidden: 403 no"), "403", "service_account="),
        (EXITED, ("loss 0.403",), "exited with a non-zero status", "All of its log"),
    ],
)  # fmt: skip
def test_why_and_what_next(reason: str, lines: tuple[str, ...], cause: str, step: str) -> None:
    error = failed(reason, *lines)
    assert error is not None
    assert cause in error.cause
    assert error.next_step.startswith("All") == (step == "All of its log")
    assert step in error.next_step
    assert f"train (projects/p/locations/l/customJobs/7) ended JOB_STATE_FAILED: {reason}" in str(error)


def test_of_several_replicas_the_failed_one_speaks() -> None:
    error = failed(
        EXITED.replace("0-0", "1-0"),
        "[workerpool1-0] ValueError: mine",
        "[workerpool0-0] RuntimeError: lost the others",
    )
    assert error is not None
    assert (error.cause, error.log_tail) == ("ValueError: mine", ("ValueError: mine",))


def test_the_last_traceback_is_shown_whole() -> None:
    error = failed(EXITED, "before", *TRACEBACK, *("    deep" for _ in range(30)), "ValueError: x")
    assert error is not None
    assert (error.log_tail[0], len(error.log_tail), error.exit_code) == (TRACEBACK[0], 33, 1)
    assert "    ValueError: x" in str(error)
