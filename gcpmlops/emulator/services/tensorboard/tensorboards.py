"""TensorboardService: the tensorboards themselves, their usage and their size."""

from __future__ import annotations

from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import masks, names, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.tensorboard.blobs import BlobData
from gcpmlops.emulator.services.tensorboard.names import LOCATION, check_display_name
from gcpmlops.emulator.services.tensorboard.rows import Rows
from gcpmlops.emulator.services.tensorboard.views import Views

_Usage: Any = types.ReadTensorboardUsageResponse


class Tensorboards(Service):
    """At most one tensorboard of a project and location is the default one."""

    proto = "google.cloud.aiplatform.v1.TensorboardService"

    def __init__(self, context: Context, rows: Rows, blobs: BlobData, views: Views) -> None:
        super().__init__(context)
        self._rows = rows
        self._blobs = blobs
        self._views = views

    def create_tensorboard(self, request: types.CreateTensorboardRequest) -> Any:
        names.parse(LOCATION, request.parent)
        check_display_name(request.tensorboard, "tensorboard")
        validate.labels(request.tensorboard.labels, "tensorboard.labels")
        name = f"{request.parent}/tensorboards/{names.new_id()}"
        metadata = types.CreateTensorboardOperationMetadata()
        return self.operations.finished(parent=name, metadata=metadata, response=self._create(name, request))

    def get_tensorboard(self, request: types.GetTensorboardRequest) -> types.Tensorboard:
        return self._shown(self._rows.get(types.Tensorboard, request.name))

    def list_tensorboards(self, request: types.ListTensorboardsRequest) -> types.ListTensorboardsResponse:
        """In the order of their creation, or as `order_by` says."""
        names.parse(LOCATION, request.parent)
        found, token = self._rows.page(types.Tensorboard, request, default=100, maximum=100)
        shown = [masks.part(self._shown(board), request.read_mask) for board in found]
        return types.ListTensorboardsResponse(tensorboards=shown, next_page_token=token)

    def update_tensorboard(self, request: types.UpdateTensorboardRequest) -> Any:
        """Without a mask, what is set is overwritten."""
        board = self._rows.get(types.Tensorboard, request.tensorboard.name)
        validate.labels(request.tensorboard.labels, "tensorboard.labels")
        if "display_name" in request.update_mask.paths:
            check_display_name(request.tensorboard, "tensorboard")
        updated = self._rows.update(
            request.tensorboard, request.update_mask, frozen=["encryption_spec"], also=self._only_default
        )
        metadata = types.UpdateTensorboardOperationMetadata()
        return self.operations.finished(parent=board.name, metadata=metadata, response=self._shown(updated))

    def delete_tensorboard(self, request: types.DeleteTensorboardRequest) -> Any:
        """With all experiments, runs, time series and blobs in it."""
        board = self._rows.get(types.Tensorboard, request.name)
        self._delete(board)
        return self.operations.finished(parent=board.name, metadata=types.DeleteOperationMetadata(), response=None)

    def read_tensorboard_usage(self, request: types.ReadTensorboardUsageRequest) -> types.ReadTensorboardUsageResponse:
        """How often each user has read data, by month (YYYYMM)."""
        self._rows.get(types.Tensorboard, request.tensorboard)
        months: dict[str, Any] = {}
        for month, user, count in self._views.of(request.tensorboard):
            data = months.setdefault(month, _Usage.PerMonthUsageData())
            data.user_usage_data.append(_Usage.PerUserUsageData(username=user, view_count=count))
        return types.ReadTensorboardUsageResponse(monthly_usage_data=months)

    def read_tensorboard_size(self, request: types.ReadTensorboardSizeRequest) -> types.ReadTensorboardSizeResponse:
        """Bytes of all points, and of the blobs in the bucket."""
        board = self._rows.get(types.Tensorboard, request.tensorboard)
        blobs = self._blobs.size(board.blob_storage_path_prefix, board.name)
        return types.ReadTensorboardSizeResponse(storage_size_byte=self._rows.points.size(board.name) + blobs)

    def _create(self, name: str, request: types.CreateTensorboardRequest) -> types.Tensorboard:
        board = types.Tensorboard(request.tensorboard, blob_storage_path_prefix=self._blobs.bucket(request.parent))
        board.name = name
        made: types.Tensorboard = self._rows.insert([(name, board)], also=lambda: self._only_default(board))[0]
        return made

    def _delete(self, board: types.Tensorboard) -> None:
        self._rows.delete(types.Tensorboard, board.name)
        self._views.forget(board.name)
        self._blobs.delete(board.blob_storage_path_prefix, board.name)

    def _only_default(self, board: types.Tensorboard) -> None:
        """All others lose the mark that `board` has; inside a transaction."""
        rows = self._rows.of(types.Tensorboard)
        others = rows.list(board.name.rsplit("/", 2)[0]) if board.is_default else []
        for other in others:
            if other.is_default and other.name != board.name:
                rows.update(other.name, _no_default)

    def _shown(self, board: types.Tensorboard) -> types.Tensorboard:
        board.run_count = self._rows.of(types.TensorboardRun).count_below(board.name)
        return board


def _no_default(board: types.Tensorboard) -> None:
    board.is_default = False
