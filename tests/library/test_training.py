"""client.training against the emulator: jobs really run."""

from pathlib import Path

import pytest

from gcpmlops import Client, exceptions

GOOD = """
import os, sys
print("hello", *sys.argv[1:], os.environ["COLOUR"])
path = os.environ["AIP_MODEL_DIR"]
print("model goes to", path)
"""
BAD = """
def train():
    raise ValueError("the data is empty")
print("starting")
train()
"""
SLOW = "import time\nprint('up', flush=True)\ntime.sleep(300)\n"
IMAGE = "python:3.11"


@pytest.fixture
def script(tmp_path: Path):
    def write(text: str, name: str = "train.py") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def test_script_runs_and_its_log_is_streamed(client: Client, staging: str, script) -> None:
    lines: list[str] = []
    job = client.training.run(
        script(GOOD),
        image=IMAGE,
        args={"rows": 5},
        env={"COLOUR": "green"},
        labels={"team": "risk"},
        on_log=lambda line: lines.append(line.text),
    )
    assert job.state.name == "JOB_STATE_SUCCEEDED"
    assert "hello --rows=5 green" in lines
    assert lines == [line.text for line in client.training.logs(job.id)]
    assert job.model_dir.startswith(f"gs://{staging}/gcpmlops/training/train-")
    assert dict(job.proto.labels)["team"] == "risk"
    assert job.name in [each.name for each in client.training.list()]
    client.training.delete(job.id)
    with pytest.raises(exceptions.NotFound, match="training list"):
        client.training.get(job.id)


def test_script_that_raises(client: Client, staging: str, script) -> None:
    with pytest.raises(exceptions.JobFailed) as caught:
        client.training.run(script(BAD), image=IMAGE)
    error = caught.value
    assert (error.cause, error.exit_code, error.state) == ("ValueError: the data is empty", 1, "JOB_STATE_FAILED")
    assert error.log_tail[0] == "Traceback (most recent call last):"
    assert "ValueError: the data is empty" in error.log_tail


def test_folder_with_requirements(client: Client, staging: str, script, tmp_path: Path) -> None:
    script("VALUE = 42\n", "helper.py")
    script("import helper, six\nprint('value', helper.VALUE, six.__name__)\n", "main.py")
    lines: list[str] = []
    client.training.run(
        tmp_path, image=IMAGE, module="main", requirements=["six"], on_log=lambda line: lines.append(line.text)
    )
    assert "value 42 six" in lines


def test_image_with_a_command(client: Client, staging: str) -> None:
    lines: list[str] = []
    client.training.run(
        image=IMAGE,
        command=["python", "-c"],
        args=["print('from an image')"],
        on_log=lambda line: lines.append(line.text),
    )
    assert "from an image" in lines


def test_cancel(client: Client, staging: str, script) -> None:
    job = client.training.submit(script(SLOW), image=IMAGE)
    for line in client.training.logs(job.id, follow=True):
        if line.text == "up":
            break
    job.cancel()
    with pytest.raises(exceptions.JobCancelled):
        job.wait(timeout=60)
    assert job.refresh().state.name == "JOB_STATE_CANCELLED"


def test_wait_that_ends_too_early(client: Client, staging: str, script) -> None:
    job = client.training.submit(script(SLOW), image=IMAGE)
    with pytest.raises(exceptions.DeadlineExceeded, match=r"training cancel"):
        job.wait(timeout=0.3)
    job.cancel()
    with pytest.raises(exceptions.JobCancelled):
        job.wait(timeout=60)


def test_a_prebuilt_image_has_a_short_name(client: Client, script) -> None:
    job = client.training.submit(script(GOOD), image="xgboost-cpu.2-1", dry_run=True)
    uri = job.proto.job_spec.worker_pool_specs[0].python_package_spec.executor_image_uri
    assert uri == "us-docker.pkg.dev/vertex-ai/training/xgboost-cpu.2-1:latest"


def test_dry_run_touches_nothing(client: Client, script) -> None:
    before = len(client.training.list())
    job = client.training.submit(
        script(GOOD), staging_bucket="not-there-at-all", dry_run=True, machine_type="n2-standard-8"
    )
    pool = job.proto.job_spec.worker_pool_specs[0]
    assert pool.machine_spec.machine_type == "n2-standard-8"
    assert pool.python_package_spec.package_uris[0].startswith("gs://not-there-at-all/")
    assert (job.name, len(client.training.list())) == ("", before)


def test_missing_staging_bucket(client: Client, script, unique) -> None:
    name = unique("missing")
    with pytest.raises(exceptions.NotFound, match=f"create-bucket {name}"):
        client.training.submit(script(GOOD), staging_bucket=name)


def test_image_that_cannot_run(client: Client, staging: str) -> None:
    with pytest.raises(exceptions.GcpMlopsError, match=r"no-such-image|gcr\.io"):
        client.training.run(image="gcr.io/nobody/no-such-image:1", command=["true"])


def test_missing_job(client: Client) -> None:
    for call in (client.training.get, client.training.cancel, client.training.delete):
        with pytest.raises(exceptions.NotFound, match="999"):
            call("999")


def test_nothing_to_run(client: Client) -> None:
    with pytest.raises(exceptions.InvalidArgument, match="nothing to run"):
        client.training.submit()


def test_list_filters_and_limits(client: Client, staging: str, script, unique) -> None:
    name = unique("job")
    job = client.training.submit(image=IMAGE, command=["python", "-c", "print(1)"], display_name=name)
    assert [each.id for each in client.training.list(filter=f'display_name="{name}"')] == [job.id]
    assert len(client.training.list(limit=1)) == 1
    assert job.wait(timeout=120).state.name == "JOB_STATE_SUCCEEDED"
    assert name in job._repr_html_()


@pytest.mark.parametrize(
    ("code", "settings", "cause", "step"),
    [
        ("import not_there_at_all\n", {}, "No module named 'not_there_at_all'", "requirements="),
        ("print(1)\n", {"requirements": ["no-such-distribution-anywhere==9"]}, "no-such-distribution", "requirements="),
        ("import time\nprint('up', flush=True)\ntime.sleep(300)\n", {"timeout": 1.5}, "", "timeout=SECONDS"),
        ("import argparse\np = argparse.ArgumentParser()\np.add_argument('--n', type=int)\np.parse_args()\n",
         {"args": {"n": "x"}}, "", "preflight"),
    ],
    ids=["module", "requirements", "timeout", "arguments"],
)  # fmt: skip
def test_a_failure_says_why_and_what_next(
    client: Client, staging: str, script, code: str, settings: dict[str, object], cause: str, step: str
) -> None:
    with pytest.raises(exceptions.JobFailed) as caught:
        client.training.run(script(code), image=IMAGE, preflight=False, **settings)
    assert cause in caught.value.cause
    assert step in caught.value.next_step, caught.value
    assert "gcpmlops training logs" in caught.value.next_step


def test_packages_run(client: Client, staging: str, tmp_path: Path) -> None:
    from gcpmlops._jobs import packaging

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text("")
    (tmp_path / "mine" / "task.py").write_text("import six, sys\nprint('packaged', six.__name__, *sys.argv[1:])\n")
    built = packaging.build(tmp_path / "mine")
    path = tmp_path / built.filename
    path.write_bytes(built.content)
    lines: list[str] = []
    client.training.run(
        path,
        module="mine.task",
        requirements=["six"],
        image=IMAGE,
        args=["x"],
        on_log=lambda line: lines.append(line.text),
    )
    assert "packaged six x" in lines
    uri = f"gs://{staging}/packages/{built.filename}"
    client.storage.upload(built.content, destination=uri)
    client.training.run(
        uri, module="mine.task", requirements=["six"], image=IMAGE, on_log=lambda line: lines.append(line.text)
    )
    assert "packaged six" in lines
