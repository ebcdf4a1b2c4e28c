"""TensorboardService: time series, without their values."""

from __future__ import annotations

from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import masks, names, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.tensorboard.blobs import BlobData
from gcpmlops.emulator.services.tensorboard.names import RUN, check_batch, check_display_name, check_id
from gcpmlops.emulator.services.tensorboard.rows import Rows

_PLUGIN_DATA = 65 * 1024  # bytes
_FROZEN = ("value_type", "plugin_name")
_Series = types.TensorboardTimeSeries


class TimeSeries(Service):
    """Time series in a run."""

    proto = "google.cloud.aiplatform.v1.TensorboardService"

    def __init__(self, context: Context, rows: Rows, blobs: BlobData) -> None:
        super().__init__(context)
        self._rows = rows
        self._blobs = blobs

    def create_tensorboard_time_series(
        self, request: types.CreateTensorboardTimeSeriesRequest
    ) -> types.TensorboardTimeSeries:
        made: types.TensorboardTimeSeries = self._rows.insert([_new(request)])[0]
        return made

    def batch_create_tensorboard_time_series(
        self, request: types.BatchCreateTensorboardTimeSeriesRequest
    ) -> types.BatchCreateTensorboardTimeSeriesResponse:
        """In any runs of one experiment: all of them or none; 1000 at most."""
        self._rows.get(types.TensorboardExperiment, request.parent)
        check_batch(request.requests)
        for index, each in enumerate(request.requests):
            if not each.parent.startswith(f"{request.parent}/runs/"):
                raise validate.invalid(f"requests[{index}].parent", f"{each.parent!r} is no run of {request.parent}.")
        made = self._rows.insert([_new(each) for each in request.requests])
        return types.BatchCreateTensorboardTimeSeriesResponse(tensorboard_time_series=made)

    def get_tensorboard_time_series(
        self, request: types.GetTensorboardTimeSeriesRequest
    ) -> types.TensorboardTimeSeries:
        found = self._rows.get(_Series, request.name)
        self._rows.points.fill_metadata([raw(found)])
        shown: types.TensorboardTimeSeries = found
        return shown

    def list_tensorboard_time_series(
        self, request: types.ListTensorboardTimeSeriesRequest
    ) -> types.ListTensorboardTimeSeriesResponse:
        """In the order of their creation, or as `order_by` says."""
        found, token = self._rows.page(_Series, request, default=50, maximum=1000)
        self._rows.points.fill_metadata([raw(item) for item in found])
        shown = [masks.part(item, request.read_mask) for item in found]
        return types.ListTensorboardTimeSeriesResponse(tensorboard_time_series=shown, next_page_token=token)

    def update_tensorboard_time_series(
        self, request: types.UpdateTensorboardTimeSeriesRequest
    ) -> types.TensorboardTimeSeries:
        given = request.tensorboard_time_series
        required = "display_name" in request.update_mask.paths
        check_display_name(given, "tensorboard_time_series", required=required)
        _check_plugin_data(given)
        changed = self._rows.update(given, request.update_mask, frozen=_FROZEN)
        self._rows.points.fill_metadata([raw(changed)])
        shown: types.TensorboardTimeSeries = changed
        return shown

    def delete_tensorboard_time_series(self, request: types.DeleteTensorboardTimeSeriesRequest) -> Any:
        """With all its points and blobs."""
        self._rows.delete_with_blobs(_Series, request.name, self._blobs)
        return self.operations.finished(parent=request.name, metadata=types.DeleteOperationMetadata(), response=None)


def _new(request: types.CreateTensorboardTimeSeriesRequest) -> tuple[str, types.TensorboardTimeSeries]:
    names.parse(RUN, request.parent)
    given = request.tensorboard_time_series
    check_display_name(given, "tensorboard_time_series")
    if given.value_type.value == 0:
        raise validate.invalid("tensorboard_time_series.value_type", "required, but missing.")
    _check_plugin_data(given)
    own = request.tensorboard_time_series_id
    own = check_id("tensorboard_time_series_id", own) if own else names.new_id()
    return f"{request.parent}/timeSeries/{own}", given


def _check_plugin_data(series: types.TensorboardTimeSeries) -> None:
    if len(series.plugin_data) > _PLUGIN_DATA:
        size = f"{len(series.plugin_data)} bytes, {_PLUGIN_DATA} are allowed."
        raise validate.invalid("tensorboard_time_series.plugin_data", size)
