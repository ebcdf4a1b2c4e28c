"""Pub/Sub: messages from publish to pull through Google's own clients, beside Google's emulator where it is installed.

Rounds alternate between the two. Ours stores every message before it answers, Google's keeps them in memory.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc

from benchmarks._measure import Line, environment, medians
from benchmarks._servers import PROJECT, emulator, free_port

_ROUNDS = 3
_MESSAGES, _BYTES = 10_000, 200
_BATCH = 1_000  # messages of a publish call, and of a pull
_PEER = "Google's emulator"


class Side:
    """One server and the official clients; a topic to call for messages, and one whose messages stream in.

    Args:
        channel: to the server.
    """

    def __init__(self, channel: grpc.Channel) -> None:
        from google.cloud import pubsub_v1
        from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
        from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

        batches = pubsub_v1.types.BatchSettings(max_messages=_BATCH, max_bytes=5_000_000, max_latency=0.01)
        self._publisher = pubsub_v1.PublisherClient(batches, transport=PublisherGrpcTransport(channel=channel))
        self._subscriber = pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        self._arrived = threading.Semaphore(0)
        for name in ("calls", "stream"):
            self._publisher.create_topic(name=_topic(name))
            subscription = {"name": _subscription(name), "topic": _topic(name), "ack_deadline_seconds": 600}
            self._subscriber.create_subscription(request=subscription)
        self._stream = self._subscriber.subscribe(_subscription("stream"), callback=self._handle)

    def calls(self) -> float:
        """Messages/s of publish and pull calls, a thousand messages each: hardly more than the server's own speed."""
        data = [{"data": bytes(_BYTES), "attributes": {"n": str(number)}} for number in range(_BATCH)]
        started, left = time.perf_counter(), _MESSAGES
        publishing = threading.Thread(target=lambda: [self._publish("calls", data) for _ in range(_MESSAGES // _BATCH)])
        publishing.start()
        while left:
            pulled = self._subscriber.pull(subscription=_subscription("calls"), max_messages=_BATCH).received_messages
            if pulled:
                ids = [received.ack_id for received in pulled]
                self._subscriber.acknowledge(subscription=_subscription("calls"), ack_ids=ids)
                left -= len(ids)
        publishing.join()
        return _MESSAGES / (time.perf_counter() - started)

    def callbacks(self) -> float:
        """Messages/s of `publish` and `subscribe`, message by message with batches of the client's making."""
        data, started = bytes(_BYTES), time.perf_counter()
        for _ in range(_MESSAGES):
            self._publisher.publish(_topic("stream"), data)
        self._await(_MESSAGES)
        return _MESSAGES / (time.perf_counter() - started)

    def latency(self) -> float:
        """Milliseconds from a publish call to its message in a callback, the mean of 200."""
        started = time.perf_counter()
        for _ in range(200):
            self._publish("stream", [{"data": b"x"}])
            self._await(1)
        return (time.perf_counter() - started) / 200 * 1e3

    def close(self) -> None:
        self._stream.cancel()
        self._stream.result()

    def _handle(self, message: Any) -> None:
        message.ack()
        self._arrived.release()

    def _await(self, count: int) -> None:
        for _ in range(count):
            if not self._arrived.acquire(timeout=60):
                raise RuntimeError("a message did not arrive")

    def _publish(self, topic: str, messages: list[dict[str, Any]]) -> None:
        from google.pubsub_v1.services.publisher import PublisherClient

        PublisherClient.publish(self._publisher, topic=_topic(topic), messages=messages)


def _topic(name: str) -> str:
    return f"projects/{PROJECT}/topics/{name}"


def _subscription(name: str) -> str:
    return f"projects/{PROJECT}/subscriptions/{name}"


def lines() -> Iterator[Line]:
    with ExitStack() as stack:
        channels = {"ours": _ours()}
        jar = _jar()
        if jar is not None:
            channels["peer"] = _google(jar)
        sides = {key: Side(stack.enter_context(channel)) for key, channel in channels.items()}
        for side in sides.values():
            stack.callback(side.close)
        yield _line("publish and pull calls of 1,000 messages", "messages/s", sides, Side.calls)
        yield _line("publish() to callback, message by message", "messages/s", sides, Side.callbacks)
        yield _line("one message's way from publish to callback", "ms", sides, Side.latency)


def _line(name: str, unit: str, sides: dict[str, Side], measure: Callable[[Side], float]) -> Line:
    taken = medians({key: lambda side=side: measure(side) for key, side in sides.items()}, _ROUNDS)  # type: ignore[misc]
    return Line(name, taken["ours"], taken.get("peer"), unit, 1.0, at_least=unit != "ms", peer_name=_PEER)


@contextmanager
def _ours() -> Iterator[grpc.Channel]:
    with emulator() as server:
        token = server.token
        with _channel(server.port, token) as channel:
            yield channel


@contextmanager
def _google(jar: Path) -> Iterator[grpc.Channel]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["java", "-jar", str(jar), "--host=127.0.0.1", f"--port={port}"]
        process = subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            with _channel(port, "") as channel:
                yield channel
        finally:
            process.terminate()
            process.wait(20)


@contextmanager
def _channel(port: int, token: str) -> Iterator[grpc.Channel]:
    """Both servers are reached alike: plaintext on the loopback, with a token that Google's does not look at."""

    def sign(_: Any, callback: Any) -> None:
        callback((("authorization", f"Bearer {token}"),), None)

    signed = grpc.composite_channel_credentials(grpc.local_channel_credentials(), grpc.metadata_call_credentials(sign))
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    with grpc.secure_channel(f"127.0.0.1:{port}", signed, options=options) as channel:
        grpc.channel_ready_future(channel).result(60)
        yield channel


def _jar() -> Path | None:
    """Google's emulator, of the Cloud SDK that `gcloud` belongs to."""
    gcloud = shutil.which("gcloud")
    if gcloud is None or shutil.which("java") is None:
        return None
    root = Path(gcloud).resolve().parents[1]
    found = sorted(root.glob("platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"))
    return found[-1] if found else None


if __name__ == "__main__":
    for row in lines():
        print(f"{row.name}: {row.ours:,.3f} {row.unit}, {row.peer} ({row.peer_name})", file=sys.stdout, flush=True)
