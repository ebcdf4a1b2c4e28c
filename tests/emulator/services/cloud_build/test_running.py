"""What steps get and what becomes of it: order, volumes, secrets, timeouts, sources, artifacts, cancelling."""

from __future__ import annotations

import io
import json
import tarfile
import uuid
import zipfile

import pytest
from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import Build

from .conftest import until

Status = Build.Status


def sh(script, **fields):
    return {"name": "ubuntu", "script": script, **fields}


def test_steps_wait_for_those_that_they_name(building):
    """Both of the first two have to run at a time, or neither of them ends."""
    meet = "touch $ME; until [ -e $OTHER ]; do sleep 0.01; done; echo met"
    build = building.run(
        sh(meet, id="a", env=["ME=a", "OTHER=b"], wait_for=["-"]),
        sh(meet, id="b", env=["ME=b", "OTHER=a"], wait_for=["-"]),
        sh("echo last", id="c", wait_for=["a", "b"]),
        timeout="20s",
    )
    assert build.status == Status.SUCCESS, build.status_detail
    assert building.printed(build)[-1] == 'Step #2 - "c": last'


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ([{"id": "a", "wait_for": ["b"]}, {"id": "b", "wait_for": ["a"]}], '#0 - "a" waits for "b", which comes later'),
        ([{"id": "a", "wait_for": ["a"]}], "the step itself"),
        ([{"wait_for": ["x"]}], '#0 waits for "x", which does not exist'),
        ([{"id": "a"}, {"id": "a"}], 'the same id "a"'),
    ],
)
def test_steps_that_would_wait_for_ever_are_refused(building, steps, says):
    with pytest.raises(exceptions.InvalidArgument, match=says):
        building.submit(*(sh("true", **step) for step in steps))


def test_a_failure_is_let_through_where_that_is_allowed(building):
    build = building.run(sh("exit 1", allow_failure=True), sh("exit 7", allow_exit_codes=[7]), sh("echo on"))
    assert build.status == Status.SUCCESS
    assert [(step.status, step.exit_code) for step in build.steps] == [
        (Status.FAILURE, 1), (Status.FAILURE, 7), (Status.SUCCESS, 0),
    ]  # fmt: skip
    assert "Step #1: step exited with non-zero status: 7, which is allowed: the build goes on" in building.lines(build)


def test_timeouts_of_a_step_and_of_the_build(building):
    forever = "while true; do sleep 0.05; done"
    of_step = building.submit(sh(forever, timeout="0.3s"))
    of_build = building.submit(sh(forever), timeout="0.3s")
    allowed = building.ended(building.submit(sh(forever, timeout="0.1s", allow_failure=True), sh("echo on")))
    assert (allowed.status, allowed.steps[0].status) == (Status.SUCCESS, Status.TIMEOUT)
    step, build = building.ended(of_step), building.ended(of_build)
    assert (step.status, step.steps[0].status) == (Status.TIMEOUT, Status.TIMEOUT)
    assert (build.status, build.steps[0].status) == (Status.TIMEOUT, Status.CANCELLED)
    assert "timed out" in step.status_detail


def test_what_steps_share_and_what_they_print(building):
    volumes = [{"name": "cache", "path": "/cache"}]
    build = building.run(
        sh("echo kept > /cache/file; echo out > $BUILDER_OUTPUT/output", volumes=volumes),
        sh("cat /cache/file; pwd | sed s,.*/,,", volumes=volumes, dir_="below/here"),
        sh("echo $ALL $OWN; echo 3 >&2; echo 4", env=["OWN=2"]),
        {"name": "ubuntu", "entrypoint": "echo", "args": ["$_X", "$$HOME", "${PROJECT_ID}"]},
        {"name": "ubuntu", "script": "echo $_X", "automap_substitutions": True},
        substitutions={"_X": "x y"},
        options={"logging": "CLOUD_LOGGING_ONLY", "env": ["ALL=1"]},
    )
    assert build.status == Status.SUCCESS, build.status_detail
    assert building.printed(build) == [
        "Step #1: kept", "Step #1: here", "Step #2: 1 2", "Step #2: 3", "Step #2: 4",
        f"Step #3: x y $HOME {building.project}", "Step #4: x y",
    ]  # fmt: skip
    assert list(build.results.build_step_outputs) == [b"out\n", b"", b"", b"", b""]


def test_files_may_name_the_workspace(building):
    """A literal path in a program's own text, which nobody rewrites: where the machine allows mounts it is there."""
    program = "open('/work' + 'space/made', 'w').write(open('/work' + 'space/given').read())"
    build = building.run(
        sh("echo it > given; unshare --mount true && touch mounts || true"),
        {"name": "python:3.11", "args": ["sh", "-c", f'if [ -e mounts ]; then python -c "{program}"; cat made; fi']},
    )
    assert build.status == Status.SUCCESS, build.status_detail
    if not building.printed(build):
        pytest.skip("this machine does not let a process have mounts of its own")
    assert building.printed(build) == ["Step #1: it"]


def test_secrets_are_masked_however_they_are_printed(building, secret_version):
    value = "sesame-8152"
    multiline = "-----BEGIN-----\nline-of-a-key\n-----END-----"
    numbered = secret_version(value.encode()).replace(building.project, "$PROJECT_NUMBER")
    script = (
        "import os, sys, time; s = os.environ['KEY']; sys.stdout.write('a ' + s[:4]); sys.stdout.flush();"
        "sys.stdout.write(s[4:] + ' b\\n'); print(len(s)); print(s + s); print(os.environ['PEM']);"
        "print('x' * 65530 + s)"
    )
    build = building.run(
        {"name": "python:3.11", "args": ["python", "-c", script], "secret_env": ["KEY", "PEM"]},
        available_secrets={
            "secret_manager": [
                {"version_name": numbered, "env": "KEY"},
                {"version_name": secret_version(multiline.encode()), "env": "PEM"},
            ]
        },
    )
    assert build.status == Status.SUCCESS, build.status_detail
    printed = "\n".join(building.lines(build))
    assert "Step #0: a *** b" in printed
    assert f"Step #0: {len(value)}" in printed
    assert "Step #0: ******" in printed
    for hidden in (value, value[:8], "line-of-a-key"):
        assert hidden not in printed


def test_a_secret_that_is_not_there_fails_the_build(building):
    version = f"projects/{building.project}/secrets/none/versions/latest"
    build = building.run(
        sh("true"),
        sh("true", secret_env=["KEY"]),
        tags=["$BRANCH_NAME", "a", "a"],
        available_secrets={
            "secret_manager": [
                {"version_name": version, "env": "KEY"},
                {"version_name": version.replace("none", "nor-asked-for"), "env": "OTHER"},
            ]
        },
    )
    assert (build.status, build.steps[1].status) == (Status.FAILURE, Status.FAILURE)
    assert f'build step 1 "ubuntu" failed: failed to access secret version for secret {version}' in build.status_detail
    assert build.failure_info.type_.name == "USER_BUILD_STEP"
    assert list(build.tags) == ["a"]


def test_sources_and_artifacts(building, client, bucket):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in {"in/a.txt": b"a", "in/b.txt": b"bb"}.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    _put(client, bucket, "source.tgz", packed.getvalue())
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("z.txt", "z")
    _put(client, bucket, "source.zip", zipped.getvalue())
    build = building.run(
        sh("cat in/b.txt > out.txt"),
        source={"storage_source": {"bucket": bucket, "object_": "source.tgz"}},
        artifacts={"objects": {"location": f"gs://{bucket}/made/$BUILD_ID", "paths": ["out.txt", "in/*.txt"]}},
    )
    assert build.status == Status.SUCCESS, build.status_detail
    assert build.source_provenance.resolved_storage_source.generation > 0
    assert build.results.num_artifacts == 3
    assert {"FETCHSOURCE", "BUILD", "PUSH"} <= set(build.timing)
    assert _get(client, bucket, f"made/{build.id}/out.txt") == b"bb"
    manifest = [json.loads(line) for line in _get(client, *_parts(build.results.artifact_manifest)).splitlines()]
    assert [line["location"].partition("#")[0].rpartition("/")[2] for line in manifest] == ["out.txt", "a.txt", "b.txt"]
    again = building.run(
        sh("cat z.txt"), source={"storage_source": {"bucket": bucket, "object_": "source.zip"}},
        artifacts={"objects": {"location": f"gs://{bucket}", "paths": ["no-such-*"]}},
    )  # fmt: skip
    assert building.printed(again) == ["Step #0: z"]
    assert (again.status, again.failure_info.type_.name) == (Status.FAILURE, "PUSH_FAILED")
    assert "no-such-*" in again.status_detail


def test_python_packages_go_to_artifact_registry(building, client):
    repository = f"python-{uuid.uuid4().hex[:8]}"
    registry = client.clients.artifact_registry
    registry.create_repository(
        parent=building.parent, repository_id=repository, repository={"format_": "PYTHON"}
    ).result()
    url = f"https://{building.location}-python.pkg.dev/{building.project}/{repository}"
    pack = (
        "import os, zipfile\nos.mkdir('dist')\nw = zipfile.ZipFile('dist/small-1.2-py3-none-any.whl', 'w')\n"
        "w.writestr('small.py', '')\n"
        "w.writestr('small-1.2.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: small\\nVersion: 1.2\\n')\n"
        "w.writestr('small-1.2.dist-info/WHEEL', 'Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n"
        "w.writestr('small-1.2.dist-info/RECORD', '')\nw.close()\n"
    )
    step = {"name": "python:3.11", "args": ["python", "-c", pack]}
    artifacts = {"python_packages": [{"repository": url, "paths": ["dist/*"]}]}
    build = building.run(step, artifacts=artifacts)
    assert build.status == Status.SUCCESS, build.status_detail
    (uploaded,) = build.results.python_packages
    assert uploaded.uri == f"{url}/small-1.2-py3-none-any.whl"
    (package,) = registry.list_packages(parent=f"{building.parent}/repositories/{repository}")
    assert package.name.endswith("/packages/small")
    again = building.run(step, artifacts=artifacts)  # what is there is not written over
    assert (again.status, again.failure_info.type_.name) == (Status.FAILURE, "PUSH_FAILED")


def test_a_source_that_is_not_there_or_no_archive(building, client, bucket):
    with pytest.raises(exceptions.NotFound):
        building.submit(sh("true"), source={"storage_source": {"bucket": bucket, "object_": "none"}})
    _put(client, bucket, "text", b"no archive")
    build = building.run(sh("true"), source={"storage_source": {"bucket": bucket, "object_": "text"}})
    assert (build.status, build.failure_info.type_.name) == (Status.FAILURE, "FETCH_SOURCE_FAILED")


def test_cancel_and_retry(building):
    operation = building.submit(sh("echo begun; while true; do sleep 0.05; done"), tags=["cancelled"])
    build_id = operation.metadata.build.id
    name = f"{building.parent}/builds/{build_id}"
    until(lambda: building.printed(building.get(build_id)))
    building.api.cancel_build({"name": name})
    build = building.ended(operation)
    assert (build.status, build.steps[0].status) == (Status.CANCELLED, Status.CANCELLED)
    with pytest.raises(exceptions.FailedPrecondition):
        building.api.cancel_build({"name": name})
    with pytest.raises(exceptions.Cancelled):
        operation.result()
    retried = building.api.retry_build({"name": name})
    again = retried.metadata.build.id
    assert again != build_id
    building.api.cancel_build({"name": f"{building.parent}/builds/{again}"})
    assert building.ended(retried).status == Status.CANCELLED
    request = {"parent": building.parent, "filter": f'build_id="{build_id}"'}
    assert [found.id for found in building.api.list_builds(request)] == [build_id]
    request = {"parent": building.parent, "filter": 'tags="cancelled" AND status="CANCELLED"'}
    assert [found.id for found in building.api.list_builds(request)] == [again, build_id]
    everywhere = {**request, "parent": f"projects/{building.project}/locations/-"}
    assert [found.id for found in building.api.list_builds(everywhere)] == [again, build_id]
    number = building.get(build_id).name
    assert building.api.get_build({"name": number}).id == build_id


@pytest.fixture
def told(building, client):
    """A subscription of the topic that hears of builds."""
    project = f"projects/{building.project}"
    topic = client.clients.publisher.create_topic(name=f"{project}/topics/cloud-builds").name
    name = f"{project}/subscriptions/s-{uuid.uuid4().hex[:8]}"
    yield client.clients.subscriber.create_subscription(name=name, topic=topic).name
    client.clients.publisher.delete_topic(topic=topic)


def test_the_log_grows_in_storage_and_the_topic_is_told(building, client, told, tmp_path):
    mark = tmp_path / "mark"
    build = {"steps": [sh(f"echo first; until [ -e {mark} ]; do sleep 0.01; done; echo second")]}
    operation = building.api.create_build({"project_id": building.project, "build": build})
    started = operation.metadata.build
    bucket, name = started.logs_bucket.removeprefix("gs://"), f"log-{started.id}.txt"
    assert bucket.endswith(".cloudbuild-logs.googleusercontent.com")
    first = until(lambda: "first" in (text := _get(client, bucket, name).decode()) and text)
    assert "second" not in first
    mark.touch()
    operation.result(timeout=30)
    assert _get(client, bucket, name).decode().startswith(first)
    assert _get(client, bucket, name).decode().endswith("\nDONE\n")
    heard = []
    while len(heard) < 3:
        found = client.clients.subscriber.pull(subscription=told, max_messages=10, timeout=20).received_messages
        heard += [(m.message.attributes["buildId"], m.message.attributes["status"]) for m in found]
        client.clients.subscriber.acknowledge(subscription=told, ack_ids=[m.ack_id for m in found])
    assert heard == [(started.id, status) for status in ("QUEUED", "WORKING", "SUCCESS")]
    legacy = building.api.get_build(project_id=building.project, id=started.id)
    assert legacy.status == Status.SUCCESS


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"images": ["gcr.io/p/i"]}, exceptions.InvalidArgument, "gcr.io/p/i.*Docker"),
        ({"options": {"pool": {"name": "x"}}}, exceptions.MethodNotImplemented, "worker pools"),
        ({"source": {"repo_source": {"repo_name": "r"}}}, exceptions.MethodNotImplemented, "Source Repositories"),
        ({"source": {"storage_source_manifest": {"bucket": "b"}}}, exceptions.MethodNotImplemented, "Manifest"),
        ({"available_secrets": {"inline": [{"kms_key_name": "k"}]}}, exceptions.MethodNotImplemented, "KMS"),
        ({"service_account": "me@x"}, exceptions.InvalidArgument, "me@x"),
        (
            {
                "service_account": "projects/p/serviceAccounts/me@x",
                "options": {"default_logs_bucket_behavior": "LEGACY_BUCKET"},
            },
            exceptions.InvalidArgument,
            "build.service_account",
        ),
        ({"logs_bucket": "gs://no-such-bucket-1", "options": {}}, exceptions.NotFound, "no-such-bucket-1"),
        ({"tags": ["no-goöd"]}, exceptions.InvalidArgument, "no-goöd"),
        ({"steps": []}, exceptions.InvalidArgument, "at least one step"),
        ({"steps": [sh("x", args=["y"])]}, exceptions.InvalidArgument, "has a script"),
        ({"steps": [sh("x", env=["NO"])]}, exceptions.InvalidArgument, "NAME=VALUE"),
        ({"steps": [sh("x", secret_env=["NO"])]}, exceptions.InvalidArgument, '"NO" is not in availableSecrets'),
        (
            {"steps": [sh("x", volumes=[{"name": "v", "path": "/v"}]), sh("x")]},
            exceptions.InvalidArgument,
            'volume "v" is used by one step alone',
        ),
        ({"options": {"volumes": [{"name": "v", "path": "/v"}]}}, exceptions.InvalidArgument, '"v" is used by one'),
        (
            {"steps": [sh("x", volumes=[{"name": "../../v", "path": "/v"}])] * 2},
            exceptions.InvalidArgument,
            'volume "../../v" needs .* a name',
        ),
        ({"timeout": "-5s"}, exceptions.InvalidArgument, "timeout is negative"),
        ({"options": {"disk_size_gb": 4001}}, exceptions.InvalidArgument, "diskSizeGb exceeds"),
        ({"artifacts": {"objects": {"location": "b/x", "paths": ["*"]}}}, exceptions.InvalidArgument, '"b/x" is not'),
        ({"artifacts": {"objects": {"location": "gs://b"}}}, exceptions.InvalidArgument, "which files"),
        ({"images": ["a"], "artifacts": {"images": ["b"]}}, exceptions.InvalidArgument, "images differ"),
        ({"tags": [f"t{number}" for number in range(65)]}, exceptions.InvalidArgument, "65 tags"),
        (
            {"available_secrets": {"secret_manager": [{"version_name": "projects/p/secrets/s", "env": "S"}]}},
            exceptions.InvalidArgument,
            'versionName "projects/p/secrets/s" is not',
        ),
    ],
)
def test_what_is_refused(building, fields, error, says):
    with pytest.raises(error, match=says):
        building.submit(*fields.pop("steps", [sh("true")]), **fields)


def _put(client, bucket, name, content):
    client.clients.storage.bucket(bucket).blob(name).upload_from_string(content)


def _get(client, bucket, name):
    blob = client.clients.storage.bucket(bucket).blob(name)
    try:
        return blob.download_as_bytes()
    except exceptions.NotFound:
        return b""


def _parts(uri):
    return uri.removeprefix("gs://").split("/", 1)
