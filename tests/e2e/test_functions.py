"""Functions through the official clients, HTTP, gcloud and curl; their failures; events; kill -9."""

from __future__ import annotations

import json
import os
import shutil
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google.auth.transport.requests
import google.oauth2.id_token
import psutil
import pytest
import requests
from google.api_core import exceptions as google_exceptions
from google.cloud import functions_v2, iam_admin_v1, run_v2
from google.iam.v1 import policy_pb2

from gcpmlops import Client, exceptions
from gcpmlops.emulator import launch

from .conftest import SCRIPTS, Shell, until

pytestmark = pytest.mark.xdist_group("e2e-functions")
PROBE = SCRIPTS / "probe_main.py"


class Caller:
    """Calls one function through the proxy, as the emulator's own service account."""

    def __init__(self, function: Any, environment: dict[str, str]) -> None:
        self.function = function
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.proxies = {"https": environment["HTTPS_PROXY"]}
        self.session.verify = environment["REQUESTS_CA_BUNDLE"]
        self.token = ""

    def __call__(self, query: str = "", *, url: str = "", method: str = "GET", **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.session.request(method, (url or self.function.url) + query, headers=headers, timeout=30, **options)


@pytest.fixture(scope="module")
def probe(client: Client, emulator_environment: dict[str, str]) -> Iterator[Caller]:
    """The HTTP function of `scripts/probe_main.py`, with a time limit of two seconds."""
    made = client.functions.deploy(
        "probe-it", source=PROBE, entry_point="probe", timeout=2, env={"GREETING": "hi"}, concurrency=4
    )
    caller = Caller(made, emulator_environment)
    credentials = client.clients.credentials
    from gcpmlops import _id_tokens

    caller.token = _id_tokens.token(credentials, made.url)
    with caller.session:
        yield caller


def test_both_urls_all_methods_any_body(probe: Caller) -> None:
    answer = probe("/a/b?x=1", method="PUT", data=b"12345").json()
    assert (answer["method"], answer["path"], answer["body"]) == ("PUT", "/a/b", 5)
    assert answer["env"] == {
        "K_SERVICE": "probe-it", "K_REVISION": probe.function.revision, "FUNCTION_TARGET": "probe", "PORT": "8080",
        "GREETING": "hi",
    }  # fmt: skip
    assert probe("/c", url=probe.function.service_url).json()["path"] == "/c"
    streamed = probe(method="POST", data=iter([b"x" * 100_000] * 20))  # without a length
    assert streamed.json()["body"] == 2_000_000
    assert probe("?stream=1").text == "part 0\npart 1\npart 2\n"
    assert probe(method="HEAD").status_code == 200
    assert probe(url="https://us-central1-local-project.cloudfunctions.net/none").status_code == 404


def test_who_may_call(probe: Caller, client: Client, google_environment: dict[str, str]) -> None:
    assert probe.session.get(probe.function.url, timeout=10).status_code == 403
    for token in ("x.y.z", client.clients.credentials.token or "none"):
        assert probe(headers={"Authorization": f"Bearer {token}"}).status_code == 401
    other = google.oauth2.id_token.fetch_id_token(google.auth.transport.requests.Request(), "https://else.where")
    refused = probe(headers={"Authorization": f"Bearer {other}"})
    assert refused.status_code == 401
    assert "https://else.where" in refused.text

    iam_admin_v1.IAMClient().create_service_account(name="projects/local-project", account_id="stranger")
    stranger = _token_of("stranger@local-project.iam.gserviceaccount.com", probe.function.url)
    denied = probe(headers=stranger)
    assert denied.status_code == 403
    assert "roles/run.invoker" in denied.text
    services, name = run_v2.ServicesClient(), probe.function.proto.service_config.service
    member = "serviceAccount:stranger@local-project.iam.gserviceaccount.com"
    policy = policy_pb2.Policy(bindings=[policy_pb2.Binding(role="roles/run.invoker", members=[member])])
    services.set_iam_policy({"resource": name, "policy": policy})
    assert probe(headers=stranger).status_code == 200
    services.set_iam_policy({"resource": name, "policy": policy_pb2.Policy()})
    assert probe(headers=stranger).status_code == 403
    seen = probe("?token=1").json()["authorization"]
    assert seen.endswith(".SIGNATURE_REMOVED_BY_GOOGLE")


def _token_of(email: str, audience: str) -> dict[str, str]:
    """By IAM Credentials, as impersonation asks for it."""
    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = google.auth.transport.requests.AuthorizedSession(credentials)
    url = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{email}:generateIdToken"
    answer = session.post(url, json={"audience": audience, "includeEmail": True}, timeout=10)
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def test_failures_of_a_call(probe: Caller, client: Client) -> None:
    assert probe("?raise=1").status_code == 500
    assert probe("?exit=1").status_code == 503
    first = probe().json()["pid"]
    hung = probe("?hang=1")
    assert hung.status_code == 504
    assert "2 s" in hung.text
    assert probe().json()["pid"] != first
    assert probe("?say=hello").status_code == 200
    lines = client.functions.logs("probe-it")
    assert ("DEFAULT", "hello") in [(row.severity, row.text) for row in lines]
    warned = next(row for row in lines if row.severity == "WARNING" and row.text == "hello")
    assert warned.fields["n"] == 1
    assert any(" 504 " in row.text and row.severity == "ERROR" for row in lines)
    assert any("ValueError: as asked" in row.text for row in lines)


@pytest.mark.parametrize(
    ("main", "said"),
    [("import nothing_there\n", "No module named 'nothing_there'"), ("def other(r): ...\n", "named 'probe'")],
)
def test_what_does_not_start_is_not_active(client: Client, tmp_path: Path, unique, main: str, said: str) -> None:
    (tmp_path / "main.py").write_text(main)
    name = unique("broken")
    with pytest.raises(exceptions.FailedPrecondition, match=said) as caught:
        client.functions.deploy(name, source=tmp_path, entry_point="probe")
    assert f"gcpmlops functions logs {name}" in str(caught.value)
    failed = client.functions.get(name)
    assert failed.state == "FAILED"
    assert said in failed.error
    client.functions.delete(name)


def test_a_failed_update_leaves_what_served(probe: Caller, client: Client, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("1/0\n")
    before = client.functions.get("probe-it")
    with pytest.raises(exceptions.FailedPrecondition, match="ZeroDivisionError"):
        client.functions.deploy("probe-it", source=tmp_path, entry_point="probe", timeout=2)
    after = client.functions.get("probe-it")
    assert (after.state, after.revision) == ("ACTIVE", before.revision)
    assert "ZeroDivisionError" in after.error
    assert probe().status_code == 200
    relabelled = functions_v2.Function(name=before.name, labels={"a": "b"})
    relabelled.service_config.environment_variables = {"GREETING": "ho"}
    mask = {"paths": ["service_config.environment_variables", "labels"]}
    client.clients.functions.update_function(function=relabelled, update_mask=mask).result(timeout=60)
    assert probe().json()["env"]["GREETING"] == "ho"  # of the source that serves, not of the one that failed


def test_archives_that_lie(google_environment: dict[str, str], client: Client, bucket: str, tmp_path: Path) -> None:
    functions = functions_v2.FunctionServiceClient(transport="rest")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("main.py", "def f(r): ...")
        archive.writestr("../outside.py", "")
    (tmp_path / "no.zip").write_bytes(b"no zip")
    for name, said in (("evil.zip", "outside of the archive"), ("no.zip", "zip archive"), ("gone.zip", "not found")):
        if (tmp_path / name).exists():
            client.storage.upload(str(tmp_path / name), destination=f"gs://{bucket}/{name}")
        source = functions_v2.Source(storage_source=functions_v2.StorageSource(bucket=bucket, object_=name))
        build = functions_v2.BuildConfig(runtime="python311", entry_point="f", source=source)
        function = functions_v2.Function(build_config=build)
        operation = functions.create_function(
            parent=client.clients.parent, function=function, function_id=f"evil-{name[:2]}"
        )
        with pytest.raises(google_exceptions.InvalidArgument, match=said):
            operation.result(timeout=30)


def test_requirements_of_the_source_itself(client: Client, tmp_path: Path, unique) -> None:
    wheel = tmp_path / "greeting-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("greeting.py", "TEXT = 'from a wheel'\n")
        archive.writestr("greeting-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n")
        archive.writestr(
            "greeting-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("greeting-1.0.dist-info/RECORD", "")
    (tmp_path / "requirements.txt").write_text(f"./{wheel.name}  # ours\n")
    (tmp_path / "main.py").write_text("import greeting\ndef say(request):\n    return greeting.TEXT\n")
    name = unique("wheel")
    client.functions.deploy(name, source=tmp_path, entry_point="say")
    assert client.functions.call(name) == "from a wheel"
    client.functions.delete(name)


def test_events_of_a_topic_and_of_a_bucket(client: Client, bucket: str, unique) -> None:
    topic = f"projects/{client.config.project}/topics/{unique('events')}"
    client.clients.publisher.create_topic(name=topic)
    on_topic, on_bucket = unique("topic"), unique("bucket")
    client.functions.deploy(on_topic, source=PROBE, entry_point="take", topic=topic)
    client.functions.deploy(on_bucket, source=PROBE, entry_point="take", bucket=bucket, retry=True)
    client.clients.publisher.publish(topic=topic, messages=[{"data": b"good"}, {"data": b"poison"}])
    client.clients.storage.bucket(bucket).blob("a/b é.csv").upload_from_string("x")

    def taken(name: str) -> list[Any]:
        return [row.fields for row in client.functions.logs(name) if row.text == "taken"]

    until(lambda: len(taken(on_topic)) >= 2 and taken(on_bucket))
    assert {row["what"] for row in taken(on_topic)} == {"Z29vZA==", "cG9pc29u"}
    assert taken(on_topic)[0]["source"] == f"//pubsub.googleapis.com/{topic}"
    assert taken(on_topic)[0]["type"] == "google.cloud.pubsub.topic.v1.messagePublished"
    assert dict(taken(on_bucket)[0]) == {
        "message": "taken", "type": "google.cloud.storage.object.v1.finalized", "what": "a/b é.csv",
        "source": f"//storage.googleapis.com/projects/_/buckets/{bucket}",
    }  # fmt: skip
    poisoned = [row for row in client.functions.logs(on_topic) if "DO_NOT_RETRY" in row.text]
    assert len(poisoned) == 1  # acknowledged all the same
    client.functions.delete(on_topic)
    client.functions.delete(on_bucket)
    names = {found.name for found in client.clients.subscriber.list_subscriptions(project="projects/local-project")}
    assert not any(on_topic in name or on_bucket in name for name in names)


def test_the_service_behind_it_by_every_api(
    probe: Caller, client: Client, google_environment: dict[str, str], tmp_path: Path
) -> None:
    name = probe.function.proto.service_config.service
    services, revisions = run_v2.ServicesClient(transport="rest"), run_v2.RevisionsClient()
    service = services.get_service(name=name)
    assert (service.uri, service.template.timeout.seconds) == (probe.function.service_url, 2)
    assert name in [found.name for found in services.list_services(parent=client.clients.parent)]
    assert service.latest_ready_revision in [found.name for found in revisions.list_revisions(parent=name)]
    container = run_v2.Container(image="gcr.io/x/y")
    made = run_v2.Service(template=run_v2.RevisionTemplate(containers=[container]))
    with pytest.raises(google_exceptions.MethodNotImplemented, match=r"CreateService.*gcr\.io/x/y"):
        services.create_service(parent=client.clients.parent, service=made, service_id="other")

    credentials, _ = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    session = google.auth.transport.requests.AuthorizedSession(credentials)
    project = client.config.project
    base = f"https://us-central1-run.googleapis.com/apis/serving.knative.dev/v1/namespaces/{project}"
    shown = session.get(f"{base}/services/probe-it").json()
    assert (shown["kind"], shown["status"]["url"]) == ("Service", probe.function.service_url)
    for selector, there in (
        ("serving.knative.dev/service in (probe-it)", True),
        ("serving.knative.dev/service=x", False),
    ):
        listed = session.get(f"{base}/revisions", params={"labelSelector": selector}).json()["items"]
        assert (shown["status"]["latestReadyRevisionName"] in [item["metadata"]["name"] for item in listed]) is there
    enabled = session.get(f"https://serviceusage.googleapis.com/v1/projects/{project}/services/run.googleapis.com")
    assert enabled.json()["state"] == "ENABLED"

    functions = functions_v2.FunctionServiceClient()
    url = functions.generate_download_url({"name": probe.function.name}).download_url
    (tmp_path / "source.zip").write_bytes(requests.get(url, timeout=10).content)
    with zipfile.ZipFile(tmp_path / "source.zip") as archive:
        assert archive.read("main.py") == PROBE.read_bytes()
    assert "python311" in [found.name for found in functions.list_runtimes(parent=client.clients.parent).runtimes]


def test_curl_and_the_plain_port(shell: Shell, probe: Caller, emulator) -> None:
    bearer = f"Authorization: Bearer {probe.token}"
    done = shell.tool("curl", "-sS", "-H", bearer, "-d", "abc", f"{probe.function.url}/p")
    assert json.loads(done.stdout)["body"] == 3
    host = probe.function.url.removeprefix("https://")
    done = shell.tool("curl", "-sS", "-H", bearer, f"{emulator.endpoint}/{host}/q")
    assert json.loads(done.stdout)["path"] == "/q"


@pytest.mark.gcloud
@pytest.mark.skipif(shutil.which("gcloud") is None, reason="the Google Cloud CLI is not installed")
def test_gcloud(shell: Shell, client: Client, unique) -> None:
    name, region = unique("gcloud"), "--region=us-central1"

    def gcloud(*command: str) -> str:
        return shell.tool("gcloud", "--quiet", *command, region).stdout

    (shell.cwd / "main.py").write_text("def hi(request):\n    return 'hi ' + request.get_json()['name']\n")
    (shell.cwd / "requirements.txt").write_text("")
    gcloud(
        "functions", "deploy", name, "--gen2", "--runtime=python311", "--trigger-http", "--source=.", "--entry-point=hi"
    )
    assert gcloud("functions", "call", name, "--gen2", '--data={"name": "you"}').strip() == "hi you"
    assert "allUsers" in gcloud("functions", "add-invoker-policy-binding", name, "--member=allUsers")
    assert gcloud("run", "services", "describe", name, "--format=value(status.url)").strip().endswith(".a.run.app")
    client.functions.delete(name)


def test_kill_and_start_again(tmp_path: Path) -> None:
    state = launch.start(tmp_path / "data", ())
    try:
        with _connected(state) as client:
            client.functions.deploy("kept", source=PROBE, entry_point="probe", public=True)
            instance = psutil.Process(client.functions.call("kept")["pid"])
            os.kill(state.pid, signal.SIGKILL)
        launch.stop(state)  # reaps it
        until(lambda: not instance.is_running() or instance.status() == psutil.STATUS_ZOMBIE)
        state = launch.start(tmp_path / "data", ())
        with _connected(state) as client:
            assert client.functions.get("kept").state == "ACTIVE"
            answer = client.functions.call("kept")
            assert answer["env"]["K_SERVICE"] == "kept"
            assert answer["pid"] != instance.pid
    finally:
        launch.stop(state)


def _connected(state: Any) -> Client:
    key = str(Path(state.data_dir) / "credentials.json")
    return Client(project=state.project, location="us-central1", endpoint=state.endpoint, credentials_file=key)
