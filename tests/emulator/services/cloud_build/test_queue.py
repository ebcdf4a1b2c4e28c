"""Turns of builds."""

from __future__ import annotations

import threading

from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.services.cloud_build.queue import Turn, Turns


def test_turns_are_taken_given_back_and_waited_for():
    turns, nobody = Turns(1), Cancellation()
    assert turns.take(nobody, 0) is Turn.TAKEN
    assert turns.take(nobody, 0.01) is Turn.EXPIRED
    found = []
    waiting = threading.Thread(target=lambda: found.append(turns.take(nobody, 30)))
    waiting.start()
    turns.give_back()
    waiting.join(30)
    assert found == [Turn.TAKEN]


def test_who_waits_can_be_cancelled():
    turns, cancellation = Turns(0), Cancellation()
    found = []
    waiting = threading.Thread(target=lambda: found.append(turns.take(cancellation, 30)))
    waiting.start()
    cancellation.request()
    waiting.join(30)
    assert found == [Turn.CANCELLED]
    assert turns.take(cancellation, 0) is Turn.CANCELLED
