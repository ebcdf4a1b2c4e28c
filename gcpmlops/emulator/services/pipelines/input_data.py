"""A managed dataset as a training task gets it: its rows in three sets, named by AIP_* variables.

https://cloud.google.com/vertex-ai/docs/training/using-managed-datasets
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.bigquery.tables import Table
from gcpmlops.emulator.services.datasets import schemas, splits
from gcpmlops.emulator.services.datasets.exports import Exported, Exports
from gcpmlops.emulator.services.datasets.rows import DatasetRows
from gcpmlops.emulator.services.datasets.sources import Source
from gcpmlops.emulator.services.datasets.splits import Split
from gcpmlops.emulator.services.datasets.transfers import stats

FIELD = "training_pipeline.input_data_config"
_VARIABLES = ("AIP_TRAINING_DATA_URI", "AIP_VALIDATION_DATA_URI", "AIP_TEST_DATA_URI")


@dataclass(frozen=True)
class Plan:
    """What will be exported: `directory` (gs://) or `table` is the destination."""

    dataset: str
    source: Source
    split: Split
    directory: str = ""
    table: Table | None = None


@dataclass(frozen=True)
class HandedOver:
    """The variables for the task, and how many rows each set has."""

    variables: dict[str, str]
    stats: types.Model.DataStats


class InputData:
    """Plans when a pipeline is created, and exports when it runs."""

    def __init__(self, store: ResourceStore, exports: Exports) -> None:
        self._rows = DatasetRows(store)
        self._exports = exports

    def plan(self, parent: str, pipeline: types.TrainingPipeline, output: str) -> Plan | None:
        """None for a pipeline without a dataset; `output` is where the task writes, the default destination.

        Raises: NotFound naming the dataset or the bucket, InvalidArgument naming the field.
        """
        config = pipeline.input_data_config
        if not types.InputDataConfig.pb(config).ListFields():
            return None
        if not config.dataset_id:
            raise validate.invalid(f"{FIELD}.dataset_id", "required, but missing.")
        dataset = self._dataset(f"{parent}/datasets/{config.dataset_id}")
        source = self._exports.sources.parse(json_format.MessageToDict(types.Dataset.pb(dataset).metadata))
        if source is None:
            raise exceptions.FailedPrecondition(f"{dataset.name} has no data: its metadata names no input_config.")
        split = splits.of_config(config, FIELD)
        if "bigquery_destination" in config:
            return Plan(dataset.name, source, split, table=self._project(config.bigquery_destination.output_uri))
        prefix = config.gcs_destination.output_uri_prefix or output
        self._check_bucket(prefix)
        return Plan(dataset.name, source, split, directory=prefix.rstrip("/"))

    def hand_over(self, plan: Plan, now: datetime) -> HandedOver:
        """Writes the sets. Raises as `Exports.to_files`."""
        dataset = plan.dataset.rpartition("/")[2]
        if plan.table is not None:
            stamp = now.strftime("%Y_%m_%dT%H_%M_%S_") + f"{now.microsecond // 1000:03d}Z"
            target = Table(plan.table.project, f"dataset_{dataset}_tables_{stamp}")
            location = names.location_of(plan.dataset)
            return _named("bigquery", self._exports.to_tables(plan.source, plan.split, target, location))
        stamp = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"
        directory = f"{plan.directory}/dataset-{dataset}-tables-{stamp}"
        return _named("csv", self._exports.to_files(plan.source, plan.split, directory))

    def _dataset(self, name: str) -> types.Dataset:
        try:
            dataset = self._rows.get(name)
        except exceptions.NotFound as error:
            raise exceptions.NotFound(f"{FIELD}.dataset_id: {error.message}") from error
        if not schemas.structured(dataset.metadata_schema_uri):
            kind = schemas.kind_of(dataset.metadata_schema_uri)
            raise exceptions.MethodNotImplemented(
                f"PipelineService.CreateTrainingPipeline: training on a dataset of the kind {kind} is not built "
                "in this emulator (tabular and time_series are)."
            )
        return dataset

    def _project(self, uri: str) -> Table:
        field = f"{FIELD}.bigquery_destination.output_uri"
        table = self._exports.sources.tables.parse(uri, field)
        if table.dataset:
            raise validate.invalid(field, f"{uri!r} is not bq://PROJECT: the dataset in it is made by the pipeline.")
        return table

    def _check_bucket(self, uri: str) -> None:
        field = f"{FIELD}.gcs_destination.output_uri_prefix"
        bucket = uri.removeprefix("gs://").partition("/")[0]
        if not uri:
            raise validate.invalid(field, "gcs_destination or bigquery_destination is required.")
        if not uri.startswith("gs://") or not bucket:
            raise validate.invalid(field, f"{uri!r} is not gs://BUCKET/PREFIX.")
        if not self._exports.sources.objects.exists(bucket):
            raise exceptions.NotFound(f"{field}: the bucket {bucket} is not found.")


def _named(data_format: str, exported: Exported) -> HandedOver:
    variables = {"AIP_DATA_FORMAT": data_format, **dict(zip(_VARIABLES, exported.uris, strict=True))}
    return HandedOver(variables, stats(exported))
