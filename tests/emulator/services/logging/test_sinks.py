"""Sinks at work: what is sent, in which order, after errors, restarts and changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.logging_v2 import types
from google.cloud.logging_v2.types import LogEntry

from gcpmlops.emulator.services.logging import sink_errors
from gcpmlops.emulator.services.logging.config import ConfigServiceV2
from gcpmlops.emulator.services.logging.sinks import Sinks

TOPIC = "pubsub.googleapis.com/projects/p1/topics/t"
BUCKET = "storage.googleapis.com/some-bucket"


class Taken:
    """A destination that keeps what it gets, and fails when it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.error: Exception | None = None

    def send(self, entries: Any) -> None:
        if self.error is not None:
            raise self.error
        self.calls.append([entry.text_payload for entry in entries])

    @property
    def texts(self) -> list[str]:
        return [text for call in self.calls for text in call]


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def sinks_of(log: Any, taken: Taken) -> Callable[[], Any]:
    """Makes the sinks over the same store, as each start of the emulator does."""

    @contextmanager
    def made() -> Iterator[tuple[Sinks, ConfigServiceV2]]:
        def write(name: str, resource: Any, severity: str, text: Any, labels: Any = None) -> None:
            entry = LogEntry.pb(LogEntry(log_name=name, severity=severity, text_payload=text, labels=labels))
            log.entries.append([entry])

        sinks = Sinks(log.context, log.entries, lambda where, sink: taken, sink_errors.SinkErrors(write))
        yield sinks, ConfigServiceV2(log.context, sinks)
        sinks.close()
        log.entries.on_receive.clear()

    return made


def _settle(log: Any, by: timedelta = timedelta(0)) -> None:
    log.context.agenda.travel(log.context.clock.now() + by)


def _create(config: ConfigServiceV2, name: str = "s", destination: str = TOPIC, **fields: Any) -> types.LogSink:
    sink = types.LogSink(name=name, destination=destination, **fields)
    return config.create_sink(types.CreateSinkRequest(parent="projects/p1", sink=sink, unique_writer_identity=True))


def test_a_sink_gets_what_it_wants_from_its_creation_on(log: Any, taken: Taken, sinks_of: Any) -> None:
    with sinks_of() as (_, config):
        log.write("before")
        exclusions = [{"name": "e", "filter": "textPayload:noise"}, {"name": "off", "filter": "a", "disabled": True}]
        made = _create(config, filter="severity>=ERROR", exclusions=exclusions)
        assert made.writer_identity.startswith("serviceAccount:service-")
        log.write("a", "noise", "b", severity=500)
        log.write("unimportant")
        log.write("other", log_name="projects/p2/logs/x", severity=500)
        _settle(log)
        assert taken.texts == ["a", "b"]


def test_what_was_accepted_before_a_kill_is_sent_after_the_restart(log: Any, taken: Taken, sinks_of: Any) -> None:
    with sinks_of() as (_, config):
        _create(config)
        taken.error = exceptions.NotFound("Topic not found")
        log.write("a")
        _settle(log)
    log.write("b")  # stored, and the process died before it was sent
    taken.error = None
    with sinks_of():
        _settle(log)
    assert [text for text in taken.texts if len(text) == 1] == ["a", "b"]


def test_errors_are_told_once_and_what_waits_comes_later_in_order(log: Any, taken: Taken, sinks_of: Any) -> None:
    with sinks_of() as (_, config):
        _create(config, filter='NOT log_id("logging.googleapis.com/sink_error")')
        taken.error = exceptions.NotFound("Topic not found")
        log.write("a")
        _settle(log)
        log.write("b")
        _settle(log, timedelta(minutes=5))
        errors = [text for text in log.texts() if "sink configuration error" in text]
        assert errors == ["Cloud Logging sink configuration error in p1, sink s: topic_not_found (Topic not found)"]
        taken.error = None
        _settle(log, timedelta(hours=1))
        assert taken.texts == ["a", "b"]


def test_files_are_written_when_the_hour_is_over_and_at_the_end(log: Any, taken: Taken, sinks_of: Any) -> None:
    with sinks_of() as (_, config):
        _create(config, destination=BUCKET)
        log.write("12:10")
        _settle(log, timedelta(minutes=49))
        log.write("12:59")
        assert taken.calls == []
        _settle(log, timedelta(minutes=1))
        assert taken.calls == [["12:10", "12:59"]]
        log.write("13:00")
        _settle(log)
        assert len(taken.calls) == 1
    assert taken.calls[1:] == [["13:00"]]


def test_exclusions_keep_entries_from_readers_but_not_from_sinks(log: Any, taken: Taken, sinks_of: Any) -> None:
    with sinks_of() as (_, config):
        request = types.CreateExclusionRequest(parent="projects/p1", exclusion={"name": "x", "filter": "noise"})
        config.create_exclusion(request)
        with pytest.raises(exceptions.AlreadyExists):
            config.create_exclusion(request)
        log.write("noise 1")
        _create(config)
        log.write("noise 2", "a")
        _settle(log)
        assert taken.texts == ["noise 2", "a"]
        assert log.texts() == ["a"]
        update = types.UpdateExclusionRequest(
            name="projects/p1/exclusions/x", exclusion={"disabled": True}, update_mask={"paths": ["disabled"]}
        )
        assert config.update_exclusion(update).filter == "noise"
        log.write("noise 3")
        assert log.texts() == ["a", "noise 3"]
        config.delete_exclusion(types.DeleteExclusionRequest(name="projects/p1/exclusions/x"))
        assert list(config.list_exclusions(types.ListExclusionsRequest(parent="projects/p1")).exclusions) == []
    with sinks_of():  # what sinks alone had waited for is not kept
        rows = log.entries.routed("projects/p1", 0, 10)
        assert len(rows) == 2


def test_a_disabled_sink_sends_nothing_of_that_time(log: Any, taken: Taken, sinks_of: Any) -> None:
    with sinks_of() as (_, config):
        _create(config, disabled=True)
        log.write("a")
        update = types.UpdateSinkRequest(sink_name="projects/p1/sinks/s", update_mask={"paths": ["disabled"]})
        config.update_sink(update)
        log.write("b")
        _settle(log)
        assert taken.texts == ["b"]
        config.delete_sink(types.DeleteSinkRequest(sink_name="projects/p1/sinks/s"))
        log.write("c")
        _settle(log)
        assert taken.texts == ["b"]


def test_the_default_sink_can_be_switched_off(log: Any, sinks_of: Any) -> None:
    with sinks_of() as (_, config):
        name = "projects/p1/sinks/_Default"
        assert [sink.name for sink in config.list_sinks(types.ListSinksRequest(parent="projects/p1")).sinks] == [
            "_Required",
            "_Default",
        ]
        sink = {"exclusions": [{"name": "e", "filter": "noise"}]}
        update = types.UpdateSinkRequest(sink_name=name, sink=sink, update_mask={"paths": ["exclusions"]})
        assert "LOG_ID" in config.update_sink(update).filter
        audit = "projects/p1/logs/cloudaudit.googleapis.com%2Factivity"
        log.write("noise", "a")
        log.write("noise in an audit log", log_name=audit)
        config.update_sink(
            types.UpdateSinkRequest(sink_name=name, sink={"disabled": True}, update_mask={"paths": ["disabled"]})
        )
        log.write("b")
        assert log.texts() == ["a", "noise in an audit log"]
        for action in (
            lambda: config.delete_sink(types.DeleteSinkRequest(sink_name=name)),
            lambda: config.update_sink(types.UpdateSinkRequest(sink_name="projects/p1/sinks/_Required")),
        ):
            with pytest.raises(exceptions.InvalidArgument):
                action()


@pytest.mark.parametrize(
    ("sink", "error"),
    [
        ({"name": "s", "destination": "gs://b"}, exceptions.InvalidArgument),
        ({"name": "s", "destination": TOPIC, "filter": "severity>="}, exceptions.InvalidArgument),
        ({"name": "a/b", "destination": TOPIC}, exceptions.InvalidArgument),
        ({"name": "s", "destination": "logging.googleapis.com/projects/p2"}, exceptions.MethodNotImplemented),
        (
            {"name": "s", "destination": "logging.googleapis.com/projects/p1/locations/eu/buckets/b"},
            exceptions.MethodNotImplemented,
        ),
    ],
)
def test_sinks_that_cannot_be(sinks_of: Any, sink: dict[str, str], error: type[Exception]) -> None:
    with sinks_of() as (_, config), pytest.raises(error):
        config.create_sink(types.CreateSinkRequest(parent="projects/p1", sink=sink))


def test_buckets_can_be_read(sinks_of: Any) -> None:
    with sinks_of() as (_, config):
        found = config.list_buckets(types.ListBucketsRequest(parent="projects/p1/locations/-")).buckets
        assert {bucket.name.rpartition("/")[2]: bucket.retention_days for bucket in found} == {
            "_Default": 30,
            "_Required": 400,
        }
        assert config.get_bucket(types.GetBucketRequest(name=found[0].name)) == found[0]
        with pytest.raises(exceptions.NotFound):
            config.get_bucket(types.GetBucketRequest(name="projects/p1/locations/global/buckets/x"))


def test_a_sink_of_another_version_does_not_stop_the_start(log: Any, sinks_of: Any) -> None:
    stored = types.LogSink(name="old", destination=TOPIC, filter="nosuchfunction(1)")
    log.context.store.collection(types.LogSink).put("projects/p1/sinks/old", stored, parent="projects/p1")
    with sinks_of() as (_, config):
        log.write("a")
        assert config.get_sink(types.GetSinkRequest(sink_name="projects/p1/sinks/old")) == stored
        config.delete_sink(types.DeleteSinkRequest(sink_name="projects/p1/sinks/old"))
