"""Event files that jobs write into their log directory become time series, while the job runs and at its end."""

from __future__ import annotations

import logging
import re
import threading
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.runtimes.objects import ObjectInfo, ObjectStore
from gcpmlops.emulator.services.tensorboard.blobs import BlobData
from gcpmlops.emulator.services.tensorboard.event_files import Run, Value, is_event_file, records
from gcpmlops.emulator.services.tensorboard.names import BOARD, board_of
from gcpmlops.emulator.services.tensorboard.points import Written
from gcpmlops.emulator.services.tensorboard.rows import Rows

log = logging.getLogger(__name__)

_POLL_S = 1.0
_DEFAULT_RUN = "default"
_LABEL = "aiplatform.googleapis.com/training_job_id"
_EXPERIMENT_LABELS = {"vertex_tensorboard_experiment_source": "vertex_experiment"}  # as the SDK marks them
_Series = types.TensorboardTimeSeries


@dataclass(frozen=True)
class Target:
    """Where a log directory goes.

    Attributes:
        experiment: resource name.
        display_name: the experiment's, where it has to be made.
        source: what writes the logs, e.g. a job's resource name.
        uri: the log directory, `gs://BUCKET/FOLDER/`.
        run: the run of what lies there, and the beginning of the names of runs in its folders, e.g. a trial's id;
            without it they are `default` and the folders' names.
    """

    experiment: str
    display_name: str
    source: str
    uri: str
    run: str = ""


class ExperimentRuns(Protocol):
    """Keeps the experiment runs that stand behind the runs of a tensorboard: `services/metadata`."""

    def begin(self, run: str) -> str:
        """Makes one for the `TensorboardRun` of that name; returns its own name."""
        ...

    def end(self, context: str) -> None:
        """One of those is complete."""
        ...


class Ingest:
    """Follows the log directories of the jobs that run."""

    def __init__(
        self, rows: Rows, blobs: BlobData, objects: ObjectStore, experiment_runs: ExperimentRuns | None = None
    ) -> None:
        self._experiment_runs = experiment_runs
        self._rows = rows
        self._blobs = blobs
        self._objects = objects
        self._followed: dict[str, LogDirectory] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def check(self, tensorboard: str, location: str) -> None:
        """What can be known before a job starts.

        Raises: InvalidArgument for a name of another form or location, NotFound for a tensorboard that isn't there.
        """
        names.parse(BOARD, tensorboard)
        if names.location_of(tensorboard) != location:
            raise validate.invalid("job_spec.tensorboard", f"{tensorboard} is not in {location}, as the job is.")
        self._rows.get(types.Tensorboard, tensorboard)

    def follow(self, key: str, target: Target) -> None:
        """From now on, until `end`, what appears in the log directory is taken in within a second or two."""
        with self._lock:
            self._followed[key] = LogDirectory(target, self._rows, self._blobs, self._objects, self._experiment_runs)
            if self._thread is None:
                self._thread = threading.Thread(target=self._poll, name="tensorboard-ingest", daemon=True)
                self._thread.start()

    def end(self, key: str) -> Exception | None:
        """Takes in what is left; returns what went wrong. Nothing happens for what isn't followed."""
        with self._lock:
            directory = self._followed.pop(key, None)
        if directory is None:
            return None
        error = directory.attempt()
        directory.end_runs()
        return error

    def close(self) -> None:
        """Ends the thread."""
        with self._lock:
            self._followed.clear()
            thread = self._thread
        self._closed.set()
        if thread is not None:
            thread.join()

    def _poll(self) -> None:
        while not self._closed.wait(_POLL_S):
            with self._lock:
                followed = list(self._followed.values())
                if not followed:
                    self._thread = None
                    return
            for directory in followed:
                directory.attempt()


@dataclass
class _File:
    generation: int = 0
    offset: int = 0


@dataclass
class _Batch:
    """Values of one run and tag that are on their way."""

    first: Value
    values: list[Value] = field(default_factory=list)


class LogDirectory:
    """Uploads one log directory, each time what is new since the last."""

    def __init__(
        self,
        target: Target,
        rows: Rows,
        blobs: BlobData,
        objects: ObjectStore,
        experiment_runs: ExperimentRuns | None = None,
    ) -> None:
        self._target = target
        self._experiment_runs = experiment_runs
        self._contexts: list[str] = []
        self._rows = rows
        self._blobs = blobs
        self._objects = objects
        self._files: dict[str, _File] = defaultdict(_File)
        self._runs: dict[str, Run] = defaultdict(Run)
        self._series: dict[tuple[str, str], Any] = {}
        self._bucket, _, folder = target.uri.removeprefix("gs://").partition("/")
        self._prefix = f"{folder.rstrip('/')}/" if folder else ""
        self._lock = threading.Lock()

    def attempt(self) -> Exception | None:
        """`upload`, whose error is returned (and logged)."""
        try:
            self.upload()
        except Exception as error:  # noqa: BLE001 - logs that can't be uploaded fail no job
            log.warning("TensorBoard logs of %s: %s", self._target.source, error)
            return error
        return None

    def upload(self) -> int:
        """Takes in what is new; returns the number of points.

        Raises: NotFound for a tensorboard that has been deleted.
        """
        with self._lock:
            batches: dict[tuple[str, str], _Batch] = {}
            for info in self._changed():
                self._read(info, batches)
            for (run, tag), batch in batches.items():
                self._store(run, tag, batch)
            return sum(len(batch.values) for batch in batches.values())

    def end_runs(self) -> None:
        """The experiment runs that stand behind its runs are complete."""
        for context in self._contexts:
            if self._experiment_runs is not None:
                self._experiment_runs.end(context)

    def _changed(self) -> list[ObjectInfo]:
        if not self._objects.exists(self._bucket):
            return []
        found = (info for info in self._objects.list(self._bucket, self._prefix) if is_event_file(info.name))
        return [info for info in found if self._files[info.name].generation != info.generation]

    def _read(self, info: ObjectInfo, batches: dict[tuple[str, str], _Batch]) -> None:
        seen = self._files[info.name]
        run = run_name(info.name.removeprefix(self._prefix), self._target.run)
        offset = seen.offset if seen.offset <= info.size else 0  # written anew
        try:
            path = self._objects.local_path(self._bucket, info.name)
            for record, end in records(path, offset):
                for value in self._runs[run].values(record):
                    batches.setdefault((run, value.tag), _Batch(value)).values.append(value)
                seen.offset = end
        except (exceptions.NotFound, FileNotFoundError):  # replaced meanwhile: next time
            return
        seen.generation = info.generation

    def _store(self, run: str, tag: str, batch: _Batch) -> None:
        series = self._find_series(run, tag, batch.first)
        if series is None:
            return
        prefix = self._rows.get(types.Tensorboard, board_of(series.name)).blob_storage_path_prefix
        points = []
        for value in batch.values:
            if value.kind == series.value_type:
                for data in value.blobs:
                    blob = value.point.blobs.values.add(data=data)
                    self._blobs.put(prefix, series.name, blob)
                points.append(value.point)
        if points:
            self._rows.points.write([Written.of(series.name, points)])

    def _find_series(self, run: str, tag: str, value: Value) -> Any:
        """The time series of a tag, made where it isn't there; None where one of another type bears its name."""
        if (run, tag) not in self._series:
            parent = self._run(run)
            series = self._rows.titled(_Series, parent, tag)
            if series is None:
                new = _Series(
                    display_name=tag, value_type=value.kind, plugin_name=value.plugin, plugin_data=value.plugin_data
                )
                series = self._rows.insert([(f"{parent}/timeSeries/{names.new_id()}", new)])[0]
            self._series[run, tag] = series
        series = self._series[run, tag]
        if series.value_type != value.kind:
            log.warning("tag %s of %s changes its type: not uploaded", tag, run)
            return None
        return series

    def _run(self, run: str) -> str:
        experiment = self._experiment()
        name = f"{experiment}/runs/{run}"
        found = self._rows.titled(types.TensorboardRun, experiment, run) or self._rows.of(types.TensorboardRun).find(
            name
        )
        if found is None:
            job = self._target.source.rpartition("/")[2]
            new = types.TensorboardRun(display_name=run, labels={_LABEL: job})
            found = self._rows.insert([(name, new)])[0]
            self._begin_run(name)
        return str(found.name)

    def _begin_run(self, run: str) -> None:
        if self._experiment_runs is not None:
            try:
                self._contexts.append(self._experiment_runs.begin(run))
            except exceptions.InvalidArgument as error:  # the logs are there all the same
                log.warning("%s stands in no experiment of Vertex AI: %s", run, error)

    def _experiment(self) -> str:
        rows = self._rows.of(types.TensorboardExperiment)
        if rows.find(self._target.experiment) is None:
            new = types.TensorboardExperiment(
                display_name=self._target.display_name, source=self._target.source, labels=_EXPERIMENT_LABELS
            )
            with suppress(exceptions.AlreadyExists):  # another trial was faster
                self._rows.insert([(self._target.experiment, new)])
        return self._target.experiment


def run_name(path: str, above: str = "") -> str:
    """The run of an event file, by its folder below the log directory, as Google's uploader names it."""
    folder = "/".join(part for part in (above, path.rpartition("/")[0].strip("/")) if part)
    return re.sub(r"[^a-zA-Z0-9-]", "-", folder)[:128] or _DEFAULT_RUN
