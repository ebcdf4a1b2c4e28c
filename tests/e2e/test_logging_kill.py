"""A sink at work, and kill -9 of the emulator: what was accepted is delivered."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from gcpmlops import Client, exceptions
from gcpmlops.emulator import launch
from gcpmlops.emulator.server import Running

from .conftest import until

pytestmark = pytest.mark.xdist_group("e2e-kill")


def _connect(state: Running) -> Client:
    credentials = str(Path(state.data_dir) / "credentials.json")
    return Client(project=state.project, endpoint=state.endpoint, credentials_file=credentials)


class Writer(threading.Thread):
    """Writes entries until the emulator is gone; keeps what was acknowledged."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self.client = client
        self.accepted: list[str] = []

    def run(self) -> None:
        number = 0
        try:
            while True:
                self.client.logs.write(str(number), log="steps")
                self.accepted.append(str(number))
                number += 1
        except exceptions.GcpMlopsError:
            return


def test_what_was_accepted_is_delivered_after_a_kill(tmp_path: Path) -> None:
    state = launch.start(tmp_path / "data", ())
    client = _connect(state)
    topic, subscription = f"projects/{state.project}/topics/steps", f"projects/{state.project}/subscriptions/steps"
    client.clients.publisher.create_topic(name=topic)
    client.clients.subscriber.create_subscription(name=subscription, topic=topic)
    client.logs.ensure_sink("steps", destination=topic, filter='log_id("steps")')
    writer = Writer(client)
    writer.start()
    until(lambda: len(writer.accepted) > 200)
    os.kill(state.pid, signal.SIGKILL)
    launch.stop(state)  # reaps it
    writer.join()
    state = launch.start(tmp_path / "data", ())
    try:
        with _connect(state) as again:
            got: set[str] = set()
            until(lambda: _take(again, subscription, got) and set(writer.accepted) <= got)
            client.close()
    finally:
        launch.stop(state)


def _take(client: Client, subscription: str, got: set[str]) -> bool:
    subscriber: Any = client.clients.subscriber
    messages = subscriber.pull(subscription=subscription, max_messages=1000).received_messages
    got.update(json.loads(each.message.data)["textPayload"] for each in messages)
    if messages:
        subscriber.acknowledge(subscription=subscription, ack_ids=[each.ack_id for each in messages])
    return True
