"""Conditions of bindings."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import pytest

from gcpmlops.emulator.services.access.conditions import holds

OBJECT = "projects/_/buckets/b/objects/train/x"


def _holds(expression: str) -> bool:
    return holds(expression, resource=OBJECT, service="storage.googleapis.com", now=datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ('request.time < timestamp("2026-01-03T00:00:00Z")', True),
        ("request.time < timestamp('2026-01-02T00:00:00Z')", False),
        ('request.time >= timestamp("2026-01-02T00:00:00.000Z")', True),
        ('resource.name.startsWith("projects/_/buckets/b/objects/train/")', True),
        ('resource.name.startsWith("projects/_/buckets/other")', False),
        ('resource.service == "storage.googleapis.com"', True),
        (f'resource.name == "{OBJECT}"', True),
        (
            'resource.name.startsWith("projects/_/buckets/b/") && request.time < timestamp("2027-01-01T00:00:00Z")',
            True,
        ),
        (
            '(resource.name.startsWith("projects/_/buckets/b/")) && (request.time < timestamp("2027-01-01T00:00:00Z"))',
            True,
        ),
        ('(resource.service == "storage.googleapis.com")', True),
        ('((resource.type == "storage.googleapis.com/Object") && resource.name.endsWith("/x"))', True),
        ('resource.type == "storage.googleapis.com/Bucket"', False),
        ('resource.type != "storage.googleapis.com/Bucket"', True),
        ('resource.service == "pubsub.googleapis.com" || resource.name.contains("train")', True),
        ('!(resource.service in ["pubsub.googleapis.com", "storage.googleapis.com"])', False),
        ('resource.name.extract("buckets/{bucket}/objects") == "b"', True),
        ('resource.name.extract("/objects/{rest}") == "train/x"', True),
        ('resource.name.extract("/folders/{rest}") == ""', True),
        ('request.time.getFullYear() == 2026 && request.time.getMonth("Europe/Berlin") == 0', True),
        ('request.time.getHours("America/New_York") == 19 && request.time.getDayOfWeek("America/New_York") == 4', True),
        ('request.time - duration("24h") == timestamp("2026-01-01T00:00:00Z")', True),
        ("true", True),
        ("resource.name", False),
    ],
)
def test_what_is_understood(expression: str, expected: bool) -> None:
    assert _holds(expression) is expected


@pytest.mark.parametrize(
    "expression",
    [
        'request.time < timestamp("soon")',
        'request.time < timestamp("2027-01-01T00:00:00")',
        'request.time.getHours("Mars/Olympus") > 1',
        'request.time < duration("soon")',
        "resource.matchTag('a', 'b')",
        "resource.colour == 'red'",
        "resource.name < 3",
    ],
)
def test_what_is_not_understood_makes_no_binding_apply_and_says_so(
    expression: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert _holds(expression) is False
    assert "Its binding does not apply" in caplog.text
