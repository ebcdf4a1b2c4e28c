"""The Logging query language over one entry."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.audit import audit_log_pb2
from google.cloud.logging_v2.types import LogEntry
from google.protobuf import any_pb2

from gcpmlops.emulator.services.logging import query

ENTRY: Any = LogEntry(
    log_name="projects/p1/logs/my%2Flog",
    severity=500,
    insert_id="i1",
    timestamp=datetime(2026, 5, 1, 12, tzinfo=UTC),
    labels={"Env": "Prod", "k8s-pod/app": "web"},
    resource={"type": "ml_job", "labels": {"job_id": "7"}},
    http_request={"status": 503, "remote_ip": "10.1.2.3", "latency": timedelta(milliseconds=20)},
    json_payload={
        "message": "Hello, big World: user_name=Ann",
        "loss": 0.25,
        "count": "12",
        "nothing": None,
        "deep": {"er": ["a", {"x": "Y"}], "ok": False, "zero": 0},
        "when": "2026-05-01T14:00:00+02:00",
        "wait": "1.5s",
        "ip": "192.168.7.9",
    },
)
_ENTRY = LogEntry.pb(ENTRY)


@pytest.mark.parametrize(
    "text",
    [
        'log_id("my/log")',
        'LOG_ID("my/log") AND logName="projects/p1/logs/my%2Flog"',
        "source(projects/p1)",
        "severity=error",
        "severity>=WARNING severity<600 OR severity=500",
        "severity=(CRITICAL OR ERROR)",
        'timestamp>="2026-05-01" AND timestamp<=2026-05-01T12:00:00.000000001Z',
        'timestamp="2026-05-01T14:00:00+02:00"',
        'labels.Env="PROD"',  # strings are equal whatever their case
        'labels."k8s-pod/app"=web',
        "labels.Env:*",
        'jsonPayload.message="HELLO, big world: user_name=ann"',
        'jsonPayload.message:"BIG WORLD"',
        'jsonPayload.message=~"^Hello"',
        'jsonPayload.message!~"^hello"',  # patterns mind it
        'jsonPayload.message=~("^x" OR "Ann$")',
        "jsonPayload.loss>0.2 jsonPayload.loss<=0.25",
        "jsonPayload.deep.er=a",
        "jsonPayload.deep.er.x=y",
        "jsonPayload.deep.ok=false",
        "jsonPayload.deep.zero:*",
        "jsonPayload.nothing=NULL_VALUE",
        'jsonPayload.deep:"y"',
        "NOT jsonPayload.missing=1",
        "-jsonPayload.missing=1",
        'jsonPayload.count!=("13" AND "14")',
        "cast(jsonPayload.count, INT64) > 9",
        "CAST(jsonPayload.count, FLOAT64) < 100",
        'cast(regexp_extract(jsonPayload.message, "user_(\\w+)="), STRING) = name',
        'regexp_extract(jsonPayload.message, "W\\w+") = "world"',
        'cast(jsonPayload.when, TIMESTAMP) = "2026-05-01T12:00:00Z"',
        'cast(jsonPayload.wait, DURATION) > "1200ms"',
        'httpRequest.latency>="0.02s" httpRequest.status>=500',
        'ip_in_net(httpRequest.remoteIp, "10.0.0.0/8")',
        'ip_in_net(jsonPayload.ip, "192.168.0.0/16") AND NOT ip_in_net(labels."k8s-pod/app", "0.0.0.0/0")',
        "sample(insertId, 1)",
        "NOT sample(insertId, 0)",
        'SEARCH("hello WORLD")',
        'SEARCH(jsonPayload.message, "user name")',
        'SEARCH("`big world`")',
        'NOT SEARCH("`hello world`") NOT SEARCH("wor")',
        '"big world"',
        "-- first\nseverity=ERROR -- then this\n-- and that",
        'jsonPayload.message:"--" OR severity=ERROR',
        "trace!=x",  # a field of every entry: compared as empty
        "NOT trace:*",
        "(severity=ERROR) AND (labels.Env=Prod OR labels.Env=Dev)",
        '"a" OR NOT "b" AND NOT "c" OR "d"',
    ],
)
def test_matches(text: str) -> None:
    assert query.compiled(text)(_ENTRY), text
    assert query.compiled(text)(ENTRY), text


@pytest.mark.parametrize(
    "text",
    [
        'log_id("my")',
        'source("projects/p2")',
        "jsonPayload.missing!=1",  # nothing is true of what is not there
        'jsonPayload.missing!~"x"',
        "labels.none!=x",
        "jsonPayload.message=Hel*",  # no wildcards
        "jsonPayload.nothing:*",
        "jsonPayload.missing=NULL_VALUE",
        "cast(jsonPayload.message, INT64) > 0",
        'ip_in_net(httpRequest.remoteIp, "10.2.0.0/16")',
        "textPayload:*",
        "trace:*",
        "severity=INFO OR severity<INFO labels.Env=Prod",
        'SEARCH(textPayload, "hello")',
    ],
)
def test_does_not_match(text: str) -> None:
    assert not query.compiled(text)(_ENTRY), text


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("severity>=", "ends too early"),
        ("severity>=LOUD", "no severity"),
        ('timestamp>"yesterday"', "expected a time"),
        ("thud=1", "no field 'thud'"),
        ("operation.thud=1", "no field 'operation.thud'"),
        ('textPayload=~"("', "no regular expression"),
        ('nosuch("x")', "no function 'nosuch'"),
        ('ip_in_net(jsonPayload.ip, "10.0.0.0/99")', "ip_in_net"),
        ("sample(insertId, 2)", "no fraction"),
        ("sample(insertId)", "takes 2"),
        ("cast(jsonPayload.count, INT) = 1", "no type 'INT'"),
        ("cast(jsonPayload.count, INT64)", "ends too early"),
        ("x" * 20_001, "20000 are allowed"),
    ],
)
def test_what_cannot_be_is_refused(text: str, wrong: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=wrong):
        query.compiled(text)


def test_an_audit_logs_own_fields() -> None:
    packed = any_pb2.Any()
    packed.Pack(audit_log_pb2.AuditLog(method_name="google.Delete", service_name="x"))
    entry = LogEntry.pb()(log_name="projects/p1/logs/a", proto_payload=packed)
    assert query.compiled('protoPayload.methodName:"delete" protoPayload.serviceName!=y google')(entry)
    assert not query.compiled("protoPayload.thud!=1")(entry)


def test_what_a_query_says_plainly() -> None:
    found = query.compiled('resource.labels.job_id="7" timestamp>="2026-05-01T00:00:00.5Z" timestamp<"2026-05-02"')
    assert (found.since, found.until) == ("2026-05-01T00:00:00.500000000", "2026-05-02T00:00:00.000000000")
    assert (found.job_id, found.log_ids) == ("7", ())
    named = query.compiled('LOG_ID("a/b") logName="projects/p/logs/C%2Fd"')
    assert named.log_ids == ("a/b", "C/d")
    loose = query.compiled('severity=ERROR OR timestamp>="2026-05-01"')
    assert (loose.since, loose.until, loose.job_id) == ("", "", "")
    assert query.compiled('log_id("a") OR severity=ERROR').log_ids == ()
    quoted = query.compiled(r'textPayload="timestamp>=\"2026-05-01T00:00:00Z\""')
    assert quoted.since == ""


def test_a_sample_is_of_its_size_and_the_same_each_time() -> None:
    wanted = query.compiled("sample(insertId, 0.25)")
    entries = [LogEntry.pb()(insert_id=str(number)) for number in range(2000)]
    chosen = [entry.insert_id for entry in entries if wanted(entry)]
    assert 400 < len(chosen) < 600
    assert chosen == [entry.insert_id for entry in entries if wanted(entry)]
