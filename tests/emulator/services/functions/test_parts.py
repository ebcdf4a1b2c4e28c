"""Names, tokens, events, log lines and policies, each alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.api_core import exceptions
from google.iam.v1 import policy_pb2

from gcpmlops.emulator.kernel.auth import Authenticator, load_key
from gcpmlops.emulator.services.functions import access, events, naming
from gcpmlops.emulator.services.functions.logs import RevisionLog
from gcpmlops.emulator.services.functions.served import Directory, Served

NAME = "projects/p-1/locations/us-central1/functions/Do_It"
SERVICE = "projects/p-1/locations/us-central1/services/do-it"


@pytest.fixture(scope="module")
def authenticator(tmp_path_factory: pytest.TempPathFactory) -> Authenticator:
    key, public = load_key(tmp_path_factory.mktemp("key") / "key.json", project="p-1")
    return Authenticator(key, public, b"secret")


def served(**fields: Any) -> Served:
    return Served(NAME, SimpleNamespace(), **fields)  # type: ignore[arg-type]


def test_names_and_urls() -> None:
    assert naming.service_of(NAME) == SERVICE
    assert naming.function_url(NAME) == "https://us-central1-p-1.cloudfunctions.net/Do_It"
    assert naming.service_url(SERVICE).startswith("https://do-it-")
    assert naming.service_url(SERVICE).endswith("-uc.a.run.app")
    assert naming.revision_id(SERVICE, 7, "x").startswith("do-it-00007-")
    for wrong in ("1a", "a-", "", "a" * 64, "ä"):
        with pytest.raises(exceptions.InvalidArgument):
            naming.check_id(wrong)


def test_a_url_finds_its_function() -> None:
    directory, one = Directory(), served()
    directory.put(one)
    assert directory.at("us-central1-p-1.cloudfunctions.net", "/Do_It/x") == (one, 6)
    assert directory.at(naming.service_url(SERVICE).removeprefix("https://"), "/x") == (one, 0)
    assert directory.at("us-central1-p-1.cloudfunctions.net", "/other") is None
    assert directory.remove(SERVICE) is one
    assert directory.at("us-central1-p-1.cloudfunctions.net", "/Do_It") is None


@pytest.mark.parametrize("below", ["", "/", "/path", "?q=1"])
def test_tokens_for_either_url_are_taken(authenticator: Authenticator, below: str) -> None:
    one = served()
    for url in one.urls:
        token = authenticator.id_token(authenticator.email, url + below)
        assert access.check(authenticator, one, {b"authorization": f"Bearer {token}".encode()}) is None
    assert not one.is_audience(f"{one.urls[0]}more")


def test_refusals(authenticator: Authenticator) -> None:
    one = served()
    stranger = authenticator.id_token("a@b.iam.gserviceaccount.com", one.urls[0])

    def status(token: str) -> int:
        refusal = access.check(authenticator, one, {b"authorization": token.encode()})
        return refusal.status if refusal else 200

    assert access.check(authenticator, one, {}).status == 403  # type: ignore[union-attr]
    assert status("Basic abc") == 401
    assert status(f"Bearer {authenticator.access_token(authenticator.email)}") == 401
    assert status(f"Bearer {authenticator.id_token(authenticator.email, 'https://other')}") == 401
    assert status(f"Bearer {stranger[:-4]}AAAA") == 401
    assert status(f"Bearer {stranger}") == 403
    binding = policy_pb2.Binding(role="roles/run.invoker", members=["serviceAccount:a@b.iam.gserviceaccount.com"])
    one.invokers = access.invokers(policy_pb2.Policy(bindings=[binding]))
    assert status(f"Bearer {stranger}") == 200
    one.invokers = frozenset({"allUsers"})
    assert access.check(authenticator, one, {}) is None


def test_a_message_of_a_topic_becomes_an_event() -> None:
    query = events.topic_query("projects/p-1/topics/t").removeprefix("?").encode()
    assert events.is_event(query)
    body = json.dumps({"message": {"data": "YQ==", "messageId": "7", "publishTime": "2013-01-01T00:00:00Z"}}).encode()
    headers, sent = events.rewritten(query, body)
    assert sent == body
    assert dict(headers) == {
        b"ce-id": b"7", b"ce-source": b"//pubsub.googleapis.com/projects/p-1/topics/t", b"ce-specversion": b"1.0",
        b"ce-type": b"google.cloud.pubsub.topic.v1.messagePublished", b"ce-time": b"2013-01-01T00:00:00Z",
        b"content-type": b"application/json",
    }  # fmt: skip


def test_a_message_that_is_an_event_is_unwrapped() -> None:
    attributes = {"ce-subject": "objects/é", "ce-type": "t", "content-type": "application/json", "other": "x"}
    message = {"data": base64.b64encode(b"{}").decode(), "attributes": attributes}
    headers, body = events.rewritten(events.event_query()[1:].encode(), json.dumps({"message": message}).encode())
    assert body == b"{}"
    assert dict(headers) == {b"ce-subject": b"objects/%C3%A9", b"ce-type": b"t", b"content-type": b"application/json"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"message": 1}', b'{"message": {}}'])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="no pushed"):
        events.rewritten(events.topic_query("projects/p/topics/t")[1:].encode(), body)


def entries(*lines: str) -> list[Any]:
    found: list[Any] = []
    revision = RevisionLog(SERVICE, "do-it-00001-abc", found.append)
    for line in lines:
        revision.line("stdout", line)
    return found


def test_lines_become_entries() -> None:
    text, structured, lone, broken = entries(
        "plain",
        json.dumps(
            {
                "severity": "warn", "message": "m", "n": 1, "logging.googleapis.com/trace": f"{'a' * 32}/7;o=1",
                "logging.googleapis.com/labels": {"k": 1}, "logging.googleapis.com/spanId": "s",
            }
        ),
        '{"message": "only"}',
        "{no json",
    )  # fmt: skip
    assert text.text_payload == "plain"
    assert text.log_name == "projects/p-1/logs/run.googleapis.com%2Fstdout"
    assert dict(text.resource.labels) == {
        "project_id": "p-1", "location": "us-central1", "service_name": "do-it", "configuration_name": "do-it",
        "revision_name": "do-it-00001-abc",
    }  # fmt: skip
    assert (structured.severity, structured.span_id) == (400, "s")
    assert structured.trace == f"projects/p-1/traces/{'a' * 32}"
    assert structured.labels["k"] == "1"
    assert dict(structured.json_payload) == {"message": "m", "n": 1.0}
    assert (lone.text_payload, broken.text_payload) == ("only", "{no json")


def test_identity_tokens(authenticator: Authenticator, tmp_path: Path) -> None:
    found = authenticator.identity(authenticator.id_token("a@b", "https://x"))
    assert (found.email, found.audience) == ("a@b", "https://x")
    with pytest.raises(exceptions.Unauthenticated):
        authenticator.caller(f"Bearer {authenticator.id_token('a@b', 'https://x')}")  # no API takes one
    key, public = load_key(tmp_path / "other.json", project="p-1")
    foreign = Authenticator(key, public, b"s").id_token("a@b", "https://x")
    with pytest.raises(exceptions.Unauthenticated):
        authenticator.identity(foreign)
