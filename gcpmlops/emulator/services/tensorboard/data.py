"""TensorboardService: writing and reading the values of time series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters, paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.tensorboard.blobs import BlobData
from gcpmlops.emulator.services.tensorboard.names import board_of, id_of
from gcpmlops.emulator.services.tensorboard.points import Points, Slices, Written
from gcpmlops.emulator.services.tensorboard.rows import Rows
from gcpmlops.emulator.services.tensorboard.views import Views

_Type: Any = types.TensorboardTimeSeries.ValueType
_VALUE = {_Type.SCALAR: "scalar", _Type.TENSOR: "tensor", _Type.BLOB_SEQUENCE: "blobs"}
_SAMPLE = {_Type.SCALAR: 1000, _Type.TENSOR: 100, _Type.BLOB_SEQUENCE: 100}  # points that a read returns by default
_WRITE_LIMIT = 5000  # points of one run in one write
_BY_STEP = {"": False, "step": False, "step asc": False, "step desc": True}
_Series = types.TensorboardTimeSeries


class TimeSeriesData(Service):
    """Points by step; a step that is written again is overwritten."""

    proto = "google.cloud.aiplatform.v1.TensorboardService"

    def __init__(self, context: Context, rows: Rows, blobs: BlobData, views: Views) -> None:
        super().__init__(context)
        self._rows = rows
        self._points: Points = rows.points
        self._blobs = blobs
        self._views = views

    def write_tensorboard_run_data(
        self, request: types.WriteTensorboardRunDataRequest
    ) -> types.WriteTensorboardRunDataResponse:
        """All or nothing; 5000 points at most."""
        self._points.write(self._written(raw(request)))
        return types.WriteTensorboardRunDataResponse()

    def write_tensorboard_experiment_data(
        self, request: types.WriteTensorboardExperimentDataRequest
    ) -> types.WriteTensorboardExperimentDataResponse:
        """All or nothing, in any runs of one experiment."""
        experiment = self._rows.get(types.TensorboardExperiment, request.tensorboard_experiment).name
        writes = list(raw(request).write_run_data_requests)
        for index, each in enumerate(writes):
            if not each.tensorboard_run.startswith(f"{experiment}/runs/"):
                field = f"write_run_data_requests[{index}].tensorboard_run"
                raise validate.invalid(field, f"{each.tensorboard_run!r} is no run of {experiment}.")
        self._points.write(written for each in writes for written in self._written(each))
        return types.WriteTensorboardExperimentDataResponse()

    def read_tensorboard_time_series_data(
        self, request: types.ReadTensorboardTimeSeriesDataRequest
    ) -> types.ReadTensorboardTimeSeriesDataResponse:
        """In the order of the steps; a random sample where there are more than `max_data_points`.

        Its default is 1000 for scalars and 100 for others; -1 is all.
        """
        series = self._rows.get(_Series, request.tensorboard_time_series)
        if request.max_data_points < -1:
            raise validate.invalid("max_data_points", f"{request.max_data_points}: a positive number, or -1 for all.")
        limit = request.max_data_points or _SAMPLE[series.value_type]
        response = types.ReadTensorboardTimeSeriesDataResponse.pb()()
        self._fill(response.time_series_data, series, self._points.sample(series.name, limit, request.filter))
        self._views.count(series.name)
        answer: types.ReadTensorboardTimeSeriesDataResponse = types.ReadTensorboardTimeSeriesDataResponse.wrap(response)
        return answer

    def batch_read_tensorboard_time_series_data(
        self, request: types.BatchReadTensorboardTimeSeriesDataRequest
    ) -> types.BatchReadTensorboardTimeSeriesDataResponse:
        """Of each time series what a single read returns by default."""
        board = self._rows.get(types.Tensorboard, request.tensorboard).name
        validate.require(request, "time_series")
        for index, name in enumerate(request.time_series):
            if not name.startswith(f"{board}/"):
                raise validate.invalid(f"time_series[{index}]", f"{name!r} does not lie in {board}.")
        response = types.BatchReadTensorboardTimeSeriesDataResponse.pb()()
        for name in request.time_series:
            series = self._rows.get(_Series, name)
            sample = self._points.sample(name, _SAMPLE[series.value_type])
            self._fill(response.time_series_data.add(), series, sample)
        self._views.count(board)
        answer: types.BatchReadTensorboardTimeSeriesDataResponse = (
            types.BatchReadTensorboardTimeSeriesDataResponse.wrap(response)
        )
        return answer

    def export_tensorboard_time_series_data(
        self, request: types.ExportTensorboardTimeSeriesDataRequest
    ) -> types.ExportTensorboardTimeSeriesDataResponse:
        """Every point, page by page, in the order of the steps where `order_by` says nothing else."""
        series = self._rows.get(_Series, request.tensorboard_time_series)
        found = self._exported(series.name, request)
        items, token = paging.page(found, request, default=1000, maximum=10_000)
        response = types.ExportTensorboardTimeSeriesDataResponse.pb()(next_page_token=token)
        response.MergeFromString(_repeated(1, items))
        self._views.count(series.name)
        answer: types.ExportTensorboardTimeSeriesDataResponse = types.ExportTensorboardTimeSeriesDataResponse.wrap(
            response
        )
        return answer

    def read_tensorboard_blob_data(
        self, request: types.ReadTensorboardBlobDataRequest
    ) -> Iterator[types.ReadTensorboardBlobDataResponse]:
        """One message for each blob, in the order in which they are asked for; of all of them where none is named."""
        series = self._rows.get(_Series, request.time_series)
        if series.value_type != _Type.BLOB_SEQUENCE:
            raise validate.invalid(
                "time_series", f"{series.name} holds no blobs: its type is {series.value_type.name}."
            )
        prefix = self._rows.get(types.Tensorboard, board_of(series.name)).blob_storage_path_prefix
        ids = list(request.blob_ids) or self._blob_ids(series.name)
        for blob_id in ids:
            self._blobs.require(prefix, series.name, blob_id)
        self._views.count(series.name)
        for blob_id in ids:
            blob = types.TensorboardBlob(id=blob_id, data=self._blobs.read(prefix, series.name, blob_id))
            yield types.ReadTensorboardBlobDataResponse(blobs=[blob])

    def _written(self, request: Any) -> list[Written]:
        run = self._rows.get(types.TensorboardRun, request.tensorboard_run).name
        count = sum(len(data.values) for data in request.time_series_data)
        if count > _WRITE_LIMIT:
            raise validate.invalid("time_series_data", f"{count} data points, {_WRITE_LIMIT} are allowed in one write.")
        return [self._checked(run, data) for data in request.time_series_data if data.values]

    def _checked(self, run: str, data: Any) -> Written:
        if not data.tensorboard_time_series_id:
            raise validate.invalid("time_series_data.tensorboard_time_series_id", "required, but missing.")
        series = self._rows.get(_Series, f"{run}/timeSeries/{data.tensorboard_time_series_id}")
        if data.value_type != series.value_type:
            given = _Type(data.value_type).name
            raise validate.invalid(
                "time_series_data.value_type", f"{given}, but {series.name} is of type {series.value_type.name}."
            )
        _check_values(data.values, _VALUE[series.value_type], series.name)
        if series.value_type == _Type.BLOB_SEQUENCE:
            self._take_blobs(series.name, data.values)
        return Written.of(series.name, data.values)

    def _take_blobs(self, series: str, points: Iterable[Any]) -> None:
        prefix = self._rows.get(types.Tensorboard, board_of(series)).blob_storage_path_prefix
        for point in points:
            for blob in point.blobs.values:
                self._blobs.put(prefix, series, blob)

    def _fill(self, data: Any, series: types.TensorboardTimeSeries, bodies: Sequence[bytes]) -> None:
        data.tensorboard_time_series_id = id_of(series.name)
        data.value_type = series.value_type
        data.MergeFromString(_repeated(3, bodies))

    def _exported(self, name: str, request: types.ExportTensorboardTimeSeriesDataRequest) -> Sequence[bytes]:
        order = " ".join(request.order_by.split())
        if not request.filter and order in _BY_STEP:
            return Slices(self._points, name, descending=_BY_STEP[order])
        found = self._points.matching(name, request.filter) if request.filter else self._points.all(name)
        point = types.TimeSeriesDataPoint.pb()
        ordered = filters.order([point.FromString(body) for body in found], request.order_by)
        return [each.SerializeToString() for each in ordered]

    def _blob_ids(self, series: str) -> list[str]:
        point = types.TimeSeriesDataPoint.pb()
        return [blob.id for body in self._points.all(series) for blob in point.FromString(body).blobs.values]


def _check_values(points: Iterable[Any], kind: str, series: str) -> None:
    for point in points:
        found = point.WhichOneof("value")
        if found != kind:
            what = f"step {point.step} of {series} holds {f'a value of kind {found}' if found else 'no value'}"
            raise validate.invalid("time_series_data.values", f"{what}, expected {kind}.")


def _repeated(number: int, bodies: Iterable[bytes]) -> bytes:
    """Encoded messages as the encoded repeated field of that number."""
    tag = bytes([number << 3 | 2])
    return b"".join(part for body in bodies for part in (tag, _varint(len(body)), body))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
