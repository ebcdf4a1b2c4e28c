"""The table of entries tells its listeners what is new, and hides what is excluded."""

from __future__ import annotations

import logging
from typing import Any

import pytest


def test_listeners_get_what_is_stored_once(log: Any) -> None:
    got: list[list[str]] = []
    log.entries.on_append.append(lambda entries: got.append([entry.text_payload for entry in entries]))
    log.write("a", "b")
    log.write("again", insert_id="7")
    log.write("again", insert_id="7")  # the same entry: a client's retry
    log.write("again", "else", insert_id="8")  # of two with one id in one call, one is stored
    assert got[:2] == [["a", "b"], ["again"]]
    assert log.texts() == ["a", "b", "again", "again"]


def test_a_listener_that_fails_does_not_fail_the_writer(log: Any, caplog: pytest.LogCaptureFixture) -> None:
    got: list[int] = []
    log.entries.on_append += [lambda _: 1 / 0, lambda entries: got.append(len(entries))]
    with caplog.at_level(logging.ERROR):
        log.write("a")
    assert got == [1]
    assert "a listener failed" in caplog.text


@pytest.mark.parametrize("routed", [True, False])
def test_excluded_entries_reach_metrics_and_sinks_only(log: Any, routed: bool) -> None:
    appended: list[str] = []
    received: list[str] = []
    log.entries.keeps = lambda entry: entry.text_payload != "noise"
    log.entries.is_routed = lambda: routed
    log.entries.on_append.append(lambda entries: appended.extend(entry.text_payload for entry in entries))
    log.entries.on_receive.append(lambda entries: received.extend(entry.text_payload for entry in entries))
    log.write("a", "noise", "b")
    assert log.texts() == appended == ["a", "b"]
    assert received == ["a", "noise", "b"]
    assert log.entries.last() == (3 if routed else 2)


def test_a_deleted_log_is_gone_for_readers_and_there_for_sinks(log: Any) -> None:
    log.write("a")
    log.entries.is_routed = lambda: True
    assert log.entries.delete_log("projects/p1/logs/app") == 1
    assert log.entries.delete_log("projects/p1/logs/app") == 0
    assert log.texts() == []
    assert log.entries.last() == 1
