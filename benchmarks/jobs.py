"""Training jobs beside the bare program: overhead, log latency, a search of sleeping trials, a long queue."""

from __future__ import annotations

import queue
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil

from benchmarks._measure import Line, environment, process_seconds, seconds
from benchmarks._servers import PROJECT, Server, emulator, library_client

_IMAGE = "us-docker.pkg.dev/vertex-ai/training/sklearn-cpu.1-6:latest"
_PARENT = f"projects/{PROJECT}/locations/us-central1"
_ROUNDS = 5
_TRAIN = """
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import cross_val_score

x, y = load_breast_cancer(return_X_y=True)
print("accuracy", cross_val_score(GradientBoostingClassifier(random_state=0), x, y, cv=5).mean())
"""
_TICKS = "import time\nfor _ in range(100):\n    print(repr(time.time()), flush=True)\n    time.sleep(0.05)\n"
_TRIAL = (
    "import json, os, time; time.sleep(2); "
    "open(os.environ['CLOUD_ML_HP_METRIC_FILE'], 'w').write("
    "json.dumps({'timestamp': time.time(), 'trial': os.environ['CLOUD_ML_TRIAL_ID'], 'm': '1.0', "
    "'global_step': '1'}) + '\\n')"
)
_TRIALS, _PARALLEL, _SLEEP_S = 20, 2, 2.0
_QUEUED = 200


def lines() -> Iterator[Line]:
    with emulator() as server, tempfile.TemporaryDirectory() as folder:
        client = library_client(server, staging_bucket="gs://staging")
        client.storage.create_bucket("staging")
        yield from _overhead(client, Path(folder))
        yield from _latency(client)
        yield _search(client)
        yield from _queue(client, server)


def _overhead(client: Any, folder: Path) -> Iterator[Line]:
    """Bare program and job in turns; the first round fills the caches and is thrown away."""
    script = folder / "train.py"
    script.write_text(_TRAIN)
    python = _interpreter()
    bare, job, run = [], [], []
    for _ in range(_ROUNDS + 1):
        bare.append(process_seconds([str(python), str(script)], environment()))
        run.append(seconds(lambda: client.training.run(script, image=_IMAGE)))
        newest = client.training.list(limit=1)[0].proto
        job.append((newest.end_time - newest.create_time).total_seconds())
    plain = statistics.median(bare[1:])
    for name, taken in (("CreateCustomJob to its stored end time", job), ("training.run", run)):
        yield Line(f"{name}, less the bare program", statistics.median(taken[1:]) - plain, plain, "s", 1.0,
                   peer_name="python train.py", absolute=True)  # fmt: skip


def _interpreter() -> Path:
    """The Python of the image's environment."""
    from gcpmlops.emulator.runtimes import images
    from gcpmlops.emulator.runtimes.environment import Environments
    from gcpmlops.emulator.runtimes.process import Processes

    image = images.parse(_IMAGE)
    if image is None:
        raise SystemExit(f"{_IMAGE} is not known")
    with tempfile.TemporaryDirectory() as folder:
        processes = Processes(Path(folder))
        try:
            return Environments(processes).ensure(image).python
        finally:
            processes.close()


def _latency(client: Any) -> Iterator[Line]:
    """From the program's print to the reader's hands, over 100 lines of one job, 50 ms apart."""
    for name, reader in (("TailLogEntries", _tailed), ("training.logs(follow=True)", _followed)):
        delays = sorted(reader(client))
        yield Line(f"a log line's way to {name}, slowest", delays[-1] * 1e3, None, "ms", 250, absolute=True)
        yield Line(f"a log line's way to {name}, median", statistics.median(delays) * 1e3, None, "ms", None)


def _ticking(client: Any) -> Any:
    return client.training.submit(image="python:3.11", command=["python3", "-c", _TICKS], display_name="ticks")


def _followed(client: Any) -> list[float]:
    job = _ticking(client)
    return list(filter(None, (_delay(line.text) for line in client.training.logs(job.name, follow=True))))


def _tailed(client: Any) -> list[float]:
    """Google's own client; the job starts once the stream is open."""
    from google.cloud.logging_v2.types import TailLogEntriesRequest

    ended: queue.Queue[None] = queue.Queue()
    request = TailLogEntriesRequest(
        resource_names=[f"projects/{PROJECT}"], filter='resource.type="ml_job"', buffer_window={"seconds": 0}
    )

    def requests() -> Iterator[Any]:
        yield request
        ended.get()

    delays: list[float] = []
    threading.Timer(0.5, lambda: _ticking(client)).start()
    for reply in client.clients.logging.tail_log_entries(requests=requests()):
        delays += filter(None, (_delay(dict(entry.json_payload or {}).get("message", "")) for entry in reply.entries))
        if len(delays) >= 100:
            break
    ended.put(None)
    return delays


def _delay(text: str) -> float | None:
    try:
        return time.time() - float(text)
    except ValueError:
        return None


def _search(client: Any) -> Line:
    job = _tuning_job(_TRIAL, _TRIALS, _PARALLEL)
    created = client.clients.jobs.create_hyperparameter_tuning_job(parent=_PARENT, hyperparameter_tuning_job=job)
    ended = _ended(lambda: client.clients.jobs.get_hyperparameter_tuning_job(name=created.name))
    if ended.state.name != "JOB_STATE_SUCCEEDED":
        raise RuntimeError(f"{ended.name}: {ended.state.name} {ended.error.message}")
    taken = (ended.end_time - ended.create_time).total_seconds()
    ideal = _TRIALS / _PARALLEL * _SLEEP_S
    return Line(f"{_TRIALS} sleeping trials of 2 s, {_PARALLEL} at a time", taken, ideal, "s", 1.15, peer_name="ideal")


def _tuning_job(program: str, trials: int, parallel: int) -> dict[str, Any]:
    pool = {
        "machine_spec": {"machine_type": "n1-standard-4"},
        "replica_count": 1,
        "container_spec": {"image_uri": "python:3.11", "command": ["python3", "-c", program]},
    }
    space = [{"parameter_id": "x", "double_value_spec": {"min_value": 0.0, "max_value": 1.0}}]
    return {
        "display_name": "sleeping",
        "max_trial_count": trials,
        "parallel_trial_count": parallel,
        "study_spec": {"metrics": [{"metric_id": "m", "goal": "MAXIMIZE"}], "parameters": space},
        "trial_job_spec": {"worker_pool_specs": [pool]},
    }


def _ended(get: Callable[[], Any]) -> Any:
    while (job := get()).end_time is None:
        time.sleep(0.05)
    return job


def _queue(client: Any, server: Server) -> Iterator[Line]:
    """200 jobs at once: what they cost in memory, whether they ran in order, how soon one is cancelled meanwhile."""
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    jobs = [_sleeper(client, number) for number in range(_QUEUED)]
    cancelled = [_cancelling(client, job) for job in (jobs[-1], jobs[-2], _running(client))]
    ended = [_ended(lambda name=job.name: client.training.get(name).proto) for job in jobs]  # type: ignore[misc]
    starts = [job.start_time for job in ended if job.state.name == "JOB_STATE_SUCCEEDED"]
    if starts != sorted(starts) or len(starts) < _QUEUED - len(cancelled):
        raise RuntimeError("the queue's order was not kept, or a job failed")
    yield Line(f"cancelling while {_QUEUED} jobs wait, slowest", max(cancelled), None, "s", 1.0, absolute=True)
    grown = (process.memory_info().rss - before) / 2**20
    yield Line(f"memory grown by {_QUEUED} jobs", grown, None, "MiB", None)


def _sleeper(client: Any, number: int) -> Any:
    command = ["python3", "-c", "import time; time.sleep(0.2)"]
    return client.training.submit(image="python:3.11", command=command, display_name=f"queued-{number}")


def _running(client: Any) -> Any:
    while not (found := client.training.list(filter='state="JOB_STATE_RUNNING"', limit=1)):
        time.sleep(0.01)
    return found[0]


def _cancelling(client: Any, job: Any) -> float:
    started = time.perf_counter()
    client.training.cancel(job.name)
    _ended(lambda: client.training.get(job.name).proto)
    return time.perf_counter() - started
