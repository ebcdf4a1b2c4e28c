"""Real jobs in real environments of bare Python."""

import dataclasses
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from google.api_core import exceptions

from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.objects import ObjectInfo
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.training import Training, TrainingJob
from gcpmlops.emulator.runtimes.training_spec import Pool, State, TrainingSpec

IMAGE = f"python:3.{sys.version_info[1]}"


class Folder:
    """An object store over one folder: BUCKET/OBJECT."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def exists(self, bucket: str) -> bool:
        return (self.root / bucket).is_dir()

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        for path in sorted((self.root / bucket).rglob("*")):
            name = path.relative_to(self.root / bucket).as_posix()
            if path.is_file() and name.startswith(prefix):
                yield ObjectInfo(name, path.stat().st_size, 1)

    def local_path(self, bucket: str, name: str) -> Path:
        path = self.root / bucket / name
        if not path.is_file():
            raise exceptions.NotFound(f"No such object: gs://{bucket}/{name}")
        return path

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        target = self.root / bucket / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())


class Watch:
    """The callbacks of a job."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self.error: Exception | None = None
        self.lines: list[tuple[str, str, str]] = []
        self.said = threading.Condition()

    def on_state(self, state: State, error: Exception | None) -> None:
        with self.said:
            self.states.append(state)
            self.error = error
            self.said.notify_all()

    def on_line(self, task: str, stream: str, text: str) -> None:
        with self.said:
            self.lines.append((task, stream, text))
            self.said.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.said:
            assert self.said.wait_for(lambda: condition() or self.error, 60), self.lines

    @property
    def texts(self) -> list[str]:
        return [text for _, _, text in self.lines]


@pytest.fixture(scope="module")
def environments_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def store(tmp_path: Path) -> Folder:
    (tmp_path / "store" / "bucket").mkdir(parents=True)
    return Folder(tmp_path / "store")


@pytest.fixture
def training(tmp_path: Path, store: Folder, environments_directory: Path) -> Iterator[Training]:
    processes = Processes(tmp_path / "registry")
    environments = Environments(processes, environments_directory)
    yield Training(processes, environments, store, tmp_path / "jobs", {"FROM_BASE": "base"}, {"mapped": "sh -c"})
    processes.close()
    assert not list((tmp_path / "jobs").iterdir())


def shell(script: str, **more: object) -> Pool:
    return Pool(IMAGE, command=["sh", "-c", script], **more)  # type: ignore[arg-type]


def start(training: Training, *pools: Pool | None, **more: object) -> tuple[TrainingJob, Watch]:
    watch = Watch()
    spec = TrainingSpec("42", "123", "us-central1", pools, **more)  # type: ignore[arg-type]
    return training.start(spec, watch.on_state, watch.on_line), watch


def run(training: Training, *pools: Pool | None, **more: object) -> Watch:
    job, watch = start(training, *pools, **more)
    job.join(120)
    assert watch.states[-1] not in (State.PENDING, State.RUNNING)
    return watch


def package(store: Folder, code: str, setup: str = "") -> str:
    """A source distribution as the SDK makes it; returns its URI."""
    folder = store.root.parent / "source"
    module = folder / "aiplatform_custom_trainer_script"
    module.mkdir(parents=True)
    (module / "__init__.py").touch()
    (module / "task.py").write_text(code)
    (folder / "setup.py").write_text(
        setup
        or "from setuptools import find_packages, setup\n"
        "setup(name='aiplatform_custom_trainer_script', version='0.1', packages=find_packages(), install_requires=())"
    )
    name = "aiplatform_custom_trainer_script-0.1"
    with tarfile.open(store.root / "bucket" / f"{name}.tar.gz", "w:gz") as archive:
        archive.add(folder, name)
    return f"gs://bucket/{name}.tar.gz"


def packaged(uri: str, *args: str, **more: object) -> Pool:
    module = "aiplatform_custom_trainer_script.task"
    return Pool(IMAGE, packages=[uri], module=module, args=args, **more)  # type: ignore[arg-type]


def test_a_shell_command(training: Training) -> None:
    pool = shell('echo "$FROM_BASE $OWN $CLOUD_ML_JOB_ID"; echo "$AIP_MODEL_DIR"; pwd >&2', env={"OWN": "own"})
    watch = run(training, pool, output_uri="gs://bucket/out")
    assert watch.states == [State.PENDING, State.RUNNING, State.SUCCEEDED]
    assert watch.lines[:2] == [
        ("workerpool0-0", "stdout", "base own 42"),
        ("workerpool0-0", "stdout", "gs://bucket/out/model/"),
    ]


def test_what_from_local_script_sends_for_other_images(training: Training, store: Folder) -> None:
    uri = package(store, "import sys; print('trained', sys.argv[1:], sys.prefix != sys.base_prefix)")
    script = (
        f"pip install --upgrade pip && pip3 install -q --user {uri.replace('gs://', '/gcs/')} && "
        "python3 -m aiplatform_custom_trainer_script.task --epochs 3"
    )
    watch = run(training, shell(script))
    assert watch.states[-1] is State.SUCCEEDED, watch.lines
    assert watch.texts[-1] == "trained ['--epochs', '3'] True"


def test_the_real_pip_takes_user_too(training: Training, store: Folder) -> None:
    uri = package(store, "print('trained')")
    path = uri.replace("gs://", "/gcs/")
    script = f"python3 -m pip install -q --user {path} && python -m aiplatform_custom_trainer_script.task"
    watch = run(training, shell(script))
    assert watch.texts[-1:] == ["trained"], watch.lines


def test_a_python_package(training: Training, store: Folder) -> None:
    uri = package(store, "import os, sys; print(sys.argv[1:], os.environ['RATE'])")
    watch = run(training, packaged(uri, "--rate=$(RATE)", env={"RATE": "0.1"}))
    assert watch.states == [State.PENDING, State.RUNNING, State.SUCCEEDED], watch.error
    assert watch.texts == ["['--rate=0.1'] 0.1"]


def test_a_script_that_raises(training: Training, store: Folder) -> None:
    watch = run(training, packaged(package(store, "raise ValueError('no such column: delay')")))
    assert watch.states[-1] is State.FAILED
    assert isinstance(watch.error, exceptions.InvalidArgument)
    assert "The replica workerpool0-0 exited with a non-zero status of 1." in str(watch.error)
    assert "ValueError: no such column: delay" in str(watch.error)


def test_paths_below_gcs(training: Training, store: Folder) -> None:
    (store.root / "bucket" / "in").mkdir()
    (store.root / "bucket" / "in" / "a.csv").write_text("1,2")
    code = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_text(pathlib.Path(sys.argv[1]).read_text() + ',3')"
    watch = run(
        training, Pool(IMAGE, command=["python", "-c", code], args=["/gcs/bucket/in/a.csv", "/gcs/bucket/out/b.csv"])
    )
    assert watch.states[-1] is State.SUCCEEDED, watch.error
    assert (store.root / "bucket" / "out" / "b.csv").read_text() == "1,2,3"


def test_a_literal_path_below_gcs(training: Training, store: Folder) -> None:
    code = (
        "import os, pathlib\nfolder = pathlib.Path(os.environ['AIP_MODEL_DIR'].replace('gs://', '/gcs/'))\n"
        "folder.mkdir(parents=True)\n(folder / 'model.txt').write_text('model')"
    )
    watch = run(training, packaged(package(store, code)), output_uri="gs://bucket/out")
    if watch.states[-1] is State.FAILED:  # no mounts on this machine
        assert "Hint: this machine does not let a job mount /gcs" in str(watch.error)
    else:
        assert (store.root / "bucket" / "out" / "model" / "model.txt").read_text() == "model"


def test_timeout(training: Training) -> None:
    watch = run(training, shell("exec sleep 600"), timeout_s=0.3)
    assert watch.states[-1] is State.FAILED
    assert isinstance(watch.error, exceptions.DeadlineExceeded)


def test_cancelling_a_running_job(training: Training) -> None:
    job, watch = start(training, shell("echo up; sleep 600"))
    watch.wait_for(lambda: "up" in watch.texts)
    job.cancel()
    job.join(30)
    assert watch.states[-1] is State.CANCELLED
    assert not training.processes.living


def test_cancelling_while_installing(training: Training, store: Folder) -> None:
    started = store.root.parent / "started"
    setup = f"open({str(started)!r}, 'w').close()\nimport time\ntime.sleep(600)"
    job, watch = start(training, packaged(package(store, "", setup)))
    deadline = time.monotonic() + 60
    while not started.exists():
        job.join(0.02)
        assert time.monotonic() < deadline
    job.cancel()
    job.join(30)
    assert watch.states == [State.PENDING, State.CANCELLED]
    assert not training.processes.living


def test_a_package_that_is_not_there(training: Training) -> None:
    watch = run(training, packaged("gs://bucket/none.tar.gz"))
    assert watch.states == [State.PENDING, State.FAILED]
    assert isinstance(watch.error, exceptions.NotFound)
    assert "gs://bucket/none.tar.gz" in str(watch.error)


def test_a_package_whose_requirements_are_not_there(training: Training, store: Folder) -> None:
    setup = "from setuptools import setup\nsetup(name='t', version='1', install_requires=['gcpmlops-none==9.9'])\n"
    watch = run(training, packaged(package(store, "print(1)", setup)))
    assert watch.states == [State.PENDING, State.FAILED]
    said = str(watch.error)
    assert "aiplatform_custom_trainer_script-0.1.tar.gz can't be installed.\nuv: " in said
    assert "No matching distribution found for gcpmlops-none==9.9" in said.partition("\npip: ")[2]


def test_a_module_that_is_not_there(training: Training, store: Folder) -> None:
    pool = dataclasses.replace(packaged(package(store, "print(1)")), module="trainer.nowhere")
    watch = run(training, pool)
    assert watch.states[-1] is State.FAILED
    assert "No module named 'trainer'" in str(watch.error)


def test_cancelling_between_two_attempts(training: Training) -> None:
    watch, begun = Watch(), threading.Event()

    def cancel_at_the_restart(task: str, stream: str, text: str) -> None:
        if task == "service":
            begun.wait(10)
            job.cancel()

    spec = TrainingSpec("42", "123", "us-central1", [shell("exit 3")], restart_on_failure=True)
    job = training.start(spec, watch.on_state, cancel_at_the_restart)
    begun.set()
    job.join(60)
    assert watch.states == [State.PENDING, State.RUNNING, State.CANCELLED]


def test_a_replica_that_crashed_starts_its_whole_job_again(training: Training, tmp_path: Path) -> None:
    (tmp_path / "ups").touch()
    worker = f"echo up >> {tmp_path}/ups; test $(wc -l < {tmp_path}/ups) -gt 1 || kill -SEGV $$"
    watch = run(training, shell(f"while [ $(wc -l < {tmp_path}/ups) -lt 2 ]; do sleep 0.01; done"), shell(worker))
    assert watch.states == [State.PENDING, State.RUNNING, State.SUCCEEDED]
    assert [text for task, _, text in watch.lines if task == "service"] == [
        "The replica workerpool1-0 exited with a non-zero status of 139. Termination reason: signal 11 (SIGSEGV). "
        "Restarting the job: restart 1 of 3."
    ]


def test_the_primary_replica_ends_the_others(training: Training) -> None:
    watch = run(training, shell("echo $RANK"), shell("exec sleep 600", replicas=2))
    assert watch.states[-1] is State.SUCCEEDED
    assert watch.lines == [("workerpool0-0", "stdout", "0")]


def test_one_failing_worker_fails_the_job(training: Training) -> None:
    watch = run(training, shell("exec sleep 600"), shell("exit 3"))
    assert "The replica workerpool1-0 exited with a non-zero status of 3" in str(watch.error)


def test_a_mapped_image(training: Training) -> None:
    watch = run(training, Pool("mapped", args=["echo local"]))
    assert watch.texts == ["local"]


def test_read_only_folders_are_removed_too(training: Training) -> None:
    assert run(training, shell("mkdir a a/b && touch a/b/c && chmod 500 a/b a")).states[-1] is State.SUCCEEDED


def test_checks_before_the_start(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcpmlops.emulator.runtimes.docker.available", lambda: False)
    spec = TrainingSpec("1", "1", "l", [Pool("nginx")])
    with pytest.raises(exceptions.InvalidArgument, match="Image nginx can't run here"):
        training.check(spec)
    with pytest.raises(exceptions.NotFound, match="gs://nowhere"):
        training.check(TrainingSpec("1", "1", "l", [shell("true")], output_uri="gs://nowhere/out"))


def test_what_an_earlier_emulator_left_is_removed(training: Training, tmp_path: Path) -> None:
    (tmp_path / "jobs" / "1").mkdir(parents=True)
    Training(training.processes, training.environments, training.store, tmp_path / "jobs", {}, {})
    assert not (tmp_path / "jobs" / "1").exists()


def test_a_job_costs_little_more_than_its_command(training: Training) -> None:
    run(training, shell("true"))  # the environment is made
    started = time.monotonic()
    run(training, shell("true"))
    assert time.monotonic() - started < 5  # about 0.1 s on an idle machine
