"""Logs: the handlers' lines, the sender, queries, metrics and sinks; the ELK stack's files."""

from __future__ import annotations

import io
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.api_core import exceptions as theirs

from gcpmlops import Client, exceptions
from gcpmlops._logs import ecs_form, sending, trace
from gcpmlops.config import Config, Runtime

ELK = Path(__file__).parents[2] / "infra" / "elk"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}


@pytest.fixture
def named() -> Iterator[logging.Logger]:
    """A logger of its own, that hands nothing on."""
    logger = logging.Logger("app.train", logging.DEBUG)
    yield logger
    for handler in logger.handlers:
        handler.close()


@pytest.fixture
def offline() -> Client:
    return Client(project="p1")


def _lines(client: Client, logger: logging.Logger, say: Callable[[], object], **handler: Any) -> list[dict[str, Any]]:
    stream = io.StringIO()
    logger.addHandler(client.logs.handler(to=stream, **handler))
    say()
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _fail(logger: logging.Logger) -> None:
    try:
        {}["nothing"]
    except KeyError:
        logger.exception("step %d failed", 3, extra={"json_fields": {"step": 3}, "labels": {"team": "blue"}})


def test_a_line_as_google_reads_it(offline: Client, named: logging.Logger) -> None:
    def say() -> None:
        with offline.logs.bind(HEADERS, labels={"run": "r1"}):
            named.warning("loss %.2f", 0.5, extra={"loss": 0.5, "path": Path("/x"), "nan": float("nan")})

    (line,) = _lines(offline, named, say, labels={"env": "test"})
    assert line["severity"] == "WARNING"
    assert (line["message"], line["loss"], line["path"], line["nan"]) == ("loss 0.50", 0.5, "/x", "nan")
    assert line["logging.googleapis.com/trace"] == f"projects/p1/traces/{TRACE}"
    assert (line["logging.googleapis.com/spanId"], line["logging.googleapis.com/trace_sampled"]) == (
        "00f067aa0ba902b7",
        True,
    )
    assert line["logging.googleapis.com/labels"] == {"env": "test", "run": "r1"}
    assert line["logging.googleapis.com/sourceLocation"]["function"] == "say"
    assert datetime.fromisoformat(line["time"]).tzinfo is not None


def test_an_exception_is_one_for_error_reporting(offline: Client, named: logging.Logger) -> None:
    (line,) = _lines(offline, named, lambda: _fail(named), service="trainer", version="7")
    assert line["@type"].endswith("ReportedErrorEvent")
    assert line["stack_trace"].startswith("Traceback (most recent call last):")
    assert line["stack_trace"].endswith("KeyError: 'nothing'")
    assert line["serviceContext"] == {"service": "trainer", "version": "7"}
    assert line["context"]["reportLocation"]["functionName"] == "_fail"
    assert (line["step"], line["message"]) == (3, "step 3 failed")


def test_lines_that_logging_could_not_format_are_kept(offline: Client, named: logging.Logger) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    def say() -> None:
        named.info("%d apples", "no number")
        named.info("object", extra={"thing": Broken(), "deep": {"a": [1, {2}]}})

    first, second = _lines(offline, named, say)
    assert "%d apples" in first["message"]
    assert "can't be shown" in second["thing"]
    assert second["deep"] == {"a": [1, [2]]}


def test_a_line_in_ecs(offline: Client, named: logging.Logger) -> None:
    def say() -> None:
        with offline.logs.bind(trace_id=TRACE):
            named.info("ok", extra={"json_fields": {"model": "m", "auc": 0.9, "rows": [1, 2]}})
            _fail(named)

    first, second = _lines(offline, named, say, form="ecs", service="trainer")
    assert (first["log.level"], first["ecs.version"], first["message"]) == ("info", "8.11.0", "ok")
    assert first["trace"] == {"id": TRACE}
    assert first["service"] == {"name": "trainer"}
    assert (first["labels"], first["numeric_labels"]) == ({"model": "m"}, {"auc": 0.9})
    assert first["gcpmlops"] == {"rows": [1, 2]}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["@timestamp"])
    assert (second["error"]["type"], second["log.level"]) == ("KeyError", "error")
    assert second["error"]["stack_trace"].startswith("Traceback")
    assert second["labels"] == {"team": "blue"}


def _paths(value: Any, above: str = "") -> Iterator[str]:
    for key, item in value.items():
        path = f"{above}{key}"
        if isinstance(item, dict) and path not in ecs_form.FIELDS:
            yield from _paths(item, f"{path}.")
        else:
            yield path


def test_every_field_of_a_line_has_its_type_in_the_index(offline: Client, named: logging.Logger) -> None:
    request = {"requestMethod": "GET", "status": 200, "requestUrl": "/x", "userAgent": "curl"}

    def say() -> None:
        with offline.logs.bind(HEADERS, labels={"a": "b"}):
            named.info("ok", extra={"http_request": request, "n": 1, "list": [1]})
            _fail(named)

    written = {p for line in _lines(offline, named, say, form="ecs", service="s", version="1") for p in _paths(line)}
    assert written == set(ecs_form.FIELDS)
    template = json.loads((ELK / "index-template.json").read_text())["template"]["mappings"]

    def types(properties: Any, above: str = "") -> Iterator[tuple[str, str]]:
        for key, value in properties.items():
            if "properties" in value:
                yield from types(value["properties"], f"{above}{key}.")
            else:
                yield f"{above}{key}", value["type"]

    assert dict(types(template["properties"])) == ecs_form.FIELDS


def test_the_files_of_the_elk_stack_agree() -> None:
    beat = yaml.safe_load((ELK / "filebeat.yml").read_text())
    (source,) = beat["filebeat.inputs"]
    assert source["parsers"][0]["ndjson"]["expand_keys"] is True
    stash = (ELK / "logstash.conf").read_text()
    assert stash.count("{") == stash.count("}")
    renamed = re.findall(r'=> "(\[[\w\]\[]+\])"', stash)
    known = {*ecs_form.FIELDS, "@metadata.trace_id"}
    assert {path.strip("[]").replace("][", ".") for path in renamed} <= known
    template = json.loads((ELK / "index-template.json").read_text())
    policy = json.loads((ELK / "ilm-policy.json").read_text())["policy"]["phases"]
    lifecycle = template["template"]["settings"]["index"]["lifecycle"]["name"]
    assert f"_ilm/policy/{lifecycle}" in (ELK / "README.md").read_text()
    assert set(policy) == {"hot", "warm", "delete"}
    assert f'"{ecs_form.VERSION}"' in stash


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (HEADERS, trace.Trace(TRACE, "00f067aa0ba902b7", True)),
        ({"Traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"}, trace.Trace(TRACE, "00f067aa0ba902b7", False)),
        ({"X-Cloud-Trace-Context": f"{TRACE}/123;o=1"}, trace.Trace(TRACE, "000000000000007b", True)),
        ({"x-cloud-trace-context": TRACE}, trace.Trace(TRACE)),
        ({"traceparent": f"00-{'0' * 32}-00f067aa0ba902b7-01"}, None),
        ({"traceparent": "nonsense"}, None),
        ({}, None),
    ],
)
def test_traces_of_headers(headers: dict[str, str], expected: trace.Trace | None) -> None:
    assert trace.of_headers(headers) == expected


def test_the_trace_of_flasks_request(offline: Client, named: logging.Logger) -> None:
    flask = pytest.importorskip("flask")
    with flask.Flask("x").test_request_context(headers=HEADERS):
        (line,) = _lines(offline, named, lambda: named.info("a"))
    assert line["logging.googleapis.com/trace"].endswith(TRACE)
    assert trace.current() is None


@pytest.mark.parametrize(
    ("environ", "kind", "labels", "service"),
    [
        (
            {
                "CLOUD_ML_JOB_ID": "7",
                "CLOUD_ML_TRIAL_ID": "2",
                "CLOUD_ML_REGION": "eu",
                "CLUSTER_SPEC": '{"task": {"type": "workerpool1", "index": 3}}',
            },
            "ml_job",
            {"project_id": "p1", "job_id": "7", "task_name": "workerpool1-3"},
            {"service": "training", "version": "7"},
        ),
        (
            {"K_SERVICE": "f", "K_REVISION": "f-1", "FUNCTION_TARGET": "main"},
            "cloud_run_revision",
            {
                "project_id": "p1",
                "service_name": "f",
                "revision_name": "f-1",
                "configuration_name": "f",
                "location": "us-central1",
            },
            {"service": "f", "version": "f-1"},
        ),
        ({"CLUSTER_SPEC": "{"}, "global", {"project_id": "p1"}, {}),
    ],
)
def test_what_a_program_is_part_of(
    environ: dict[str, str], kind: str, labels: dict[str, str], service: dict[str, str]
) -> None:
    runtime = Runtime.load(Config(project="p1"), environ=environ)
    assert (runtime.resource_type, runtime.resource_labels, runtime.service) == (kind, labels, service)


@pytest.mark.parametrize(
    "given", [{"form": "xml"}, {"to": "stderr"}, {"to": "api", "form": "ecs"}], ids=["form", "to", "ecs over the API"]
)
def test_handlers_that_cannot_be(offline: Client, given: dict[str, Any]) -> None:
    with pytest.raises(exceptions.InvalidArgument):
        offline.logs.handler(**given)


def test_install_makes_it_the_root_loggers_only_one(offline: Client) -> None:
    root, stream = logging.getLogger(), io.StringIO()
    before, level = list(root.handlers), root.level
    try:
        handler = offline.logs.install(to=stream, level="DEBUG")
        assert root.handlers == [handler]
        logging.getLogger("deep.down").debug("hello")
        assert json.loads(stream.getvalue())["message"] == "hello"
    finally:
        root.handlers[:] = before
        root.setLevel(level)


class Service:
    """Cloud Logging's and the time of Cloud Storage: takes requests, fails when told to."""

    def __init__(self) -> None:
        self.config = Config(project="p1")
        self.once: dict[str, Any] = {}
        self.logging = self
        self.requests: list[Any] = []
        self.errors: list[Exception] = []
        self.go = threading.Event()
        self.go.set()

    def now(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=365)

    def write_log_entries(self, *, request: Any) -> None:
        self.go.wait(30)
        if self.errors:
            raise self.errors.pop(0)
        self.requests.append(request)

    @property
    def entries(self) -> list[Any]:
        return [entry for request in self.requests for entry in request.entries]


@pytest.fixture
def service() -> Service:
    return Service()


def _sender(service: Service, deadline: float = 30.0) -> Any:
    from gcpmlops._logs.handlers import ApiHandler

    sender = sending.Sender(service, "app", ("ml_job", {"job_id": "7"}), deadline=deadline)  # type: ignore[arg-type]
    return ApiHandler(sender, runtime=Runtime({}, {"run": "r"}), labels={})


def test_entries_are_written_in_batches_and_by_the_services_clock(service: Service, named: logging.Logger) -> None:
    named.addHandler(handler := _sender(service))
    for number in range(1200):
        named.info("line %d", number)
    handler.flush()
    assert [entry.json_payload["message"] for entry in service.entries] == [f"line {n}" for n in range(1200)]
    assert len(service.requests) <= 5
    (first, *_) = service.entries
    assert (first.labels["run"], service.requests[0].resource.labels["job_id"]) == ("r", "7")
    assert service.requests[0].log_name == "projects/p1/logs/app"
    assert len({entry.insert_id for entry in service.entries}) == 1200
    assert first.timestamp - datetime.now(UTC) > timedelta(days=364)


def test_errors_that_pass_are_waited_for_and_others_are_shown(
    service: Service, named: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    named.addHandler(handler := _sender(service))
    service.errors.append(theirs.ServiceUnavailable("later"))
    named.info("first")
    handler.flush()
    assert [entry.json_payload["message"] for entry in service.entries] == ["first"]
    service.errors.append(theirs.PermissionDenied("no"))
    named.info("second")
    handler.flush()
    named.info("third")
    handler.close()
    assert [entry.json_payload["message"] for entry in service.entries] == ["first", "third"]
    shown = capfd.readouterr().err
    assert "could not be written: 403 no" in shown
    assert '"message": "second"' in shown


def test_a_writer_that_outruns_the_service_never_waits_and_hears_what_is_lost(
    service: Service, named: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "WAITING", 600)
    named.addHandler(handler := _sender(service))
    service.go.clear()
    for number in range(2000):
        named.info("line %d", number)
    service.go.set()
    handler.flush()
    named.info("after")
    handler.close()
    texts = [entry.text_payload for entry in service.entries if entry.text_payload]
    lost = sum(int(text.split()[0]) for text in texts)
    assert lost > 0
    assert lost + len(service.entries) - len(texts) == 2001


def test_a_line_that_is_too_long_is_cut(service: Service, named: logging.Logger) -> None:
    named.addHandler(handler := _sender(service))
    named.info("x" * 300_000, extra={"more": "y"})
    handler.close()
    (entry,) = service.entries
    assert entry.json_payload["truncated"] is True
    assert "[...]" in entry.json_payload["message"]
    named.info("too late")  # closed: shown on stderr


@pytest.fixture
def log(client: Client, unique: Callable[[str], str]) -> str:
    return unique("log")


def test_entries_through_the_api_are_found(client: Client, log: str, named: logging.Logger) -> None:
    handler = client.logs.handler(to="api", log=log, labels={"env": "test"})
    named.addHandler(handler)
    with client.logs.bind(HEADERS):
        named.error("loss %d", 3, extra={"loss": 3})
    handler.close()
    client.logs.write("plain", severity="notice", log=log)
    client.logs.write({"n": 1}, log=log, labels={"k": "v"}, trace_id=TRACE)
    rows = client.logs.query(f'log_id("{log}")', order="asc")
    assert [(row.severity, row.text) for row in rows] == [
        ("ERROR", "loss 3"),
        ("NOTICE", "plain"),
        ("INFO", '{"n": 1}'),
    ]
    assert rows[0].fields["loss"] == 3
    assert (rows[0].labels["env"], rows[0].trace, rows[2].trace) == ("test", TRACE, TRACE)
    found = client.logs.query(f'log_id("{log}") OR severity=EMERGENCY', limit=1)
    assert [row.fields for row in found] == [{"n": 1}]
    assert rows.to_pandas()["fields.loss"].iloc[0] == 3
    assert client.logs.query(f'log_id("{log}")', until=datetime.now(UTC) - timedelta(hours=1)) == []
    assert log in client.logs.list()
    client.logs.delete(log)
    with pytest.raises(exceptions.NotFound):
        client.logs.delete(log)


def test_wrong_questions(client: Client) -> None:
    for call in (
        lambda: client.logs.query("severity>="),
        lambda: client.logs.query(order="up"),  # type: ignore[arg-type]
        lambda: client.logs.query(since=datetime(2026, 1, 1)),
        lambda: client.logs.write("x", severity="LOUD"),
    ):
        with pytest.raises(exceptions.InvalidArgument):
            call()


def test_following(client: Client, log: str) -> None:
    client.logs.write("before", log=log)
    seen = []
    for row in client.logs.follow(f'log_id("{log}")', since="1h", timeout=60):
        seen.append(row.text)
        if len(seen) == 3:
            break
        client.logs.write(f"after {row.text}", log=log)
    assert seen == ["before", "after before", "after after before"]
    assert list(client.logs.follow(f'log_id("{log}-none")', timeout=0.1)) == []


def test_metrics(client: Client, unique: Callable[[str], str]) -> None:
    name = unique("m")
    made = client.logs.ensure_metric(name, filter="severity>=ERROR", labels={"log": "logName"})
    assert made.type == f"logging.googleapis.com/user/{name}"
    assert made.labels == {"log": "EXTRACT(logName)"}
    again = client.logs.ensure_metric(name, filter="severity>=WARNING", labels={"log": "logName"})
    assert client.logs.get_metric(name) == again
    with pytest.raises(exceptions.FailedPrecondition, match="counter"):
        client.logs.ensure_metric(name, filter="a", value="jsonPayload.loss")
    values = client.logs.ensure_metric(f"{name}-d", filter="a", value="jsonPayload.loss", buckets=[0.1, 1])
    assert list(values.proto.bucket_options.explicit_buckets.bounds) == [0.1, 1]
    assert {name, f"{name}-d"} <= {metric.name for metric in client.logs.list_metrics()}
    for each in (name, f"{name}-d"):
        client.logs.delete_metric(each)


def test_sinks(client: Client, unique: Callable[[str], str]) -> None:
    name = unique("s")
    made = client.logs.ensure_sink(name, destination="bq://logs", filter="severity>=ERROR", exclusions={"n": "noise"})
    project = client.config.project
    assert made.destination == f"bigquery.googleapis.com/projects/{project}/datasets/logs"
    assert made.proto.bigquery_options.use_partitioned_tables
    assert (made.exclusions, made.writer_identity.partition(":")[0]) == ({"n": "noise"}, "serviceAccount")
    changed = client.logs.ensure_sink(name, destination="gs://some-bucket", disabled=True)
    assert client.logs.get_sink(name) == changed
    assert (changed.destination, changed.filter, changed.exclusions) == ("storage.googleapis.com/some-bucket", "", {})
    topic = f"projects/{project}/topics/t"
    assert client.logs.ensure_sink(name, destination=topic, disabled=True).destination.endswith(topic)
    assert name in {sink.name for sink in client.logs.list_sinks()}
    client.logs.delete_sink(name)
    with pytest.raises(exceptions.NotFound):
        client.logs.get_sink(name)
    with pytest.raises(exceptions.InvalidArgument, match="destination"):
        client.logs.ensure_sink(name, destination="s3://b")
