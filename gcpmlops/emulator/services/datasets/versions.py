"""Dataset versions: what a dataset's metadata was, and back to it."""

from __future__ import annotations

from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import filters, masks, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.datasets import rows
from gcpmlops.emulator.services.datasets.rows import DatasetRows
from gcpmlops.emulator.services.model_rows import check_etag


class DatasetVersions(Service):
    """Versions are numbered 1, 2, ... below their dataset."""

    proto = "google.cloud.aiplatform.v1.DatasetService"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._rows = DatasetRows(context.store)

    def create_dataset_version(self, request: types.CreateDatasetVersionRequest) -> Any:
        dataset = self._rows.get(request.parent)
        given = request.dataset_version.display_name
        rows.check_display_name(given, "dataset_version.display_name")
        return self.operations.start(
            parent=dataset.name,
            metadata=types.CreateDatasetVersionOperationMetadata(),
            run=lambda: self._create(dataset.name, given),
        )

    def get_dataset_version(self, request: types.GetDatasetVersionRequest) -> types.DatasetVersion:
        return masks.part(self._rows.version(request.name), request.read_mask)

    def list_dataset_versions(self, request: types.ListDatasetVersionsRequest) -> types.ListDatasetVersionsResponse:
        """Newest first, unless `order_by` says otherwise."""
        self._rows.get(request.parent)
        found = [v for v in reversed(self._rows.versions.list(request.parent)) if filters.matches(request.filter, v)]
        page, token = paging.page(filters.order(found, request.order_by), request)
        shown = [masks.part(version, request.read_mask) for version in page]
        return types.ListDatasetVersionsResponse(dataset_versions=shown, next_page_token=token)

    def update_dataset_version(self, request: types.UpdateDatasetVersionRequest) -> types.DatasetVersion:
        """Only the display name can change."""
        validate.require(request, "dataset_version.name", "update_mask.paths")
        mask = masks.snake(request.update_mask)
        rows.check_mask(mask, {"display_name"})
        rows.check_display_name(request.dataset_version.display_name, "dataset_version.display_name")
        self._rows.version(request.dataset_version.name)

        def change(version: types.DatasetVersion) -> types.DatasetVersion:
            check_etag(request.dataset_version.etag, version.etag, version.name)
            masks.apply(mask, version, request.dataset_version)
            version.update_time = self.clock.now()
            stamped: types.DatasetVersion = rows.stamp(version)
            return stamped

        updated: types.DatasetVersion = self._rows.versions.update(request.dataset_version.name, change)
        return updated

    def delete_dataset_version(self, request: types.DeleteDatasetVersionRequest) -> Any:
        name = self._rows.version(request.name).name
        return self.operations.start(
            parent=name, metadata=types.DeleteOperationMetadata(), run=lambda: self._delete(name)
        )

    def restore_dataset_version(self, request: types.RestoreDatasetVersionRequest) -> Any:
        """The dataset gets the version's metadata again; that state is a new version, which is the answer."""
        version = self._rows.version(request.name)
        metadata = types.RestoreDatasetVersionOperationMetadata()
        return self.operations.start(parent=version.name, metadata=metadata, run=lambda: self._restore(version))

    def _create(self, dataset_name: str, display_name: str) -> types.DatasetVersion:
        with self.locks(dataset_name):
            dataset = self._rows.get(dataset_name)
            taken = [int(version.name.rpartition("/")[2]) for version in self._rows.versions.list(dataset_name)]
            now = self.clock.now()
            version = types.DatasetVersion(
                name=f"{dataset_name}/datasetVersions/{max(taken, default=0) + 1}",
                display_name=display_name,
                create_time=now,
                update_time=now,
                model_reference=dataset.model_reference,
            )
            types.DatasetVersion.pb(version).metadata.CopyFrom(types.Dataset.pb(dataset).metadata)
            self._rows.versions.insert(version.name, rows.stamp(version), parent=dataset_name)
            return version

    def _restore(self, version: types.DatasetVersion) -> types.DatasetVersion:
        def change(dataset: types.Dataset) -> types.Dataset:
            types.Dataset.pb(dataset).metadata.CopyFrom(types.DatasetVersion.pb(version).metadata)
            dataset.model_reference = version.model_reference
            dataset.update_time = self.clock.now()
            stamped: types.Dataset = rows.stamp(dataset)
            return stamped

        dataset: types.Dataset = self._rows.datasets.update(version.name.rpartition("/datasetVersions/")[0], change)
        return self._create(dataset.name, version.display_name)

    def _delete(self, name: str) -> None:
        self._rows.versions.delete(name)
