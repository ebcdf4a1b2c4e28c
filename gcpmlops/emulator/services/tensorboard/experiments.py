"""TensorboardService: experiments and their runs."""

from __future__ import annotations

from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import masks, names, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.tensorboard.blobs import BlobData
from gcpmlops.emulator.services.tensorboard.names import BOARD, EXPERIMENT, check_batch, check_display_name, check_id
from gcpmlops.emulator.services.tensorboard.rows import Rows


class Experiments(Service):
    """Experiments in a tensorboard, runs in an experiment."""

    proto = "google.cloud.aiplatform.v1.TensorboardService"

    def __init__(self, context: Context, rows: Rows, blobs: BlobData) -> None:
        super().__init__(context)
        self._rows = rows
        self._blobs = blobs

    def create_tensorboard_experiment(
        self, request: types.CreateTensorboardExperimentRequest
    ) -> types.TensorboardExperiment:
        names.parse(BOARD, request.parent)
        given = request.tensorboard_experiment
        check_display_name(given, "tensorboard_experiment", required=False)
        validate.labels(given.labels, "tensorboard_experiment.labels")
        own = check_id("tensorboard_experiment_id", request.tensorboard_experiment_id)
        made: types.TensorboardExperiment = self._rows.insert([(f"{request.parent}/experiments/{own}", given)])[0]
        return made

    def get_tensorboard_experiment(self, request: types.GetTensorboardExperimentRequest) -> types.TensorboardExperiment:
        found: types.TensorboardExperiment = self._rows.get(types.TensorboardExperiment, request.name)
        return found

    def list_tensorboard_experiments(
        self, request: types.ListTensorboardExperimentsRequest
    ) -> types.ListTensorboardExperimentsResponse:
        """In the order of their creation, or as `order_by` says."""
        found, token = self._rows.page(types.TensorboardExperiment, request, default=50, maximum=1000)
        shown = [masks.part(item, request.read_mask) for item in found]
        return types.ListTensorboardExperimentsResponse(tensorboard_experiments=shown, next_page_token=token)

    def update_tensorboard_experiment(
        self, request: types.UpdateTensorboardExperimentRequest
    ) -> types.TensorboardExperiment:
        check_display_name(request.tensorboard_experiment, "tensorboard_experiment", required=False)
        validate.labels(request.tensorboard_experiment.labels, "tensorboard_experiment.labels")
        changed: types.TensorboardExperiment = self._rows.update(
            request.tensorboard_experiment, request.update_mask, frozen=["source"]
        )
        return changed

    def delete_tensorboard_experiment(self, request: types.DeleteTensorboardExperimentRequest) -> Any:
        """With all runs in it."""
        return self._delete(types.TensorboardExperiment, request.name)

    def create_tensorboard_run(self, request: types.CreateTensorboardRunRequest) -> types.TensorboardRun:
        made: types.TensorboardRun = self._rows.insert([self._new_run(request)])[0]
        return made

    def batch_create_tensorboard_runs(
        self, request: types.BatchCreateTensorboardRunsRequest
    ) -> types.BatchCreateTensorboardRunsResponse:
        """All of them or none; 1000 at most."""
        self._rows.get(types.TensorboardExperiment, request.parent)
        check_batch(request.requests)
        for index, each in enumerate(request.requests):
            if each.parent != request.parent:
                raise validate.invalid(f"requests[{index}].parent", f"{each.parent!r} is not {request.parent}.")
        made = self._rows.insert([self._new_run(each) for each in request.requests])
        return types.BatchCreateTensorboardRunsResponse(tensorboard_runs=made)

    def get_tensorboard_run(self, request: types.GetTensorboardRunRequest) -> types.TensorboardRun:
        found: types.TensorboardRun = self._rows.get(types.TensorboardRun, request.name)
        return found

    def list_tensorboard_runs(self, request: types.ListTensorboardRunsRequest) -> types.ListTensorboardRunsResponse:
        """In the order of their creation, or as `order_by` says."""
        found, token = self._rows.page(types.TensorboardRun, request, default=50, maximum=1000)
        shown = [masks.part(item, request.read_mask) for item in found]
        return types.ListTensorboardRunsResponse(tensorboard_runs=shown, next_page_token=token)

    def update_tensorboard_run(self, request: types.UpdateTensorboardRunRequest) -> types.TensorboardRun:
        required = "display_name" in request.update_mask.paths
        check_display_name(request.tensorboard_run, "tensorboard_run", required=required)
        validate.labels(request.tensorboard_run.labels, "tensorboard_run.labels")
        changed: types.TensorboardRun = self._rows.update(request.tensorboard_run, request.update_mask)
        return changed

    def delete_tensorboard_run(self, request: types.DeleteTensorboardRunRequest) -> Any:
        """With all time series in it."""
        return self._delete(types.TensorboardRun, request.name)

    def _new_run(self, request: types.CreateTensorboardRunRequest) -> tuple[str, types.TensorboardRun]:
        names.parse(EXPERIMENT, request.parent)
        check_display_name(request.tensorboard_run, "tensorboard_run")
        validate.labels(request.tensorboard_run.labels, "tensorboard_run.labels")
        own = check_id("tensorboard_run_id", request.tensorboard_run_id, run=True)
        return f"{request.parent}/runs/{own}", request.tensorboard_run

    def _delete(self, kind: Any, name: str) -> Any:
        self._rows.delete_with_blobs(kind, name, self._blobs)
        return self.operations.finished(parent=name, metadata=types.DeleteOperationMetadata(), response=None)
