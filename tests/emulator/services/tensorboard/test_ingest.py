"""Event files that a job writes: read as they grow, torn ones and damaged ones, names of runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import SystemClock, TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.services.tensorboard import Tensorboard, event_files
from gcpmlops.emulator.services.tensorboard.ingest import LogDirectory, Target, run_name
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.blobs import Blobs
from gcpmlops.emulator.state.store import Store

LOCATION = "projects/p1/locations/us-central1"
BOARD = f"{LOCATION}/tensorboards/1"
EXPERIMENT = f"{BOARD}/experiments/77"
TARGET = Target(EXPERIMENT, "my job", f"{LOCATION}/customJobs/77", "gs://logs/out/logs/")


class Emulated:
    """The service on a store of its own, with a bucket `logs` and a tensorboard `1`."""

    def __init__(self, path: Path, store: Store, pool: ThreadPoolExecutor) -> None:
        clock, settings = SystemClock(), Settings(data_dir=path, project="p1")
        operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
        self.storage = StorageEngine(store, Blobs(path / "blobs"), clock, project="p1", project_number="1")
        self.storage.buckets.insert("p1", {"name": "logs"})
        self.tensorboard = Tensorboard(
            Context(store, clock, operations, Locks(), settings, Agenda(TravelClock(), pool)), self.storage
        )
        prefix = self.tensorboard.blobs.bucket(LOCATION)
        self.rows = self.tensorboard.rows
        self.rows.insert([(BOARD, types.Tensorboard(display_name="t", blob_storage_path_prefix=prefix))])
        self.directory = LogDirectory(TARGET, self.rows, self.tensorboard.blobs, self.storage)

    def put(self, name: str, content: bytes | Path) -> None:
        source = content if isinstance(content, Path) else self.storage.blobs.directory / "new"
        if isinstance(content, bytes):
            source.write_bytes(content)
        self.storage.upload("logs", name, source)

    def series(self, run: str = "default", title: str = "loss") -> Any:
        return self.rows.titled(types.TensorboardTimeSeries, f"{EXPERIMENT}/runs/{run}", title)

    def steps(self, run: str = "default", title: str = "loss") -> list[int]:
        point = types.TimeSeriesDataPoint
        series = self.series(run, title)
        return [point.deserialize(body).step for body in self.rows.points.all(series.name)] if series else []


@pytest.fixture
def emulated(tmp_path: Path) -> Iterator[Emulated]:
    store, pool = Store(tmp_path / "state.db", now=SystemClock().now), ThreadPoolExecutor(4)
    made = Emulated(tmp_path, store, pool)
    yield made
    made.tensorboard.close()
    made.storage.close()
    pool.shutdown()
    store.close()


def value(tag: str = "loss", **fields: Any) -> summary_pb2.Summary.Value:
    return summary_pb2.Summary.Value(tag=tag, **(fields or {"simple_value": 0.5}))


@pytest.fixture
def events(tmp_path: Path) -> Callable[..., bytes]:
    """The content of an event file with one value at each step."""

    def make(*steps: int, what: Callable[[], summary_pb2.Summary.Value] = value) -> bytes:
        folder = tmp_path / f"events-{time.monotonic_ns()}"
        writer = EventFileWriter(str(folder))
        for step in steps:
            summary = summary_pb2.Summary(value=[what()])
            writer.add_event(event_pb2.Event(wall_time=1_700_000_000.25 + step, step=step, summary=summary))
        writer.close()
        (file,) = folder.iterdir()
        return file.read_bytes()

    return make


def test_a_file_that_grows(emulated: Emulated, events) -> None:
    content = events(*range(10))
    emulated.put("out/logs/events.out.tfevents.1", content[: len(content) // 2])  # ends within a record
    first = emulated.directory.upload()
    assert 0 < first < 10
    assert emulated.steps() == list(range(first))
    emulated.put("out/logs/events.out.tfevents.1", content)
    assert emulated.directory.upload() == 10 - first
    assert emulated.steps() == list(range(10))
    assert emulated.directory.upload() == 0
    emulated.put("out/logs/events.out.tfevents.2", events(10, 11))
    assert emulated.directory.upload() == 2
    series = types.TensorboardTimeSeries.pb(emulated.series())
    emulated.rows.points.fill_metadata([series])
    assert (series.metadata.max_step, series.metadata.max_wall_time.nanos) == (11, 250_000_000)


def test_folders_are_runs(emulated: Emulated, events) -> None:
    emulated.put("out/logs/a/b_c/events.out.tfevents.1", events(1))
    emulated.put("out/logs/notes.txt", b"no event file")
    emulated.put("out/other/events.out.tfevents.1", events(1))
    emulated.directory.upload()
    (run,) = emulated.rows.of(types.TensorboardRun).list(EXPERIMENT)
    assert (run.display_name, run.labels["aiplatform.googleapis.com/training_job_id"]) == ("a-b-c", "77")
    (experiment,) = emulated.rows.of(types.TensorboardExperiment).list(BOARD)
    assert (experiment.name, experiment.display_name, experiment.source) == (EXPERIMENT, "my job", TARGET.source)
    assert run_name("events.out.tfevents.1", "3") == "3"
    assert run_name("val/events.out.tfevents.1", "3") == "3-val"


def test_damage_keeps_what_comes_before(emulated: Emulated, events, caplog) -> None:
    content = bytearray(events(1, 2, 3))
    content[-6] ^= 1
    emulated.put("out/logs/events.out.tfevents.1", bytes(content))
    emulated.put("out/logs/x/events.out.tfevents.1", b"this is no event file, whatever its name says")
    assert emulated.directory.upload() == 2
    assert emulated.steps() == [1, 2]
    assert caplog.text.count("is damaged at byte") == 2


def test_a_tag_that_changes_its_type_is_not_mixed_up(emulated: Emulated, events, caplog) -> None:
    emulated.put("out/logs/events.out.tfevents.1", events(1, 2))
    image = summary_pb2.Summary.Image(height=1, width=1, encoded_image_string=b"png")
    emulated.put("out/logs/events.out.tfevents.2", events(3, what=lambda: value(image=image)))
    emulated.put("out/logs/run/events.out.tfevents.1", events(4, what=lambda: value("image", image=image)))
    emulated.directory.upload()
    assert emulated.steps() == [1, 2]
    assert "tag loss is of plugin scalars, but not at step 3" in caplog.text
    assert emulated.steps("run", "image") == [4]
    (point,) = map(
        types.TimeSeriesDataPoint.deserialize, emulated.rows.points.all(emulated.series("run", "image").name)
    )
    prefix = emulated.rows.get(types.Tensorboard, BOARD).blob_storage_path_prefix
    read = [
        emulated.tensorboard.blobs.read(prefix, emulated.series("run", "image").name, b.id) for b in point.blobs.values
    ]
    assert read == [b"1", b"1", b"png"]


def test_logs_that_can_not_be_uploaded(emulated: Emulated, events) -> None:
    ingest = emulated.tensorboard.ingest
    ingest.follow("job", TARGET)
    emulated.rows.delete(types.Tensorboard, BOARD)
    emulated.put("out/logs/events.out.tfevents.1", events(1))
    assert isinstance(ingest.end("job"), exceptions.NotFound)
    assert ingest.end("job") is None
    with pytest.raises(exceptions.NotFound, match=BOARD):
        ingest.check(BOARD, "us-central1")
    with pytest.raises(exceptions.InvalidArgument, match="is not in europe-west4"):
        ingest.check(BOARD, "europe-west4")


def test_reading_goes_on_at_an_offset(tmp_path: Path, events) -> None:
    path = tmp_path / "events"
    path.write_bytes(events(*range(2000)))
    run = event_files.Run()
    found = [value for record, _ in event_files.records(path) for value in run.values(record)]
    assert [value.point.step for value in found] == list(range(2000))
    assert {(value.tag, value.plugin) for value in found} == {("loss", "scalars")}
    last = list(event_files.records(path))[-1][1]
    assert last == path.stat().st_size
    assert list(event_files.records(path, last)) == []
