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
    ],
)
def test_what_is_understood(expression: str, expected: bool) -> None:
    assert _holds(expression) is expected


@pytest.mark.parametrize(
    "expression",
    [
        'request.time < timestamp("soon")',
        'request.time < timestamp("2027-01-01T00:00:00")',
        'resource.name.startsWith("projects/") || true',
        "resource.matchTag('a', 'b')",
    ],
)
def test_what_is_not_understood_makes_no_binding_apply_and_says_so(
    expression: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert _holds(expression) is False
    assert "its binding does not apply" in caplog.text
