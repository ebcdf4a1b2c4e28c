"""ImportData (index files that name a dataset's items) and ExportData (rows or items into new files)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.datasets import index_files, schemas, splits
from gcpmlops.emulator.services.datasets.exports import Exported, Exports
from gcpmlops.emulator.services.datasets.index_files import Entry
from gcpmlops.emulator.services.datasets.rows import DatasetRows
from gcpmlops.emulator.services.datasets.sources import Source

_CONFIG = "export_config"


class DatasetTransfers(Service):
    """Data into and out of datasets."""

    proto = "google.cloud.aiplatform.v1.DatasetService"

    def __init__(self, context: Context, exports: Exports) -> None:
        super().__init__(context)
        self._sources = exports.sources
        self._exports = exports
        self._rows = DatasetRows(context.store)

    def import_data(self, request: types.ImportDataRequest) -> Any:
        """Data items for an image, text or video dataset; a structured one names its data when it is created."""
        dataset = self._rows.get(request.name)
        if not schemas.has_items(dataset.metadata_schema_uri):
            kind = schemas.kind_of(dataset.metadata_schema_uri)
            raise exceptions.InvalidArgument(
                f"ImportData is not supported for a dataset of the kind {kind}: "
                "its data is what metadata.input_config names when it is created."
            )
        validate.require(request, "import_configs")
        for at, config in enumerate(request.import_configs):
            validate.require(config, "import_schema_uri")
            if not config.gcs_source.uris:
                raise validate.invalid(f"import_configs[{at}].gcs_source.uris", "required, but missing.")
        metadata = types.ImportDataOperationMetadata()
        return self.operations.start(
            parent=dataset.name, metadata=metadata, run=lambda: self._import(dataset, request.import_configs)
        )

    def export_data(self, request: types.ExportDataRequest) -> Any:
        """All of it, or for `CUSTOM_CODE_TRAINING` in three sets, below a new directory of the destination."""
        dataset = self._rows.get(request.name)
        config = request.export_config
        prefix = config.gcs_destination.output_uri_prefix
        self.check_bucket(prefix, f"{_CONFIG}.gcs_destination.output_uri_prefix")
        stamp = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        directory = f"{prefix.rstrip('/')}/export-data-{dataset.display_name}-{stamp}"
        run = self._export_rows if schemas.structured(dataset.metadata_schema_uri) else self._export_items
        if schemas.structured(dataset.metadata_schema_uri):
            splits.of_config(config, _CONFIG)
        metadata = types.ExportDataOperationMetadata(gcs_output_directory=f"{directory}/")
        return self.operations.start(
            parent=dataset.name, metadata=metadata, run=lambda: run(dataset, config, directory)
        )

    def source(self, dataset: types.Dataset) -> Source:
        """What a structured dataset's metadata points to. Raises FailedPrecondition where it points to nothing."""
        source = self._sources.parse(json_format.MessageToDict(types.Dataset.pb(dataset).metadata))
        if source is None:
            raise exceptions.FailedPrecondition(f"{dataset.name} has no data: its metadata names no input_config.")
        return source

    def check_bucket(self, uri: str, field: str) -> None:
        """Raises InvalidArgument for what is not gs://BUCKET[/PREFIX], NotFound for a missing bucket."""
        bucket = uri.removeprefix("gs://").partition("/")[0]
        if not uri.startswith("gs://") or not bucket:
            raise validate.invalid(field, f"{uri!r} is not gs://BUCKET/PREFIX.")
        if not self._sources.objects.exists(bucket):
            raise exceptions.NotFound(f"{field}: the bucket {bucket} is not found.")

    def _export_rows(self, dataset: types.Dataset, config: Any, directory: str) -> types.ExportDataResponse:
        source = self.source(dataset)
        if not type(config).pb(config).WhichOneof("split") and not config.export_use:
            return types.ExportDataResponse(exported_files=self._exports.everything(source, directory))
        exported = self._exports.to_files(source, splits.of_config(config, _CONFIG), directory)
        if not config.export_use:
            return types.ExportDataResponse(exported_files=exported.files)
        return types.ExportDataResponse(exported_files=exported.uris, data_stats=stats(exported))

    def _export_items(self, dataset: types.Dataset, config: Any, directory: str) -> types.ExportDataResponse:
        kind = schemas.kind_of(dataset.metadata_schema_uri)
        lines = (index_files.line(kind, item) for item in self._rows.items.list(dataset.name))
        uri = f"{directory}/data-00000-of-00001.jsonl"
        self._exports.write_text(uri, "".join(json.dumps(line) + "\n" for line in lines), "application/jsonl")
        return types.ExportDataResponse(exported_files=[uri])

    def _import(self, dataset: types.Dataset, configs: Iterable[types.ImportDataConfig]) -> types.ImportDataResponse:
        kind = schemas.kind_of(dataset.metadata_schema_uri)
        found = [
            (entry, dict(config.data_item_labels))
            for config in configs
            for uri in config.gcs_source.uris
            for entry in index_files.entries(kind, uri, self._sources)
        ]
        with self.locks(dataset.name):
            known = {item.etag: item.name for item in self._rows.items.list(dataset.name)}
            for entry, labels in found:
                self._keep(dataset.name, entry, {**labels, **entry.labels}, known)
        return types.ImportDataResponse()

    def _keep(self, parent: str, entry: Entry, labels: dict[str, str], known: dict[str, str]) -> None:
        """A new item; one with the same content as another gives it its labels."""
        now = self.clock.now()
        if entry.digest in known:

            def change(item: types.DataItem) -> None:
                item.labels = {**item.labels, **labels}
                item.update_time = now

            self._rows.items.update(known[entry.digest], change)
            return
        name = f"{parent}/dataItems/{names.new_id()}"
        item = types.DataItem(name=name, labels=labels, create_time=now, update_time=now, etag=entry.digest)
        json_format.ParseDict(entry.payload, types.DataItem.pb(item).payload)
        self._rows.items.insert(name, item, parent=parent)
        known[entry.digest] = name


def stats(exported: Exported) -> types.Model.DataStats:
    """How many rows each set has."""
    training, validation, test = exported.counts
    return types.Model.DataStats(
        training_data_items_count=training, validation_data_items_count=validation, test_data_items_count=test
    )
