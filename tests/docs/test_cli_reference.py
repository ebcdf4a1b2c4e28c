"""docs/cli.md is what the commands say of themselves."""

from __future__ import annotations

from pathlib import Path

from gcpmlops.cli import _reference

PAGE = Path(__file__).parents[2] / "docs" / "cli.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text("utf-8") == _reference.page(), "run `make coverage`"
