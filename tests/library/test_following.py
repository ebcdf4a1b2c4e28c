"""Logs as they come: streamed, or listed where the stream is refused; each line once, until the job has ended."""

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from gcpmlops import Client, _waiting
from gcpmlops._following import Following
from gcpmlops.exceptions import DeadlineExceeded

COUNTING = "import time\nfor n in range(6):\n    print(n, time.time(), flush=True)\n    time.sleep(0.2)\n"
IMAGE = "python:3.11"


def submit(client: Client, code: str) -> Any:
    return client.training.submit(image=IMAGE, command=["python3", "-c", code], display_name="following")


def own(lines: Any) -> list[str]:
    return [line.text for line in lines if line.task == "workerpool0-0"]


@pytest.fixture
def refusing(client: Client, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Streams that end at once, as where too many are open; counts them."""
    opened: list[int] = []

    class Call:
        def __init__(self, requests: Iterator[Any]) -> None:
            opened.append(1)

        def __iter__(self) -> Iterator[Any]:
            raise grpc.RpcError("RESOURCE_EXHAUSTED")

        def cancel(self) -> None: ...

    transport = type(client.clients.logging.transport)
    monkeypatch.setattr(transport, "tail_log_entries", property(lambda self: Call))
    return opened


def test_lines_come_once_and_while_it_runs(client: Client, staging: str) -> None:
    job = submit(client, COUNTING)
    lines, states = [], set()
    for line in client.training.logs(job.id, follow=True):
        lines.append(line)
        if line.text.startswith("0 "):
            states.add(client.training.get(job.id).state.name)
    assert states == {"JOB_STATE_RUNNING"}
    assert [text.split()[0] for text in own(lines)] == list("012345")
    assert client.training.get(job.id).state.name == "JOB_STATE_SUCCEEDED"
    assert own(lines) == own(client.training.logs(job.id))


def test_of_a_job_that_has_ended(client: Client, staging: str) -> None:
    job = submit(client, "print('over')")
    job.wait(timeout=60)
    assert own(client.training.logs(job.id, follow=True)) == ["over"]


def test_a_refused_stream_is_no_loss(client: Client, staging: str, refusing: list[int]) -> None:
    job = submit(client, COUNTING)
    assert [text.split()[0] for text in own(client.training.logs(job.id, follow=True))] == list("012345")
    assert refusing


def test_wait_forwards_states_and_lines(client: Client, staging: str) -> None:
    lines: list[Any] = []
    states: list[str] = []
    job = submit(client, "print('hello')")
    job.wait(timeout=60, on_log=lines.append, on_state=lambda seen: states.append(seen.state.name))
    assert own(lines) == ["hello"]
    assert states[-1] == "JOB_STATE_SUCCEEDED"
    quiet: list[str] = []
    submit(client, "pass").wait(timeout=60, on_state=lambda seen: quiet.append(seen.state.name))
    assert quiet[-1] == "JOB_STATE_SUCCEEDED"


def test_the_services_last_line_wakes_the_wait(client: Client, staging: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an hour between two looks only that can end it."""
    real = _waiting.pauses
    monkeypatch.setattr(_waiting, "pauses", lambda first=0.1: real(first if first < 0.1 else 3600.0))
    job = submit(client, "print('hello')")
    lines: list[Any] = []
    assert job.wait(on_log=lines.append).state.name == "JOB_STATE_SUCCEEDED"
    assert own(lines) == ["hello"]


def test_a_wait_that_is_left_closes_its_stream(client: Client, staging: str) -> None:
    job = submit(client, "import time\nprint('up', flush=True)\ntime.sleep(300)\n")
    with pytest.raises(DeadlineExceeded, match=f"training cancel {job.id}"):
        job.wait(timeout=1, on_log=lambda line: None)
    for line in client.training.logs(job.id, follow=True):
        if line.text == "up":
            break
    job.cancel()
    following = Following(client.clients, lambda: client.training.get(job.id))
    assert "up" in own(following.lines())
    assert following.job.state.name == "JOB_STATE_CANCELLED"
    assert not [thread for thread in threading.enumerate() if thread.name == "log-stream"]


def test_ctrl_c_says_that_the_job_goes_on(client: Client, staging: str) -> None:
    job = submit(client, "import time\nprint('up', flush=True)\ntime.sleep(300)\n")

    def interrupt(_: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        job.wait(on_log=interrupt)
    (note,) = caught.value.__notes__
    assert f"gcpmlops training cancel {job.id}" in note
    assert job.refresh().state.name in ("JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_QUEUED")
    job.cancel()


def test_only_the_last_lines_are_read_of_a_long_log(client: Client, staging: str) -> None:
    from gcpmlops._jobs.logs import JobLogs

    job = submit(client, "for n in range(3000):\n    print(n)\n")
    job.wait(timeout=60)
    assert own(JobLogs(client.clients, job.name).last(20))[-1] == "2999"
    assert len(JobLogs(client.clients, job.name).last(20)) == 20
    assert len(own(client.training.logs(job.id))) == 3000


def test_entries_of_every_form(client: Client) -> None:
    from google.cloud.logging_v2.types import LogEntry

    from gcpmlops._jobs.logs import JobLogs

    project = client.config.require("project")
    resource = {"type": "ml_job", "labels": {"job_id": "forms", "task_name": "workerpool1-2"}}
    common: dict[str, Any] = {"log_name": f"projects/{project}/logs/forms", "resource": resource}
    entries = [
        LogEntry(**common, text_payload="plain", severity="WARNING"),
        LogEntry(**common, json_payload={"message": "structured", "levelname": "INFO"}),
        LogEntry(**common, json_payload={"loss": 0.5}),
        LogEntry(**common, json_payload={"message": {"nested": True}}),
    ]
    client.clients.logging.write_log_entries(entries=entries)
    lines = list(JobLogs(client.clients, "projects/p/locations/l/customJobs/forms").new_lines())
    assert [line.text for line in lines] == ["plain", "structured", '{"loss": 0.5}', "{'nested': True}"]
    assert [line.severity for line in lines] == ["WARNING", "DEFAULT", "DEFAULT", "DEFAULT"]
    assert {line.task for line in lines} == {"workerpool1-2"}
    assert all(line.time and line.time.tzinfo for line in lines)
