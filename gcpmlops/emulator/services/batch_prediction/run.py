"""One batch prediction job: a server of the model's own, and batch after batch of instances to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.server import ModelServer
from gcpmlops.emulator.services import values
from gcpmlops.emulator.services.batch_prediction import records
from gcpmlops.emulator.services.batch_prediction.outputs import Outputs, Spool
from gcpmlops.emulator.services.batch_prediction.shapes import Item, Shapes
from gcpmlops.emulator.services.datasets.sources import Sources
from gcpmlops.emulator.services.deployments import READY_SECONDS
from gcpmlops.emulator.services.prediction import JSON, check_status, parsed

BATCH = 64  # what Vertex AI sends at a time
_TIMEOUT_S = 300.0
_SAMPLES = 20  # so many partial failures are kept


@dataclass
class Outcome:
    """What a run has done; `failures` are the first different ones."""

    output: types.BatchPredictionJob.OutputInfo
    succeeded: int
    failed: int
    failures: list[exceptions.GoogleAPICallError] = field(default_factory=list)


class Run:
    """Predicts for everything in a job's input. `check` raises when the job is to stop."""

    def __init__(
        self, job: types.BatchPredictionJob, server: ModelServer, sources: Sources, check: Callable[[], None]
    ) -> None:
        self._job = job
        self._server = server
        self._sources = sources
        self._check = check
        self._shapes = Shapes(job)
        self._failures: dict[str, exceptions.GoogleAPICallError] = {}
        raw = types.BatchPredictionJob.pb(job)
        self._parameters = (
            {"parameters": values.to_plain(raw.model_parameters)} if raw.HasField("model_parameters") else {}
        )

    def __call__(self, model: str) -> Outcome:
        """`model` is the display name. Raises Cancelled, NotFound for missing input, the server's own failure."""
        with self._sources.tables.workspace() as folder, records.read(self._job, self._sources) as found:
            self._server.wait_ready(READY_SECONDS)
            spool = self._spool(found, folder)
            self._check()
            output = Outputs(self._sources).write(self._job, model, spool, folder, found.fields)
        results, errors = spool.counts["results"], spool.counts["errors"]
        return Outcome(output, results, errors, list(self._failures.values()))

    def _spool(self, found: records.Records, folder: Path) -> Spool:
        spool = Spool(folder)
        size = self._job.manual_batch_tuning_parameters.batch_size or BATCH
        try:
            rows = iter(found.rows)
            while batch := list(islice(rows, size)):
                self._check()
                self._predict(list(self._shaped(batch, spool)), spool)
        finally:
            spool.close()
        return spool

    def _shaped(self, batch: list[Any], spool: Spool) -> Iterator[tuple[Any, Item]]:
        for record in batch:
            try:
                if isinstance(record, Exception):
                    raise record
                yield record, self._shapes.item(record)
            except exceptions.GoogleAPICallError as error:
                self._failed(None if isinstance(record, Exception) else record, None, error, spool)

    def _predict(self, batch: list[tuple[Any, Item]], spool: Spool) -> None:
        """All at once; where the model refuses, one by one, so that one bad instance spoils only itself."""
        if not batch:
            return
        try:
            predictions = self._ask([item.instance for _, item in batch])
        except exceptions.GoogleAPICallError as error:
            if len(batch) == 1:
                self._failed(*batch[0], error, spool)
                return
            for one in batch:
                self._check()
                self._predict([one], spool)
            return
        for (record, item), prediction in zip(batch, predictions, strict=True):
            spool.result(record, self._shapes.shown_name, item.shown, prediction)

    def _ask(self, instances: list[Any]) -> list[Any]:
        body = json.dumps({"instances": instances, **self._parameters}).encode()
        reply = self._server.request(
            "POST", self._server.spec.predict_route, body, {"content-type": JSON}, timeout=_TIMEOUT_S
        )
        check_status(reply)
        predictions: list[Any] = parsed(reply)["predictions"]
        if len(predictions) != len(instances):
            raise exceptions.InternalServerError(
                f"The model answered {len(instances)} instances with {len(predictions)} predictions."
            )
        return predictions

    def _failed(self, record: Any, item: Item | None, error: exceptions.GoogleAPICallError, spool: Spool) -> None:
        spool.error(record, self._shapes.shown_name, item.shown if item is not None else record, error)
        if len(self._failures) < _SAMPLES:
            self._failures.setdefault(str(error.message), error)
