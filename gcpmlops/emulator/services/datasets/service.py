"""Datasets: create, get, list, update, delete."""

from __future__ import annotations

from typing import Any

from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.kernel import filters, masks, names, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.datasets import rows, schemas
from gcpmlops.emulator.services.datasets.rows import DatasetRows
from gcpmlops.emulator.services.datasets.sources import Sources, normalised
from gcpmlops.emulator.services.model_rows import check_etag

_UPDATABLE = {"display_name", "description", "labels", "metadata", "model_reference"}


class Datasets(Service):
    """Datasets of every kind are kept as the API does; of the structured kinds the data is looked at."""

    proto = "google.cloud.aiplatform.v1.DatasetService"

    def __init__(self, context: Context, sources: Sources) -> None:
        super().__init__(context)
        self._sources = sources
        self._rows = DatasetRows(context.store)

    def create_dataset(self, request: types.CreateDatasetRequest) -> Any:
        """The operation fails where the data is not there: NotFound naming the file or the table."""
        names.parse(rows.LOCATION, request.parent)
        validate.require(request, "dataset.display_name", "dataset.metadata_schema_uri")
        dataset = types.Dataset(request.dataset)
        rows.check_display_name(dataset.display_name, "dataset.display_name")
        dataset.labels = rows.all_labels(dataset)
        self._take_metadata(dataset)
        dataset.name = f"{request.parent}/datasets/{names.new_id()}"
        metadata = types.CreateDatasetOperationMetadata()
        return self.operations.start(parent=dataset.name, metadata=metadata, run=lambda: self._create(dataset))

    def get_dataset(self, request: types.GetDatasetRequest) -> types.Dataset:
        return masks.part(self._rows.shown(self._rows.get(request.name)), request.read_mask)

    def list_datasets(self, request: types.ListDatasetsRequest) -> types.ListDatasetsResponse:
        """Newest first, unless `order_by` says otherwise."""
        names.parse(rows.LOCATION, request.parent)
        found = [d for d in reversed(self._rows.datasets.list(request.parent)) if filters.matches(request.filter, d)]
        page, token = paging.page(filters.order(found, request.order_by), request)
        shown = [masks.part(self._rows.shown(dataset), request.read_mask) for dataset in page]
        return types.ListDatasetsResponse(datasets=shown, next_page_token=token)

    def update_dataset(self, request: types.UpdateDatasetRequest) -> types.Dataset:
        """Changes what the mask names; an etag must be the current one."""
        validate.require(request, "dataset.name", "update_mask.paths")
        mask = masks.snake(request.update_mask)
        rows.check_mask(mask, _UPDATABLE)
        rows.check_display_name(request.dataset.display_name, "dataset.display_name")
        rows.own_labels(request.dataset.labels)
        self._rows.get(request.dataset.name)

        def change(dataset: types.Dataset) -> types.Dataset:
            check_etag(request.dataset.etag, dataset.etag, dataset.name)
            masks.apply(mask, dataset, request.dataset)
            validate.require(types.CreateDatasetRequest(dataset=dataset), "dataset.display_name")
            dataset.labels = rows.all_labels(dataset)
            self._take_metadata(dataset)
            dataset.update_time = self.clock.now()
            stamped: types.Dataset = rows.stamp(dataset)
            return stamped

        return self._rows.shown(self._rows.datasets.update(request.dataset.name, change))

    def delete_dataset(self, request: types.DeleteDatasetRequest) -> Any:
        """With its versions, data items and saved queries; the files and tables that it points to stay."""
        self._rows.get(request.name)
        metadata = types.DeleteOperationMetadata()
        return self.operations.start(parent=request.name, metadata=metadata, run=lambda: self._delete(request.name))

    def _create(self, dataset: types.Dataset) -> types.Dataset:
        if schemas.structured(dataset.metadata_schema_uri):
            source = self._sources.parse(json_format.MessageToDict(types.Dataset.pb(dataset).metadata))
            if source is not None:
                self._sources.check(source)
        queries = list(dataset.saved_queries)
        dataset.saved_queries, dataset.data_item_count, dataset.metadata_artifact = [], 0, ""
        dataset.create_time = dataset.update_time = self.clock.now()
        self._rows.datasets.insert(dataset.name, rows.stamp(dataset), parent=dataset.name.rpartition("/datasets/")[0])
        for query in queries[:1]:
            query.name = f"{dataset.name}/savedQueries/{names.new_id()}"
            query.create_time = query.update_time = dataset.create_time
            self._rows.queries.insert(query.name, rows.stamp(query), parent=dataset.name)
        return self._rows.shown(dataset)

    def _take_metadata(self, dataset: types.Dataset) -> None:
        """Raises InvalidArgument for metadata that its schema doesn't allow."""
        if schemas.structured(dataset.metadata_schema_uri):
            raw = types.Dataset.pb(dataset)
            plain = normalised(json_format.MessageToDict(raw.metadata))
            if plain:
                self._sources.parse(plain)
                json_format.ParseDict(plain, raw.metadata)

    def _delete(self, name: str) -> None:
        with self.locks(name):
            self._rows.datasets.delete(name)
            for below in (self._rows.versions, self._rows.items, self._rows.queries):
                for row in below.list(name):
                    below.delete(row.name)
