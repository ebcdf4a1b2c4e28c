"""Uptime checks: real probes of real servers at the clock's times, and what is refused."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from google.api_core import exceptions
from google.cloud import monitoring_v3
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.functions import naming
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import micros
from gcpmlops.emulator.services.monitoring.uptime import checks
from gcpmlops.emulator.services.monitoring.uptime.probes import Prober
from gcpmlops.emulator.services.monitoring.uptime.rounds import Rounds
from gcpmlops.emulator.services.monitoring.uptime.service import UptimeCheckService
from gcpmlops.emulator.services.outbound import Answer, Outbound
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

START = datetime(2026, 5, 1, tzinfo=UTC)
PARENT = "projects/p1"
Matcher = monitoring_v3.UptimeCheckConfig.ContentMatcher.ContentMatcherOption


class Site(BaseHTTPRequestHandler):
    """/health is well unless told otherwise, /moved leads to it, and so on."""

    def do_GET(self) -> None:
        self.server.seen.append((self.command, self.path, dict(self.headers)))  # type: ignore[attr-defined]
        status, body = self.server.answers.get(self.path, (404, b""))  # type: ignore[attr-defined]
        self.send_response(status)
        if status == 302:
            self.send_header("Location", body.decode())
            body = b""
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.server.answers["/posted"] = (201, self.rfile.read(int(self.headers["Content-Length"])))  # type: ignore[attr-defined]
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@dataclass
class Uptime:
    service: UptimeCheckService
    agenda: Agenda
    clock: TravelClock
    points: Points
    server: Any
    logs: list[Any] = field(default_factory=list)

    def create(self, path: str = "/health", **fields: Any) -> Any:
        check = {"http_check": {"path": path, "port": self.server.server_port}}
        config = {"display_name": "My site", "monitored_resource": self.resource} | check | fields
        return self.service.create_uptime_check_config(
            monitoring_v3.CreateUptimeCheckConfigRequest(parent=PARENT, uptime_check_config=config)
        )

    @property
    def resource(self) -> dict[str, Any]:
        return {"type": "uptime_url", "labels": {"host": "127.0.0.1"}}

    def passing(self, seconds: float) -> None:
        self.agenda.travel(self.clock.now() + timedelta(seconds=seconds))

    def read(self, metric: str) -> dict[str, list[Any]]:
        """Values by checker, oldest first."""
        text = f'metric.type = "monitoring.googleapis.com/uptime_check/{metric}"'
        found = Reading(self.points).lines("p1", text, 0, micros(self.clock.now()))
        return {
            dict(line.series.metric_labels)["checker_location"]: [p.value for p in reversed(line.points)]
            for line in found
        }

    def outcome(self, path: str = "/health", **fields: Any) -> Any:
        """Of a check that is made once: passed, and the reason in the log."""
        made = self.create(path, **fields)
        self.passing(1)
        text = 'metric.type = "monitoring.googleapis.com/uptime_check/check_passed"'
        lines = Reading(self.points).lines("p1", text, 0, micros(self.clock.now()))
        own = [line for line in lines if dict(line.series.metric_labels)["check_id"] in made.name]
        (passed,) = {point.value for line in own for point in line.points}
        self.service.delete_uptime_check_config(monitoring_v3.DeleteUptimeCheckConfigRequest(name=made.name))
        return passed, (self.logs[-1][3]["message"] if self.logs and not passed else "")


@pytest.fixture(scope="module")
def uptime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uptime]:
    folder = tmp_path_factory.mktemp("uptime")
    with serving() as server:
        clock = TravelClock(frozen=START)
        store = Store(folder / "state.db", now=clock.now)
        pool = ThreadPoolExecutor(4)
        agenda, outbound = Agenda(clock, pool), Outbound(None, lambda: 0)  # type: ignore[arg-type]  # nothing is signed
        operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
        context = Context(store, clock, operations, Locks(), Settings(data_dir=folder), agenda)
        points, logs = Points(store), []
        rounds = Rounds(store, agenda, Prober(outbound, "agent@p1"), points, lambda *entry: logs.append(entry))
        yield Uptime(UptimeCheckService(context, rounds), agenda, clock, points, server, logs)
        agenda.close()
        rounds.close()
        outbound.close()
        pool.shutdown()
        store.close()


class serving:  # noqa: N801 - a context manager
    """A web site on a port of its own."""

    def __init__(self, certificate: Any = None) -> None:
        self.server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Site)
        self.server.seen, self.server.answers = [], {
            "/health": (200, b'{"status": "well", "parts": [{"up": true}]}'),
            "/moved": (302, b"/health"),
            "/circle": (302, b"/circle"),
            "/broken": (500, b"no"),
        }  # fmt: skip
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            certificate.configure_cert(tls)
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)

    def __enter__(self) -> Any:
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def test_a_site_that_fails_and_recovers(uptime: Uptime) -> None:
    made = uptime.create(selected_regions=["EUROPE", "ASIA_PACIFIC", "SOUTH_AMERICA"])
    uptime.passing(180)
    uptime.server.answers["/health"] = (503, b"")
    uptime.passing(120)
    uptime.server.answers["/health"] = (200, b'{"status": "well", "parts": [{"up": true}]}')
    uptime.passing(60)
    checkers = {"eur-belgium", "apac-singapore", "sa-brazil-sao_paulo"}
    assert uptime.read("check_passed") == {each: [True] * 4 + [False] * 2 + [True] for each in checkers}
    assert uptime.read("http_status") == {each: [200] * 4 + [503] * 2 + [200] for each in checkers}
    assert all(0 < each < 10_000 for values in uptime.read("request_latency").values() for each in values)
    log_name, (kind, labels), severity, payload, _ = uptime.logs[-1]
    assert log_name.endswith("uptime_checks")
    assert (kind, labels["host"], severity) == ("uptime_url", "127.0.0.1", "WARNING")
    assert payload["message"] == "Uptime check My site failed: status 503."
    uptime.service.delete_uptime_check_config(monitoring_v3.DeleteUptimeCheckConfigRequest(name=made.name))
    uptime.passing(1)
    asked = len(uptime.server.seen)
    uptime.passing(600)
    assert len(uptime.server.seen) == asked


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/health", {"content_matchers": [{"content": "well"}]}, ""),
        ("/health", {"content_matchers": [{"content": "ill"}]}, "content is not as wanted"),
        ("/health", {"content_matchers": [{"content": "ill", "matcher": Matcher.NOT_CONTAINS_STRING}]}, ""),
        ("/health", {"content_matchers": [{"content": "w.ll", "matcher": Matcher.MATCHES_REGEX}]}, ""),
        ("/health", {"content_matchers": [{"content": "w.ll", "matcher": Matcher.NOT_MATCHES_REGEX}]}, "content"),
        (
            "/health",
            {
                "content_matchers": [
                    {
                        "content": "true",
                        "matcher": Matcher.MATCHES_JSON_PATH,
                        "json_path_matcher": {"json_path": "$.parts[0].up", "json_matcher": "EXACT_MATCH"},
                    }
                ]
            },
            "",
        ),
        ("/moved", {}, ""),
        ("/circle", {}, "redirections"),
        ("/nowhere", {}, "status 404"),
    ],
)
def test_what_an_answer_has_to_be(uptime: Uptime, path: str, fields: dict[str, Any], expected: str) -> None:
    passed, message = uptime.outcome(path, **fields)
    assert passed == (not expected)
    assert expected in message


def test_what_is_sent(uptime: Uptime) -> None:
    port = uptime.server.server_port
    check = {
        "path": "broken",
        "port": port,
        "headers": {"X-Key": "secret"},
        "mask_headers": True,
        "auth_info": {"username": "ada", "password": "love"},
        "accepted_response_status_codes": [{"status_class": "STATUS_CLASS_5XX"}],
    }
    made = uptime.create(http_check=check)
    assert dict(made.http_check.headers) == {"X-Key": "******"}
    assert made.http_check.auth_info.password == "******"
    uptime.passing(1)
    method, path, headers = uptime.server.seen[-1]
    assert (method, path, headers["X-Key"]) == ("GET", "/broken", "secret")
    assert headers["Authorization"] == "Basic YWRhOmxvdmU="
    assert "UptimeChecks" in headers["User-Agent"]
    uptime.service.delete_uptime_check_config(monitoring_v3.DeleteUptimeCheckConfigRequest(name=made.name))
    posted = {"path": "/posted", "port": port, "request_method": "POST", "body": b"a=1", "content_type": "URL_ENCODED"}
    assert uptime.outcome(http_check=posted)[0]
    assert uptime.server.answers["/posted"][1] == b"a=1"


def test_a_header_that_can_not_be_sent(uptime: Uptime) -> None:
    check = {"port": uptime.server.server_port, "headers": {"X-Key": "\u20ac"}}
    passed, message = uptime.outcome(http_check=check)
    assert not passed
    assert "encode" in message


def test_tcp_and_a_port_where_nobody_is(uptime: Uptime) -> None:
    assert uptime.outcome(http_check=None, tcp_check={"port": uptime.server.server_port})[0]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        passed, message = uptime.outcome(http_check=None, tcp_check={"port": free.getsockname()[1]})
    assert not passed
    assert "refused" in message


def test_certificates_are_looked_at_where_that_is_said(uptime: Uptime) -> None:
    with serving(trustme.CA().issue_cert("127.0.0.1")) as server:
        check = {"path": "/health", "port": server.server_port, "use_ssl": True}
        assert uptime.outcome(http_check=check)[0]
        ((days, *_), *others) = uptime.read("time_until_ssl_cert_expires").values()
        assert days > 365  # as trustme makes them
        assert len(others) == 5
        passed, message = uptime.outcome(http_check=check | {"validate_ssl": True})
    assert not passed
    assert "certificate" in message.lower()


def test_an_update_and_lists(uptime: Uptime) -> None:
    made = uptime.create(period={"seconds": 300})
    updated = uptime.service.update_uptime_check_config(
        monitoring_v3.UpdateUptimeCheckConfigRequest(
            uptime_check_config={"name": made.name, "period": {"seconds": 600}}, update_mask={"paths": ["period"]}
        )
    )
    assert (updated.period, updated.display_name) == (timedelta(seconds=600), "My site")
    uptime.passing(1)
    asked = len(uptime.server.seen)
    uptime.passing(3600)
    assert len(uptime.server.seen) - asked == 6 * 6
    with pytest.raises(exceptions.InvalidArgument, match="can't become"):
        uptime.service.update_uptime_check_config(
            monitoring_v3.UpdateUptimeCheckConfigRequest(
                uptime_check_config={"name": made.name, "tcp_check": {"port": 80}}, update_mask={"paths": ["tcp_check"]}
            )
        )
    listed = uptime.service.list_uptime_check_configs(
        monitoring_v3.ListUptimeCheckConfigsRequest(parent=PARENT, filter='display_name = "My site"')
    )
    assert [each.name for each in listed.uptime_check_configs] == [made.name]
    assert listed.total_size == 1
    addresses = uptime.service.list_uptime_check_ips(monitoring_v3.ListUptimeCheckIpsRequest()).uptime_check_ips
    assert {each.ip_address for each in addresses} == {"127.0.0.1"}
    uptime.service.delete_uptime_check_config(monitoring_v3.DeleteUptimeCheckConfigRequest(name=made.name))
    with pytest.raises(exceptions.NotFound):
        uptime.service.get_uptime_check_config(monitoring_v3.GetUptimeCheckConfigRequest(name=made.name))


@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"display_name": ""}, exceptions.InvalidArgument, "display_name"),
        ({"period": {"seconds": 61}}, exceptions.InvalidArgument, "60 s, 300 s"),
        ({"timeout": {"seconds": 61}}, exceptions.InvalidArgument, "1 to 60 s"),
        ({"selected_regions": ["EUROPE"]}, exceptions.InvalidArgument, "at least 3"),
        ({"http_check": None}, exceptions.InvalidArgument, "http_check or tcp_check"),
        ({"http_check": {"port": 70000}}, exceptions.InvalidArgument, "70000"),
        ({"http_check": {"body": b"a"}}, exceptions.InvalidArgument, "only POST"),
        ({"monitored_resource": {"type": "uptime_url"}}, exceptions.InvalidArgument, "labels.host: required"),
        ({"monitored_resource": {"type": "gce_instance"}}, exceptions.MethodNotImplemented, "gce_instance"),
        ({"monitored_resource": None}, exceptions.InvalidArgument, "monitored_resource"),
        (
            {"monitored_resource": {"type": "cloud_run_revision", "labels": {"location": "us-central1"}}},
            exceptions.InvalidArgument,
            "service_name: required",
        ),
        ({"content_matchers": [{"content": ""}]}, exceptions.InvalidArgument, "1 to 1024"),
        ({"content_matchers": [{"content": "(", "matcher": "MATCHES_REGEX"}]}, exceptions.InvalidArgument, "regular"),
        ({"checker_type": "VPC_CHECKERS"}, exceptions.MethodNotImplemented, "VPC"),
    ],
)
def test_what_is_refused(uptime: Uptime, fields: dict[str, Any], error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        uptime.create(**fields)


def test_a_path_into_what_is_no_json(uptime: Uptime) -> None:
    matcher = {
        "content": json.dumps("a"),
        "matcher": Matcher.MATCHES_JSON_PATH,
        "json_path_matcher": {"json_path": "$.a", "json_matcher": "EXACT_MATCH"},
    }
    assert not uptime.outcome("/broken", content_matchers=[matcher])[0]
    matcher["json_path_matcher"] = {"json_path": "$..a", "json_matcher": "EXACT_MATCH"}
    with pytest.raises(exceptions.InvalidArgument, match="expected a path"):
        uptime.create(content_matchers=[matcher])


def test_a_function_is_asked_as_monitorings_own_account() -> None:
    """By the URL of its Cloud Run service, over TLS."""
    sent: list[Any] = []

    class Wire:
        def oidc(self, email: str, audience: str) -> dict[str, str]:
            return {"Authorization": f"{email} for {audience}"}

        def send(self, method: str, url: str, *, headers: Any, **_: Any) -> Answer:
            sent.append((method, url, headers["Authorization"]))
            return Answer(204, {}, b"")

    config = monitoring_v3.UptimeCheckConfig(
        monitored_resource={
            "type": "cloud_run_revision",
            "labels": {"project_id": "p1", "location": "us-central1", "service_name": "retrain"},
        },
        http_check={"path": "/check?deep=1", "service_agent_authentication": {}},
    )
    message = monitoring_v3.UptimeCheckConfig.pb(config)
    checks.fill(message)
    assert Prober(Wire(), "agent@p1").probe(message).passed  # type: ignore[arg-type]
    host = urlsplit(naming.service_url("projects/p1/locations/us-central1/services/retrain")).hostname
    assert sent == [("GET", f"https://{host}:443/check?deep=1", f"agent@p1 for https://{host}/check")]
