"""Cloud Logging through the official client: write, list with filters and pages, tail, delete."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.logging_v2.services.logging_service_v2 import LoggingServiceV2Client
from google.cloud.logging_v2.types import (
    DeleteLogRequest,
    ListLogEntriesRequest,
    LogEntry,
    TailLogEntriesRequest,
    WriteLogEntriesPartialErrors,
    WriteLogEntriesRequest,
)

from gcpmlops.emulator.server import Running
from gcpmlops.emulator.settings import project_number

START = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def logging_client(google_environment: dict[str, str]) -> LoggingServiceV2Client:
    return LoggingServiceV2Client()


@pytest.fixture
def log_name(emulator: Running) -> str:
    return f"projects/{emulator.project}/logs/test-{uuid.uuid4().hex[:8]}"


def _write(client: LoggingServiceV2Client, log_name: str, count: int) -> None:
    entries = [
        LogEntry(text_payload=f"line {n}", severity=200 + 300 * (n % 2), timestamp=START + timedelta(seconds=n))
        for n in range(count)
    ]
    resource = {"type": "ml_job", "labels": {"job_id": "7"}}
    client.write_log_entries(WriteLogEntriesRequest(log_name=log_name, resource=resource, entries=entries))


def test_entries_come_back_in_order_and_in_pages(logging_client: LoggingServiceV2Client, log_name: str) -> None:
    _write(logging_client, log_name, 25)
    parent = log_name.rsplit("/", 2)[0]
    request = ListLogEntriesRequest(resource_names=[parent], filter=f'logName="{log_name}"', page_size=10)
    assert [e.text_payload for e in logging_client.list_log_entries(request)] == [f"line {n}" for n in range(25)]
    request.order_by = "timestamp desc"
    assert next(iter(logging_client.list_log_entries(request))).text_payload == "line 24"


def test_filters(logging_client: LoggingServiceV2Client, log_name: str) -> None:
    _write(logging_client, log_name, 10)
    parent = log_name.rsplit("/", 2)[0]
    since = f"{START + timedelta(seconds=4):%Y-%m-%dT%H:%M:%SZ}"
    text = f'logName="{log_name}" severity>=ERROR timestamp>="{since}" resource.labels.job_id="7"'
    found = logging_client.list_log_entries(ListLogEntriesRequest(resource_names=[parent], filter=text))
    assert [entry.text_payload for entry in found] == ["line 5", "line 7", "line 9"]
    with pytest.raises(exceptions.InvalidArgument, match="Invalid filter"):
        logging_client.list_log_entries(ListLogEntriesRequest(resource_names=[parent], filter="severity>="))


def test_an_entry_without_a_log_is_refused_whole(logging_client: LoggingServiceV2Client, log_name: str) -> None:
    entries = [LogEntry(log_name=log_name, text_payload="good"), LogEntry(text_payload="homeless")]
    with pytest.raises(exceptions.InvalidArgument, match=r"entries\[1\]\.log_name"):
        logging_client.write_log_entries(WriteLogEntriesRequest(entries=entries))
    with pytest.raises(exceptions.NotFound):
        logging_client.delete_log(DeleteLogRequest(log_name=log_name))


def test_tail_gives_what_arrives(logging_client: LoggingServiceV2Client, log_name: str) -> None:
    parent, ready = log_name.rsplit("/", 2)[0], threading.Event()

    def requests():  # type: ignore[no-untyped-def]
        yield TailLogEntriesRequest(resource_names=[parent], filter=f'logName="{log_name}" severity>=ERROR')
        ready.wait(30)

    writer = threading.Thread(target=_until_seen, args=(logging_client, log_name, ready))
    writer.start()  # first: the client's call returns with the first reply only
    stream = logging_client.tail_log_entries(requests())
    first = next(iter(stream))
    ready.set()
    writer.join()
    assert first.entries[0].text_payload == "line 1"
    stream.cancel()
    with pytest.raises((exceptions.Cancelled, grpc.RpcError)):
        list(stream)


def _until_seen(client: LoggingServiceV2Client, log_name: str, seen: threading.Event) -> None:
    """Writes again until the tail, which starts at an unknown moment, has shown something."""
    while not seen.is_set():
        _write(client, log_name, 2)
        seen.wait(0.1)


def test_delete_log(logging_client: LoggingServiceV2Client, log_name: str) -> None:
    _write(logging_client, log_name, 3)
    parent = log_name.rsplit("/", 2)[0]
    assert log_name in list(logging_client.list_logs(parent=parent))
    logging_client.delete_log(DeleteLogRequest(log_name=log_name))
    assert log_name not in list(logging_client.list_logs(parent=parent))


def test_with_partial_success_only_the_bad_entries_are_refused(
    logging_client: LoggingServiceV2Client, log_name: str
) -> None:
    entries = [LogEntry(text_payload="good"), LogEntry(text_payload="x" * (257 << 10)), LogEntry(log_name="projects/p")]
    request = WriteLogEntriesRequest(log_name=log_name, entries=entries)
    with pytest.raises(exceptions.InvalidArgument, match=r"entries\[1\]\.size.*2 entries are refused"):
        logging_client.write_log_entries(request)
    assert list(logging_client.list_log_entries(_all(log_name))) == []
    request.partial_success = True
    with pytest.raises(exceptions.InvalidArgument) as caught:
        logging_client.write_log_entries(request)
    detail = WriteLogEntriesPartialErrors.pb()()
    assert caught.value.details[0].Unpack(detail)
    assert sorted(detail.log_entry_errors) == [1, 2]
    assert "expected projects/P/logs/ID" in detail.log_entry_errors[2].message
    assert [entry.text_payload for entry in logging_client.list_log_entries(_all(log_name))] == ["good"]


def test_entries_out_of_their_time_are_accepted_and_not_listed(
    logging_client: LoggingServiceV2Client, log_name: str
) -> None:
    now = datetime.now(UTC)
    times = {"old": now - timedelta(days=31), "now": now, "ahead": now + timedelta(hours=25)}
    entries = [LogEntry(text_payload=text, timestamp=at) for text, at in times.items()]
    logging_client.write_log_entries(WriteLogEntriesRequest(log_name=log_name, entries=entries))
    assert [entry.text_payload for entry in logging_client.list_log_entries(_all(log_name))] == ["now"]


def test_the_projects_number_is_its_id(
    logging_client: LoggingServiceV2Client, emulator: Running, log_name: str
) -> None:
    logging_client.write_log_entries(WriteLogEntriesRequest(log_name=log_name, entries=[LogEntry(text_payload="a")]))
    parent = f"projects/{project_number(emulator.project)}"
    request = ListLogEntriesRequest(resource_names=[parent], filter=f'log_id("{log_name.rpartition("/")[2]}")')
    assert [entry.text_payload for entry in logging_client.list_log_entries(request)] == ["a"]


def test_monitored_resources_are_described(logging_client: LoggingServiceV2Client) -> None:
    found = {kind.type: kind for kind in logging_client.list_monitored_resource_descriptors({"page_size": 5})}
    assert [label.key for label in found["ml_job"].labels] == ["project_id", "job_id", "task_name"]


def _all(log_name: str) -> ListLogEntriesRequest:
    return ListLogEntriesRequest(resource_names=[log_name.rsplit("/", 2)[0]], filter=f'logName="{log_name}"')
