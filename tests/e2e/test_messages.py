"""Messages through a topic and its push subscription to a function that fails, in an emulator that is killed.

`MESSAGES=10000 pytest tests/e2e/test_messages.py` sends as many as were measured; the suite sends fewer.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from gcpmlops import Client
from gcpmlops.emulator.clock_client import EmulatorClock

from .conftest import SCRIPTS, until
from .test_kill import family, kill, start  # noqa: F401 - a fixture

pytestmark = pytest.mark.xdist_group("e2e-messages")
MESSAGES = int(os.environ.get("MESSAGES", "500"))
BATCH = 100
PATIENCE_S = 60 + MESSAGES / 20


class Book:
    """What the function wrote down."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def numbers(self, kind: str) -> Counter[int]:
        """How often each message was `handled`, or `failed`."""
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        return Counter(int(number) for found, _, number in (line.partition(" ") for line in lines) if found == kind)


def publish(client: Client, topic: str, numbers: range) -> None:
    """Returns once they are acknowledged."""
    for first in range(numbers.start, numbers.stop, BATCH):
        part = numbers[first - numbers.start :][:BATCH]
        client.clients.publisher.publish(topic=topic, messages=[{"data": b"%d" % number} for number in part])


def test_a_function_handles_every_message_though_it_fails_and_the_emulator_is_killed(start, tmp_path: Path) -> None:  # noqa: F811
    book = Book(tmp_path / "handled.txt")
    state, client = start()
    topic = f"projects/{state.project}/topics/work"
    client.clients.publisher.create_topic(name=topic)
    client.functions.deploy(
        "handler", source=SCRIPTS / "handle_main.py", entry_point="handle", topic=topic, retry=True,
        env={"HANDLED_FILE": str(book.path)}, concurrency=32,
    )  # fmt: skip
    publish(client, topic, range(MESSAGES * 4 // 5))
    until(lambda: len(book.numbers("handled")) >= MESSAGES // 3, timeout=PATIENCE_S)
    kill(state)
    before = len(book.numbers("handled"))
    assert before < MESSAGES
    until(lambda: not family(tmp_path / "data"))

    state, client = start()
    publish(client, topic, range(MESSAGES * 4 // 5, MESSAGES))
    clock = EmulatorClock(state)
    until(lambda: clock.advance("10m").done == 0, timeout=PATIENCE_S)  # failed ones are due again later and later
    handled, failed = book.numbers("handled"), book.numbers("failed")
    assert sorted(handled) == list(range(MESSAGES))
    assert before < len(handled)
    assert failed.total() >= (handled.total() + failed.total()) // 10 - 4  # each process counts its own calls
    (subscription,) = client.clients.subscriber.list_subscriptions(project=f"projects/{state.project}")
    assert client.functions.get("handler").state == "ACTIVE"
    client.functions.delete("handler")
    assert list(client.clients.subscriber.list_subscriptions(project=f"projects/{state.project}")) == []
    assert subscription.topic == topic
