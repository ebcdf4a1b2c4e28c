"""Messages through topic, push subscription and HTTP handler; a tenth of the calls fails, and the emulator is killed.

`python at_least_once.py FOLDER [MESSAGES]` starts an emulator of its own in FOLDER and prints what it counted.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.pubsub_v1.types import PublishRequest, PushConfig, Subscription

from gcpmlops import Client
from gcpmlops.emulator import launch

BATCH = 50
PATIENCE_S = 300


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The killed emulator's connections break: that is meant."""


class Handler:
    """An endpoint: fails every tenth call, and remembers what it handled."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.handled: Counter[int] = Counter()
        self.calls = 0
        self.changed = threading.Condition()
        outer = self

        class Requests(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(outer.answer(int(base64.b64decode(json.loads(body)["message"]["data"]))))
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Requests)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, number: int) -> int:
        with self.changed:
            self.calls += 1
            if self.calls % 10 == 0:
                return 500
            self.handled[number] += 1
            self.changed.notify_all()
            return 204

    def wait_for(self, count: int) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: len(self.handled) >= count, PATIENCE_S):
                raise SystemExit(f"{len(self.handled)} of {count} messages were handled")


class Emulator:
    """One that can be killed and started again; calls that it left unanswered are made again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.up = threading.Event()
        self.start()

    def start(self) -> None:
        self.state = launch.start(self.folder)
        key = str(self.folder / "credentials.json")
        self.client = Client(project=self.state.project, endpoint=self.state.endpoint, credentials_file=key)
        self.up.set()

    def kill(self) -> None:
        self.up.clear()
        os.kill(self.state.pid, signal.SIGKILL)
        launch.stop(self.state)  # reaps it
        self.client.close()

    def publish(self, topic: str, numbers: range) -> None:
        """Returns once it was acknowledged."""
        request = PublishRequest(topic=topic, messages=[{"data": str(number).encode()} for number in numbers])
        while True:
            self.up.wait(PATIENCE_S)
            try:
                self.client.clients.publisher.publish(request, retry=None, timeout=20)
                return
            except (
                exceptions.GoogleAPICallError,
                ValueError,
            ):  # it was killed meanwhile (a closed channel: ValueError)
                continue


def main(folder: Path, messages: int) -> dict[str, Any]:
    handler, emulator = Handler(messages), Emulator(folder)
    topic = f"projects/{emulator.state.project}/topics/work"
    config = PushConfig(push_endpoint=f"http://127.0.0.1:{handler.server.server_port}/")
    subscription = Subscription(name=topic.replace("topics", "subscriptions"), topic=topic, push_config=config)
    emulator.client.clients.publisher.create_topic(name=topic)
    emulator.client.clients.subscriber.create_subscription(subscription)
    started = time.monotonic()

    def publish() -> None:
        for first in range(0, messages, BATCH):
            if first == messages * 4 // 5:
                handler.wait_for(messages // 3)  # so that publishing is under way when it is killed
            emulator.publish(topic, range(first, min(first + BATCH, messages)))

    publishing = threading.Thread(target=publish)
    publishing.start()
    handler.wait_for(messages // 3)
    emulator.kill()
    before = len(handler.handled)
    emulator.start()
    publishing.join()
    handler.wait_for(messages)
    taken = time.monotonic() - started
    launch.stop(emulator.state)
    emulator.client.close()
    handler.server.shutdown()
    handler.server.server_close()
    return {
        "handled": len(handler.handled),
        "before the kill": before,
        "more than once": sum(count > 1 for count in handler.handled.values()),
        "calls": handler.calls,
        "seconds": round(taken, 1),
    }


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 10_000)))
