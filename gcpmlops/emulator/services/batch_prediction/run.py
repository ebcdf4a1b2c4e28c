"""One batch prediction job, from its input to its output."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import values
from gcpmlops.emulator.services.batch_prediction import records
from gcpmlops.emulator.services.batch_prediction.ahead import Ahead
from gcpmlops.emulator.services.batch_prediction.asking import Answer, Asker, BatchSize, Server, StoppedEarlyError
from gcpmlops.emulator.services.batch_prediction.explaining import Explanations
from gcpmlops.emulator.services.batch_prediction.outputs import Outputs
from gcpmlops.emulator.services.batch_prediction.shapes import Item, Shapes, to_json
from gcpmlops.emulator.services.batch_prediction.spool import ERRORS, RESULTS, Spool
from gcpmlops.emulator.services.datasets.sources import Sources

BATCH = 64  # what Vertex AI sends at a time where a job does not say
MOST_AT_ONCE, MOST_BYTES = 16_384, 4 << 20  # of what nobody but our own model server sees
HOPELESS = 1000  # after so many failures and no success the rest is not tried
_SAMPLES = 20  # so many partial failures are kept
_NOTHING = b"null"
_Error = exceptions.GoogleAPICallError


@dataclass
class Outcome:
    """What a run has done; `failures` are the first different ones, `stopped` is why it ended before the end."""

    output: types.BatchPredictionJob.OutputInfo
    succeeded: int
    failed: int
    failures: list[exceptions.GoogleAPICallError] = field(default_factory=list)
    stopped: str = ""


class Bad(NamedTuple):
    """A record that does not even go to the model."""

    shown: bytes
    error: exceptions.GoogleAPICallError


@dataclass(frozen=True)
class Task:
    """A job, and what its run needs of what is around it.

    Attributes:
        model_name: the model's display name.
        replicas: processes that answer.
        prebuilt: whether our own model server does, to which the size of a batch makes no difference.
        check: raises when the job is to stop.
        progress: told after every batch how many instances succeeded and failed so far.
        serve: the model's server, ready. Raises its own failure.
        explained_by: the ExplanationSpec's message where predictions are to be explained.
    """

    job: types.BatchPredictionJob
    model_name: str
    replicas: int
    prebuilt: bool
    check: Callable[[], None]
    progress: Callable[[int, int], None]
    serve: Callable[[], AbstractContextManager[Server]]
    explained_by: Any = None


Entry = bytes | Item | Bad


class Run:
    """Predicts for everything in a job's input."""

    def __init__(self, task: Task, sources: Sources) -> None:
        self._task = task
        self._sources = sources
        self._shapes = Shapes(task.job)
        self._failures: dict[str, exceptions.GoogleAPICallError] = {}
        raw = types.BatchPredictionJob.pb(task.job)
        has = raw.HasField("model_parameters")
        self._parameters = to_json(values.to_plain(raw.model_parameters)) if has else None
        self._at_once = 2 * task.replicas  # one is predicted while the next one is on its way

    def __call__(self) -> Outcome:
        """Raises Cancelled, NotFound for missing input, InvalidArgument for none, the server's own failure."""
        job, stopped = self._task.job, ""
        with self._sources.tables.workspace() as folder, records.read(job, self._sources) as found:
            spool = self._spool(folder)
            try:
                self._fill(spool, found)
            except StoppedEarlyError as error:
                stopped = str(error)
            finally:
                spool.close()
            self._task.check()
            output = Outputs(self._sources).write(job, self._task.model_name, spool, folder, found.fields)
        return Outcome(output, spool.counts[RESULTS], spool.counts[ERRORS], list(self._failures.values()), stopped)

    def _spool(self, folder: Path) -> Spool:
        return Spool(folder, self._shapes.shown_name, whole="bigquery_destination" in self._task.job.output_config)

    def _fill(self, spool: Spool, found: records.Records) -> None:
        with Ahead(self._entries(found.rows), _size) as ahead:
            if ahead.is_empty():
                raise exceptions.InvalidArgument(f"{_source(self._task.job)} has no instances.")
            with self._task.serve() as server:
                self._predict(ahead, server, spool)

    def _entries(self, rows: Iterator[records.Row]) -> Iterator[Entry]:
        shaped = self._shapes.item
        for record, text in rows:
            try:
                yield Bad(_NOTHING, record) if isinstance(record, _Error) else shaped(record, text)
            except _Error as error:
                yield Bad(text if text is not None else to_json(record), error)

    def _predict(self, ahead: Ahead[Entry], server: Server, spool: Spool) -> None:
        exactly, explain = self._task.job.manual_batch_tuning_parameters.batch_size, None
        if self._task.explained_by is not None:
            explain = Explanations(self._task.explained_by, self._parameters)
        size = BatchSize(exactly=exactly, at_most=MOST_AT_ONCE if self._task.prebuilt and not explain else BATCH)
        asker = Asker(server, self._parameters, size, self._task.check, explain)
        pending: deque[tuple[list[Entry], Future[list[Answer]]]] = deque()
        with ThreadPoolExecutor(self._at_once, thread_name_prefix="batch-ask") as pool:
            try:
                while entries := ahead.take(size.now, sys.maxsize if exactly else MOST_BYTES):
                    sent = [_instance(entry) for entry in entries if not isinstance(entry, Bad)]
                    pending.append((entries, pool.submit(asker.ask, sent)))
                    if len(pending) > self._at_once:
                        self._keep(*pending.popleft(), spool)
                while pending:
                    self._keep(*pending.popleft(), spool)
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _keep(self, entries: list[Entry], future: Future[list[Answer]], spool: Spool) -> None:
        answers = iter(future.result())
        shown, whole, predictions = [], [], []
        for entry in entries:
            if isinstance(entry, Bad):
                self._failed(entry.shown, entry.shown, entry.error, spool)
            elif isinstance(answer := next(answers), bytes):
                shown.append(entry if isinstance(entry, bytes) else entry.shown)
                whole.append(entry if isinstance(entry, bytes) else entry.record)
                predictions.append(answer)
            else:
                own = (entry, entry) if isinstance(entry, bytes) else (entry.shown, entry.record)
                self._failed(*own, answer, spool)
        spool.results(shown, whole, predictions)
        succeeded, failed = spool.counts[RESULTS], spool.counts[ERRORS]
        self._task.progress(succeeded, failed)
        if failed >= HOPELESS and not succeeded:
            raise StoppedEarlyError(f"The first {failed} instances failed, and none succeeded: the rest was not tried.")

    def _failed(self, shown: bytes, record: bytes, error: exceptions.GoogleAPICallError, spool: Spool) -> None:
        spool.error(shown, record, error)
        if len(self._failures) < _SAMPLES:
            self._failures.setdefault(str(error.message), error)


def _instance(entry: bytes | Item) -> bytes:
    return entry if isinstance(entry, bytes) else entry.instance


def _size(entry: Entry) -> int:
    return len(entry if isinstance(entry, bytes) else entry[0])


def _source(job: types.BatchPredictionJob) -> str:
    config = job.input_config
    return config.bigquery_source.input_uri or ", ".join(config.gcs_source.uris)
