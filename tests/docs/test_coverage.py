"""docs/coverage.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from gcpmlops.emulator import coverage

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


def test_the_page_is_not_stale() -> None:
    text = PAGE.read_text("utf-8")
    assert coverage.page(coverage.marks(text)) == text, "run `make coverage`"


def test_marks_read_back_what_the_page_says() -> None:
    called = {"google.logging.v2.LoggingServiceV2.ListLogs", "google.cloud.aiplatform.v1.JobService.ListNasJobs"}
    assert coverage.marks(coverage.page(called)) == called


def test_nothing_is_called_built_that_the_contract_lacks() -> None:
    names = [f"{service}.{method}" for service, method, built in coverage.rows() if built]
    assert "google.cloud.aiplatform.v1.JobService.CreateCustomJob" in names
    assert "google.cloud.aiplatform.v1.JobService.CreateNasJob" not in names
