"""Functions of the library: what is uploaded, what is changed, what an answer means, whose token is sent."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from gcpmlops import Client, _id_tokens, exceptions
from gcpmlops._functions import archive
from gcpmlops._functions.calls import Calls
from gcpmlops._functions.ignoring import files
from gcpmlops._functions.spec import Spec, changes
from gcpmlops.functions import Function

MAIN = "import os\ndef hello(request):\n    return {'got': request.get_json(), 'env': os.environ.get('A')}\n"
NAME = "projects/p/locations/us-central1/functions/f"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "main.py",
        "a.txt",
        "data/big.csv",
        "data/keep.csv",
        "sub/deep/x.log",
        "__pycache__/m.pyc",
        ".git/HEAD",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    return tmp_path


def names(folder: Path) -> list[str]:
    return [name for name, _ in files(folder)]


def test_without_a_file_git_and_what_it_ignores_stay_here(folder: Path) -> None:
    (folder / ".gitignore").write_text("*.log\n")
    assert names(folder) == ["a.txt", "data/big.csv", "data/keep.csv", "main.py"]


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ("data/", ["a.txt", "main.py", "sub/deep/x.log"]),
        ("/data/*\n!/data/keep.csv", ["a.txt", "data/keep.csv", "main.py", "sub/deep/x.log"]),
        ("**/x.log\n?.txt", ["data/big.csv", "data/keep.csv", "main.py"]),
        ("sub/**\n[a-b].txt\n# comment\n", ["data/big.csv", "data/keep.csv", "main.py"]),
        ("#!include:more\n", ["main.py"]),
    ],
)
def test_gcloudignore(folder: Path, lines: str, left: list[str]) -> None:
    (folder / "more").write_text("data\nsub\n*.txt\nmore\n")
    (folder / ".gcloudignore").write_text(f".gcloudignore\n.git\nmore\n{lines}\n")
    assert names(folder) == left


def test_the_same_files_are_the_same_archive(folder: Path) -> None:
    one = archive.build(folder, entry_point="f", requirements=["six"])
    (folder / "__pycache__" / "n.pyc").write_text("new")
    assert archive.build(folder, entry_point="f", requirements=["six"]) == one
    with zipfile.ZipFile(io.BytesIO(one.content)) as bundle:
        assert bundle.read("requirements.txt") == b"six\n"
    (folder / "a.txt").write_text("other")
    assert archive.build(folder, entry_point="f", requirements=["six"]).digest != one.digest


def test_sources_that_are_none(tmp_path: Path) -> None:
    for source, said in ((tmp_path / "none", "no folder"), (tmp_path, r"no main\.py")):
        with pytest.raises(exceptions.InvalidArgument, match=said):
            archive.build(source, entry_point="f")
    (tmp_path / "main.py").write_text("def f(:\n")
    with pytest.raises(exceptions.InvalidArgument, match="does not parse"):
        archive.build(tmp_path, entry_point="f")


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"entry_point": "a.b"}, "entry_point"),
        ({"topic": "t", "bucket": "b"}, "topic"),
        ({"timeout": 4000}, "timeout"),
        ({"topic": "t", "timeout": "10m"}, "timeout"),
        ({"memory": "lots"}, "memory"),
        ({"min_instances": 3, "max_instances": 2}, "min_instances"),
        ({"event": "born"}, "event"),
    ],
)
def test_what_cannot_be_is_said_at_once(given: dict[str, Any], field: str) -> None:
    with pytest.raises(exceptions.InvalidArgument) as caught:
        Spec(**{"entry_point": "f", "runtime": "python311", **given}).check("f")
    assert caught.value.field == field


def message(**given: Any) -> Any:
    return Spec("f", "python311", **given).message(NAME, project="p", location="us-central1", digest="d")


@pytest.mark.parametrize(
    ("before", "after", "paths"),
    [
        ({}, {}, []),
        ({"env": {"A": "1"}}, {"env": {"A": "2"}}, ["service_config.environment_variables"]),
        ({"env": {"A": "1"}}, {}, ["service_config.environment_variables"]),
        ({}, {"labels": {"a": "b"}}, ["labels"]),
        ({"memory": "1Gi"}, {}, []),  # what is not given stays as it is
        ({"topic": "t"}, {"topic": "projects/p/topics/t"}, []),
        ({"topic": "t"}, {"topic": "u"}, ["event_trigger"]),
        ({"bucket": "gs://b"}, {"bucket": "b", "retry": True}, ["event_trigger"]),
        ({"topic": "t"}, {}, ["event_trigger"]),
        ({"min_instances": 1}, {}, ["service_config.min_instance_count"]),
    ],
)
def test_only_what_differs_is_changed(before: dict[str, Any], after: dict[str, Any], paths: list[str]) -> None:
    assert changes(message(**after), message(**before)) == paths


def calls(status: int, text: str = "said", kind: str = "text/html", url: str = "https://f") -> Callable[[], Any]:
    """A call that gets this answer."""
    reply = SimpleNamespace(
        ok=status < 400, status_code=status, text=text, content=text.encode(), headers={"content-type": kind}
    )
    clients: Any = SimpleNamespace(credentials=None, request=lambda *_, **__: reply)
    made = Calls(clients)
    made._tokens[url] = ("token", 1e12)
    return lambda: made.call("f", url, {}, path="", method="POST", headers={}, timeout=1)


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (401, exceptions.Unauthenticated),
        (403, exceptions.PermissionDenied),
        (404, exceptions.NotFound),
        (429, exceptions.QuotaExceeded),
        (500, exceptions.FunctionFailed),
        (503, exceptions.Unavailable),
        (504, exceptions.DeadlineExceeded),
    ],
)
def test_what_answers_mean(status: int, expected: type[exceptions.GcpMlopsError]) -> None:
    with pytest.raises(expected, match=f"f answered {status}: said") as caught:
        calls(status)()
    assert caught.value.next_step


def test_a_functions_own_404_is_its_answer() -> None:
    with pytest.raises(exceptions.FunctionFailed) as caught:
        calls(404, '{"error": 1}', "application/json")()
    assert (caught.value.status, caught.value.body) == (404, b'{"error": 1}')


def test_credentials_without_identity_say_what_to_do() -> None:
    with pytest.raises(exceptions.Unauthenticated, match="impersonate-service-account"):
        _id_tokens.token(AnonymousCredentials(), "https://f")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("source")
    (folder / "main.py").write_text(MAIN)
    return folder


@pytest.fixture(scope="module")
def hello(client: Client, source: Path) -> Iterator[Function]:
    yield client.functions.deploy("lib-hello", source=source, entry_point="hello", env={"A": "1"})
    client.functions.delete("lib-hello")


def test_deploy_call_change(client: Client, hello: Function, source: Path) -> None:
    assert (hello.state, hello.trigger, hello.runtime) == ("ACTIVE", "http", "python311")
    assert client.functions.call("lib-hello", {"n": 1}) == {"got": {"n": 1}, "env": "1"}
    same = client.functions.deploy("lib-hello", source=source, entry_point="hello", env={"A": "1"})
    assert same.revision == hello.revision  # nothing was done
    other = client.functions.deploy("lib-hello", source=source, entry_point="hello", env={"A": "2"}, public=True)
    assert other.revision != hello.revision
    assert client.functions.call(hello.name, {})["env"] == "2"
    policy = client.clients.run.get_iam_policy({"resource": other.proto.service_config.service})
    assert [list(binding.members) for binding in policy.bindings] == [["allUsers"]]
    client.functions.deploy("lib-hello", source=source, entry_point="hello", env={"A": "2"})
    assert not client.clients.run.get_iam_policy({"resource": other.proto.service_config.service}).bindings
    assert "lib-hello" in [found.id for found in client.functions.list()]
    assert "url" in other._repr_html_()


def test_a_call_that_fails(client: Client, hello: Function) -> None:
    with pytest.raises(exceptions.FunctionFailed, match="functions logs lib-hello") as caught:
        client.functions.call("lib-hello", "no json")
    assert caught.value.status == 415
    assert any(" 415 " in row.text for row in client.functions.logs("lib-hello"))


def test_errors_name_the_function(client: Client, source: Path) -> None:
    with pytest.raises(exceptions.NotFound, match="functions list"):
        client.functions.get("lib-none")
    with pytest.raises(exceptions.InvalidArgument, match=r"python311"):
        client.functions.deploy("lib-old", source=source, entry_point="hello", runtime="nodejs20")
    with pytest.raises(exceptions.InvalidArgument, match=r"'\./none\.whl' names what is not in the source"):
        client.functions.deploy("lib-bad", source=source, entry_point="hello", requirements=["./none.whl"])
    assert client.functions.get("lib-bad").state == "FAILED"
    client.functions.delete("lib-bad")
