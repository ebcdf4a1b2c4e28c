"""client.builds: sources, logs, failures, approvals, triggers."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from gcpmlops._builds.config import build_of
from gcpmlops._builds.source import packed
from gcpmlops.exceptions import BuildFailed, FailedPrecondition, InvalidArgument, NotFound

SH = {"name": "ubuntu"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "greet.sh").write_text("#!/bin/sh\necho hello $1\n")
    (tmp_path / "greet.sh").chmod(0o755)
    (tmp_path / "notes.txt").write_text("not for the build")
    (tmp_path / ".gcloudignore").write_text("notes.txt\n.gcloudignore\n")
    return tmp_path


def configured(folder: Path, text: str) -> Path:
    (folder / "cloudbuild.yaml").write_text(text)
    return folder


def test_a_folder_is_built_and_its_log_followed(client, staging, folder: Path) -> None:
    config = (
        "steps:\n  - {name: ubuntu, id: greet, args: [sh, -c, './greet.sh $_WHO; ls -a']}\nsubstitutions: {_WHO: me}\n"
    )
    lines: list[str] = []
    build = client.builds.run(
        configured(folder, config),
        substitutions={"_WHO": "you"},
        tags=["t1"],
        on_log=lambda line: lines.append(line.text),
    )
    assert build.state.name == "SUCCESS"
    assert 'Step #0 - "greet": hello you' in lines
    assert not [line for line in lines if "notes.txt" in line]
    assert lines == [line.text for line in client.builds.logs(build.id)]
    assert build.id in [each.id for each in client.builds.list(filter='tags="t1"')]
    assert build.proto.source.storage_source.bucket == staging


def test_the_step_that_failed_is_named_with_its_last_lines(client) -> None:
    steps = [
        {**SH, "script": "echo fine"},
        {**SH, "id": "test", "script": "echo one; echo two >&2; exit 3"},
        {**SH, "script": "echo never"},
    ]
    with pytest.raises(BuildFailed, match=r'ended FAILURE: step #1 "test" \(ubuntu\): exit code 3') as failed:
        client.builds.run(None, config={"steps": steps})
    error = failed.value
    assert (error.step, error.state) == ("test", "FAILURE")
    assert sorted(line.partition(": ")[2] for line in error.log_tail) == ["one", "two"]
    assert f"gcpmlops builds logs {error.build.rpartition('/')[2]}" in error.next_step


def test_a_log_that_is_in_a_bucket_alone(client) -> None:
    config = {"steps": [{**SH, "script": "echo kept"}], "options": {"logging": "GCS_ONLY"}}
    lines: list[str] = []
    client.builds.run(None, config=config, on_log=lambda line: lines.append(line.text))
    assert "Step #0: kept" in lines


def test_a_cancelled_build(client) -> None:
    build = client.builds.submit(None, config={"steps": [{**SH, "script": "sleep 60"}]})
    build.cancel()
    with pytest.raises(BuildFailed) as failed:
        build.wait(timeout=30)
    assert failed.value.state == "CANCELLED"
    with pytest.raises(FailedPrecondition):
        client.builds.cancel(build.id)


def test_a_trigger_whose_builds_wait_for_somebody(client, unique) -> None:
    name, config = unique("trigger"), {"steps": [{**SH, "script": "echo approved"}]}
    made = client.builds.ensure_trigger(name, config=config, approval=True)
    assert client.builds.ensure_trigger(name, config=config, approval=True) == made
    changed = client.builds.ensure_trigger(name, config=config, approval=True, description="nightly")
    assert (changed.id, changed.proto.description) == (made.id, "nightly")
    build = client.builds.run_trigger(name)
    assert (build.state.name, build.trigger) == ("PENDING", made.id)
    client.builds.approve(build.id, comment="seen")
    assert build.wait(timeout=30).proto.approval.result.comment == "seen"
    rejected = client.builds.run_trigger(name)
    assert client.builds.approve(rejected.id, reject=True).state.name == "CANCELLED"
    client.builds.delete_trigger(name)
    with pytest.raises(NotFound, match="list-triggers"):
        client.builds.get_trigger(name)


def test_an_account_of_its_own_logs_to_cloud_logging(client) -> None:
    build = client.builds.submit(
        None, config={"steps": [{**SH, "script": "true"}]}, service_account="ml-delivery", wait=True
    )
    project = client.config.project
    assert build.proto.service_account == (
        f"projects/{project}/serviceAccounts/ml-delivery@{project}.iam.gserviceaccount.com"
    )
    assert build.proto.options.logging.name == "CLOUD_LOGGING_ONLY"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: []\n", "there are no steps"),
        ("", "the file is empty"),
        ("steps: [{name: ubuntu, arguments: [x]}]\n", 'no field named "arguments"'),
        ("steps: [{name: ubuntu}]\nsteps: []\n", "cloudbuild.yaml:2: 'steps' stands twice"),
        ("steps: [\n", "cloudbuild.yaml:2: "),
    ],
)
def test_a_config_that_is_none(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        build_of(configured(tmp_path, text) / "cloudbuild.yaml")


def test_the_services_own_words(client) -> None:
    with pytest.raises(InvalidArgument, match="_TAG"):
        client.builds.submit(None, config={"steps": [{**SH, "args": ["echo", "$_TAG"]}]})
    with pytest.raises(NotFound, match="builds list"):
        client.builds.get("nothing")


def test_the_same_files_make_the_same_archive(folder: Path) -> None:
    content = packed(folder)
    (folder / "greet.sh").touch()
    (folder / ".gcpmlops").mkdir()
    (folder / ".gcpmlops" / "delivery.json").write_text("{}")
    (folder / "itself").symlink_to(".")  # would go on for ever
    assert packed(folder) == content
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert [(each.name, each.mode) for each in archive] == [("greet.sh", 0o755)]
    (folder / ".gcloudignore").write_text("*\n")
    with pytest.raises(InvalidArgument, match="all are ignored"):
        packed(folder)
    with pytest.raises(InvalidArgument, match="is no folder"):
        packed(folder / "none")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"config": {"steps": [SH]}, "filename": "cloudbuild.yaml"},
        {"filename": "cloudbuild.yaml", "branch": "^main$"},
        {"config": {"steps": [SH]}, "branch": "^main$"},
        {"config": {"steps": [SH]}, "repository": "me", "branch": "^main$"},
        {"config": {"steps": [SH]}, "repository": "me/it", "branch": "^main$", "tag": "v.*"},
    ],
)
def test_triggers_that_make_no_sense(client, given) -> None:
    with pytest.raises(InvalidArgument):
        client.builds.ensure_trigger("t", **given)
