"""CustomJobs with real processes of bare Python."""

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import field_mask_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import SystemClock, TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.runtimes.environment import Environments
from gcpmlops.emulator.runtimes.process import Processes
from gcpmlops.emulator.runtimes.training import Training
from gcpmlops.emulator.services.jobs.custom_jobs import CustomJobs
from gcpmlops.emulator.services.jobs.log import STATE_LABEL
from gcpmlops.emulator.services.jobs.runs import Runs
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

PARENT = "projects/p/locations/us-central1"
IMAGE = f"python:3.{sys.version_info[1]}"
PREBUILT = "us-docker.pkg.dev/vertex-ai/training/"
SUCCEEDED, FAILED, CANCELLED = (types.JobState[f"JOB_STATE_{name}"] for name in ("SUCCEEDED", "FAILED", "CANCELLED"))
FINAL = {SUCCEEDED, FAILED, CANCELLED}


class NoObjects:
    """An object store with one empty bucket, `b`."""

    def exists(self, bucket: str) -> bool:
        return bucket == "b"

    def list(self, bucket: str, prefix: str) -> Iterator[Any]:
        return iter(())

    def local_path(self, bucket: str, name: str) -> Path:
        raise exceptions.NotFound(f"No such object: gs://{bucket}/{name}")

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        raise exceptions.NotFound(bucket)


class Emulator:
    """CustomJobs and what it stands on."""

    def __init__(self, folder: Path, environments: Path, max_jobs: int = 2) -> None:
        clock = SystemClock()
        self.store = Store(folder / "state.db", now=clock.now)
        self.pool = ThreadPoolExecutor(4)
        operations = Operations(self.store.collection(operations_pb2.Operation), clock, self.pool)
        context = Context(
            self.store,
            clock,
            operations,
            Locks(),
            Settings(data_dir=folder, max_jobs=max_jobs),
            Agenda(TravelClock(), self.pool),
        )
        self.processes = Processes(folder / "processes")
        maker = Environments(self.processes, environments)
        self.training = Training(self.processes, maker, NoObjects(), folder / "jobs", {}, {"shell": "sh -c"})
        self.logs: list[tuple[Any, ...]] = []
        self.said = threading.Condition()
        self.runs = Runs(self.training, max_jobs)
        self.jobs = CustomJobs(context, self.runs, self.log)

    def log(self, *entry: Any) -> None:
        with self.said:
            self.logs.append(entry)
            self.said.notify_all()

    def create(self, script: str, **fields: Any) -> types.CustomJob:
        return self.jobs.create_custom_job(
            types.CreateCustomJobRequest(parent=PARENT, custom_job=job(script, **fields))
        )

    def get(self, name: str) -> types.CustomJob:
        return self.jobs.get_custom_job(types.GetCustomJobRequest(name=name))

    def cancel(self, name: str) -> None:
        self.jobs.cancel_custom_job(types.CancelCustomJobRequest(name=name))

    def list_jobs(self, **fields: Any) -> types.ListCustomJobsResponse:
        return self.jobs.list_custom_jobs(types.ListCustomJobsRequest(parent=PARENT, **fields))

    def ended(self, name: str) -> types.CustomJob:
        self.wait_for(lambda: self.get(name).state in FINAL)
        return self.get(name)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.said:
            for _ in range(6000):
                if condition():
                    return
                self.said.wait(0.01)
        raise AssertionError("it did not happen in time")

    def messages(self) -> list[str]:
        """What tasks printed."""
        return [entry[3]["message"] for entry in self.logs if isinstance(entry[3], dict)]

    def said_by_service(self, name: str) -> list[tuple[str, str, str]]:
        """State label, severity and text of the service's own lines about a job."""
        return [
            (labels.get(STATE_LABEL, ""), severity, text)
            for _, (_, resource), severity, text, labels in self.logs
            if resource["task_name"] == "service" and resource["job_id"] == name.rpartition("/")[2]
        ]

    def close(self) -> None:
        self.runs.close()
        self.processes.close()
        self.pool.shutdown()
        self.store.close()


def job(script: str, *, name: str = "job", labels: dict[str, str] | None = None, **spec: Any) -> types.CustomJob:
    pool = {
        "machine_spec": {"machine_type": "n1-standard-4"},
        "replica_count": 1,
        "container_spec": {"image_uri": "shell", "args": [script]},
    }
    return types.CustomJob(display_name=name, labels=labels or {}, job_spec={"worker_pool_specs": [pool], **spec})


@pytest.fixture(scope="module")
def environments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("environments")


@pytest.fixture
def emulator(tmp_path: Path, environments: Path) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path, environments)
    yield emulator
    emulator.close()


def test_a_job_from_start_to_end(emulator: Emulator) -> None:
    created = emulator.create("echo hello; echo oops >&2", labels={"team": "a"})
    assert created.name.startswith(f"{PARENT}/customJobs/")
    found = emulator.ended(created.name)
    assert found.state == SUCCEEDED
    assert found.create_time <= found.start_time <= found.end_time <= found.update_time
    assert not types.CustomJob.pb(found).HasField("error")
    assert found.labels == {"team": "a"}
    job_id = created.name.rpartition("/")[2]
    labels = {"job_id": job_id, "task_name": "workerpool0-0", "project_id": "p"}
    assert sorted(
        (name, resource, severity, payload["message"])
        for name, resource, severity, payload, _ in emulator.logs
        if resource[1]["task_name"] != "service"
    ) == [
        ("projects/p/logs/workerpool0-0", ("ml_job", labels), "ERROR", "oops"),
        ("projects/p/logs/workerpool0-0", ("ml_job", labels), "INFO", "hello"),
    ]
    assert emulator.said_by_service(created.name) == [
        ("QUEUED", "INFO", "Waiting for job to be provisioned."),
        ("PENDING", "INFO", "Job is preparing."),
        ("RUNNING", "INFO", "Job is running."),
        ("SUCCEEDED", "INFO", "Job completed successfully."),
    ]
    assert {log_name for log_name, (_, resource), *_ in emulator.logs if resource["task_name"] == "service"} == {
        f"projects/p/logs/ml.googleapis.com%2F{job_id}"
    }


def test_an_environment_of_an_image(emulator: Emulator) -> None:
    request = job("")
    request.job_spec.worker_pool_specs[0].container_spec = types.ContainerSpec(
        image_uri=IMAGE, command=["python3", "-c"], args=["import sys; print(sys.argv[1:])", "$(AIP_MODEL_DIR)"]
    )
    request.job_spec.base_output_directory = types.GcsDestination(output_uri_prefix="gs://b/out")
    name = emulator.jobs.create_custom_job(types.CreateCustomJobRequest(parent=PARENT, custom_job=request)).name
    assert emulator.ended(name).state == SUCCEEDED
    assert emulator.messages() == ["['gs://b/out/model/']"]


def test_a_failing_job_has_the_tail(emulator: Emulator) -> None:
    found = emulator.ended(emulator.create("echo reason >&2; exit 7").name)
    assert found.state == FAILED
    assert found.error.code == 3
    assert "The replica workerpool0-0 exited with a non-zero status of 7." in found.error.message
    assert "reason" in found.error.message
    said = "The replica workerpool0-0 exited with a non-zero status of 7. Termination reason: Error."
    assert emulator.said_by_service(found.name)[-1] == ("FAILED", "ERROR", said)


def test_timeout(emulator: Emulator) -> None:
    found = emulator.ended(emulator.create("exec sleep 600", scheduling={"timeout": {"nanos": 300_000_000}}).name)
    assert (found.state, found.error.code) == (FAILED, 4)
    assert "scheduling.timeout" in emulator.said_by_service(found.name)[-1][2]


def failing(folder: Path, times: int, how: str) -> str:
    """A script that fails so many times, counted in a file, and then succeeds."""
    count = folder / "count"
    return f"echo run >> {count}; echo attempt $(wc -l < {count}); test $(wc -l < {count}) -gt {times} || {how}"


@pytest.mark.parametrize(
    ("how", "scheduling", "attempts", "state"),
    [
        ("exit 3", {}, 1, FAILED),
        ("exit 3", {"restart_job_on_worker_restart": True}, 3, SUCCEEDED),
        ("exit 3", {"restart_job_on_worker_restart": True, "disable_retries": True}, 1, FAILED),
        ("kill -SEGV $$", {}, 3, SUCCEEDED),
        ("kill -SEGV $$", {"disable_retries": True}, 1, FAILED),
        ("kill -TERM $$", {}, 1, FAILED),
    ],
)
def test_restarts(
    emulator: Emulator, tmp_path: Path, how: str, scheduling: dict[str, bool], attempts: int, state: types.JobState
) -> None:
    found = emulator.ended(emulator.create(failing(tmp_path, 2, how), scheduling=scheduling).name)
    assert found.state == state
    assert emulator.messages() == [f"attempt {number}" for number in range(1, attempts + 1)]
    restarts = [text for label, _, text in emulator.said_by_service(found.name) if not label]
    assert [text.rpartition("Restarting the job: ")[2] for text in restarts] == [
        f"restart {number} of 3." for number in range(1, attempts)
    ]


def test_restarts_are_bounded_and_within_the_timeout(emulator: Emulator, tmp_path: Path) -> None:
    often = {"restart_job_on_worker_restart": True}
    found = emulator.ended(emulator.create(failing(tmp_path, 9, "exit 1"), scheduling=often).name)
    assert (found.state, found.error.code) == (FAILED, 3)
    assert emulator.messages()[-1] == "attempt 4"
    slow = {**often, "timeout": {"seconds": 1}}
    found = emulator.ended(emulator.create("sleep 0.4; exit 1", scheduling=slow).name)
    assert (found.state, found.error.code) == (FAILED, 4)


def test_flex_start_waits_no_longer_than_told(emulator: Emulator) -> None:
    flexible = {"strategy": "FLEX_START", "max_wait_duration": {"nanos": 100_000_000}}
    running = [emulator.create("exec sleep 600").name for _ in range(2)]
    patient = emulator.create("true", scheduling={**flexible, "strategy": "STANDARD"}).name
    found = emulator.ended(emulator.create("true", scheduling=flexible).name)
    assert (found.state, found.error.code) == (FAILED, 4)
    assert "max_wait_duration" in found.error.message
    for name in running:
        emulator.cancel(name)
    assert emulator.ended(patient).state == SUCCEEDED
    assert emulator.get(patient).job_spec.scheduling.strategy == types.Scheduling.Strategy.STANDARD


class Followed:
    """A TensorBoard service that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def check(self, parent: str, spec: types.CustomJobSpec) -> None:
        self.told.append(("check", parent))

    def begin(self, job: types.CustomJob, folder: str, trial_of: Any = None) -> None:
        self.told.append(("begin", job.name, folder, job.state))

    def end(self, job: types.CustomJob) -> None:
        self.told.append(("end", job.name, job.state))


def test_what_is_attached_and_what_is_ignored(emulator: Emulator) -> None:
    place = "projects/p/locations/us-central1"
    attached = {
        "experiment": f"{place}/metadataStores/default/contexts/e",
        "experiment_run": f"{place}/metadataStores/default/contexts/e-r",
        "tensorboard": f"{place}/tensorboards/1",
        "network": "projects/1/global/networks/n",
        "service_account": "me@p.iam.gserviceaccount.com",
        "base_output_directory": {"output_uri_prefix": "gs://b/out"},
    }
    logs = emulator.jobs.tensorboards = Followed()
    request = job("echo $AIP_EXPERIMENT_NAME $AIP_EXPERIMENT_RUN_NAME $AIP_TENSORBOARD_RESOURCE_NAME", **attached)
    pool(request).machine_spec = {
        "machine_type": "n1-standard-4", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 9,
    }  # fmt: skip
    name = emulator.jobs.create(PARENT, request).name
    assert emulator.ended(name).job_spec.service_account == attached["service_account"]
    assert emulator.messages() == [f"{attached['experiment']} {attached['experiment_run']} {attached['tensorboard']}"]
    notes = [text for label, severity, text in emulator.said_by_service(name) if severity == "WARNING"]
    assert notes[0] == "Kept, but without meaning on this machine: network."
    assert notes[1].startswith("Accelerators ignored: 9 x NVIDIA_TESLA_T4 asked for, this machine has ")
    running = types.JobState.JOB_STATE_RUNNING
    assert logs.told == [("check", PARENT), ("begin", name, "gs://b/out/logs/", running), ("end", name, running)]


def test_an_end_is_told_once(emulator: Emulator) -> None:
    ended: list[types.CustomJob] = []
    names = [emulator.jobs.create(PARENT, job(script), ended.append).name for script in ("true", "false", "true")]
    emulator.cancel(names[2])
    emulator.wait_for(lambda: len(ended) == 3)
    assert {found.name: found.state for found in ended} == {name: emulator.ended(name).state for name in names}
    assert all(found.end_time is not None for found in ended)


def test_cancelling_a_running_job(emulator: Emulator) -> None:
    name = emulator.create("echo up; exec sleep 600").name
    emulator.wait_for(lambda: "up" in emulator.messages())
    emulator.cancel(name)
    found = emulator.ended(name)
    assert (found.state, found.error.code) == (CANCELLED, 1)
    assert emulator.said_by_service(name)[-1] == ("CANCELLED", "INFO", "Job is cancelled.")
    emulator.cancel(name)
    assert emulator.get(name).state == CANCELLED


def test_cancelling_at_once_and_in_the_queue(emulator: Emulator) -> None:
    names = [emulator.create("exec sleep 600").name for _ in range(4)]
    assert emulator.get(names[3]).state == types.JobState.JOB_STATE_QUEUED
    for name in reversed(names):  # so that no slot comes free for the last one
        emulator.cancel(name)
    assert {emulator.ended(name).state for name in names} == {CANCELLED}
    assert not types.CustomJob.pb(emulator.get(names[3])).HasField("start_time")


def test_fifty_at_once(emulator: Emulator, tmp_path: Path) -> None:
    scripts = [f"ls {tmp_path}/jobs | wc -l; exit {index % 2}" for index in range(50)]
    names = [emulator.create(script).name for script in scripts]
    states = [emulator.ended(name).state for name in names]
    assert states == [SUCCEEDED, FAILED] * 25
    seen = [int(text) for text in emulator.messages() if text.strip().isdigit()]
    assert len(seen) == 50
    assert max(seen) <= 2
    assert not list((tmp_path / "jobs").iterdir())


def test_listing(emulator: Emulator) -> None:
    names = [emulator.create("true", name=name, labels={"n": name}).name for name in ("a", "b", "c")]
    for name in names:
        emulator.ended(name)
    assert [found.name for found in emulator.list_jobs().custom_jobs] == names[::-1]
    assert [found.display_name for found in emulator.list_jobs(filter='display_name="b"').custom_jobs] == ["b"]
    assert [found.display_name for found in emulator.list_jobs(filter="labels.n=c").custom_jobs] == ["c"]
    assert len(emulator.list_jobs(filter='state="JOB_STATE_SUCCEEDED"').custom_jobs) == 3
    part = emulator.list_jobs(read_mask=field_mask_pb2.FieldMask(paths=["name", "createTime"])).custom_jobs[0]
    assert (part.name, bool(part.create_time), part.display_name) == (names[-1], True, "")
    first = emulator.list_jobs(page_size=2)
    second = emulator.list_jobs(page_size=2, page_token=first.next_page_token)
    assert [found.display_name for found in (*first.custom_jobs, *second.custom_jobs)] == ["c", "b", "a"]
    assert not second.next_page_token


def test_deleting(emulator: Emulator) -> None:
    name = emulator.create("echo up; exec sleep 600").name
    with pytest.raises(exceptions.FailedPrecondition, match="cancel it first"):
        emulator.jobs.delete_custom_job(types.DeleteCustomJobRequest(name=name))
    emulator.cancel(name)
    emulator.ended(name)
    operation = emulator.jobs.delete_custom_job(types.DeleteCustomJobRequest(name=name))
    assert operation.done
    with pytest.raises(exceptions.NotFound, match=name):
        emulator.get(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda j: setattr(j, "display_name", ""), "custom_job.display_name"),
        (lambda j: setattr(j, "display_name", "x" * 129), "128 are allowed"),
        (lambda j: setattr(j.job_spec, "worker_pool_specs", []), "first worker pool"),
        (lambda j: setattr(pool(j), "machine_spec", None), r"worker_pool_specs\[0\].machine_spec.machine_type"),
        (lambda j: setattr(pool(j), "replica_count", 2), "exactly one replica"),
        (lambda j: setattr(pool(j).container_spec, "image_uri", ""), "container_spec.image_uri"),
        (lambda j: setattr(pool(j), "container_spec", None), "container_spec or python_package_spec"),
        (lambda j: setattr(pool(j).container_spec, "env", [types.EnvVar(name="a-b")]), "valid C identifier"),
        (lambda j: setattr(pool(j).container_spec, "image_uri", "my/own:image"), "Image my/own:image can't run here"),
        (
            lambda j: setattr(
                pool(j),
                "python_package_spec",
                {"executor_image_uri": IMAGE, "package_uris": ["a"], "python_module": "m"},
            ),
            "'a' is not gs://BUCKET/OBJECT",
        ),
        (lambda j: setattr(j, "labels", {"Upper": "x"}), "Upper"),
        (lambda j: setattr(pool(j).container_spec, "args", ["a", "b\0"]), r"container_spec\.args\[1\]: a NUL"),
        (lambda j: setattr(j.job_spec, "scheduling", {"timeout": {"seconds": -1}}), r"scheduling\.timeout: -1 seconds"),
        (lambda j: setattr(j.job_spec, "scheduling", {"max_wait_duration": {"seconds": -1}}), "max_wait_duration"),
        (lambda j: setattr(j.job_spec, "scheduling", {"strategy": 77}), r"scheduling\.strategy: 77"),
        (lambda j: setattr(j.job_spec, "network", "default"), "projects/{project}/global/networks/{network}"),
        (lambda j: setattr(j.job_spec, "experiment", "e"), r"job_spec\.experiment: 'e'"),
        (
            lambda j: setattr(j.job_spec, "tensorboard", "projects/p/locations/l/tensorboards/1"),
            "base_output_directory",
        ),
        (lambda j: setattr(pool(j).machine_spec, "accelerator_count", 1), r"machine_spec\.accelerator_type: required"),
        (lambda j: setattr(pool(j).machine_spec, "accelerator_type", 8), r"machine_spec\.accelerator_count: required"),
        (lambda j: setattr(pool(j).container_spec, "image_uri", "python:3.3"), "python:3.3 can't run on this machine"),
        (lambda j: setattr(pool(j).container_spec, "image_uri", PREBUILT + "sklearn-cpu.9-9:latest"), "known ones"),
    ],
)
def test_what_is_refused(
    emulator: Emulator, change: Callable[[Any], None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gcpmlops.emulator.runtimes.docker.available", lambda: False)
    request = job("true")
    change(request)
    with pytest.raises(exceptions.InvalidArgument, match=message):
        emulator.jobs.create_custom_job(types.CreateCustomJobRequest(parent=PARENT, custom_job=request))
    assert not emulator.list_jobs().custom_jobs


def pool(request: types.CustomJob) -> types.WorkerPoolSpec:
    return request.job_spec.worker_pool_specs[0]


def test_an_argument_that_is_too_long(emulator: Emulator) -> None:
    found = emulator.ended(emulator.create(f"echo {'x' * 200_000}").name)
    assert (found.state, found.error.code) == (FAILED, 3)
    assert "128 KiB" in found.error.message


def test_a_missing_bucket(emulator: Emulator) -> None:
    with pytest.raises(exceptions.NotFound, match="gs://nowhere"):
        emulator.create("true", base_output_directory={"output_uri_prefix": "gs://nowhere/out"})


def test_a_job_that_is_not_there(emulator: Emulator) -> None:
    for call in (emulator.get, emulator.cancel):
        with pytest.raises(exceptions.NotFound):
            call(f"{PARENT}/customJobs/1")


def test_stopping_and_starting_again(tmp_path: Path, environments: Path) -> None:
    first = Emulator(tmp_path, environments, max_jobs=1)
    running = first.create("echo up; exec sleep 600").name
    queued = first.create("true").name
    first.wait_for(lambda: "up" in first.messages())
    first.close()
    second = Emulator(tmp_path, environments, max_jobs=1)
    try:
        assert second.get(running).state == FAILED
        assert "stopped" in second.get(running).error.message
        assert second.get(queued).state == FAILED
        assert "restarted" in second.get(queued).error.message
        assert second.ended(second.create("true").name).state == SUCCEEDED
    finally:
        second.close()
