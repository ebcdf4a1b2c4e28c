"""What a batch prediction job may ask for. Each check raises InvalidArgument naming the field, as the cloud does."""

from __future__ import annotations

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.batch_prediction.explaining import spec_of
from gcpmlops.emulator.services.datasets.sources import Sources, files_of
from gcpmlops.emulator.services.model_rows import ModelRows

JOB = "batch_prediction_job"
INPUT, OUTPUT = f"{JOB}.input_config", f"{JOB}.output_config"
URIS, TABLE = f"{INPUT}.gcs_source.uris", f"{INPUT}.bigquery_source.input_uri"
DIRECTORY, DATASET = f"{OUTPUT}.gcs_destination.output_uri_prefix", f"{OUTPUT}.bigquery_destination.output_uri"
_FILES = ("jsonl", "csv", "file-list", "tf-record", "tf-record-gzip")
_NAMED = ("jsonl", "csv", "bigquery")


def check(job: types.BatchPredictionJob, models: ModelRows, sources: Sources) -> types.Model:
    """The model version that is to predict; an empty one for a container that no registry knows.

    Raises also NotFound, FailedPrecondition and MethodNotImplemented.
    """
    validate.require(types.CreateBatchPredictionJobRequest(batch_prediction_job=job), f"{JOB}.display_name")
    if len(job.display_name) > 128:
        raise validate.invalid(f"{JOB}.display_name", f"{len(job.display_name)} characters, 128 are allowed.")
    validate.labels(job.labels, f"{JOB}.labels")
    _refuse_unbuilt(job)
    version = _check_model(job, models)
    _check_input(job, sources)
    _check_output(job, sources)
    _check_instances(job)
    _check_explanations(job, version)
    return version


def _check_explanations(job: types.BatchPredictionJob, version: types.Model) -> None:
    if not job.generate_explanation:
        if "explanation_spec" in job:
            raise validate.invalid(f"{JOB}.explanation_spec", "allowed only with generate_explanation.")
        return
    if job.output_config.predictions_format == "csv":
        raise validate.invalid(f"{JOB}.generate_explanation", "not supported for the predictions_format 'csv'.")
    spec_of(job, version)


def _check_model(job: types.BatchPredictionJob, models: ModelRows) -> types.Model:
    if "unmanaged_container_model" not in job:
        if not job.model:
            raise validate.invalid(f"{JOB}.model", "required, but missing.")
        return models.version(job.model)
    if job.model:
        raise validate.invalid(f"{JOB}.unmanaged_container_model", "must be empty where model is given.")
    if not job.unmanaged_container_model.container_spec.image_uri:
        raise validate.invalid(f"{JOB}.unmanaged_container_model.container_spec.image_uri", "required, but missing.")
    return types.Model()


def _refuse_unbuilt(job: types.BatchPredictionJob) -> None:
    asked = {
        "input_config.vertex_multimodal_dataset_source": "vertex_multimodal_dataset_source" in job.input_config,
        "output_config.vertex_multimodal_dataset_destination": (
            "vertex_multimodal_dataset_destination" in job.output_config
        ),
        "model": job.model.startswith("publishers/") or "/publishers/" in job.model,
    }
    for field, used in asked.items():
        if used:
            what = f"{JOB}.{field}" if field != "model" else f"{JOB}.model: a publisher's model"
            raise exceptions.MethodNotImplemented(
                f"JobService.CreateBatchPredictionJob: {what} is not built in this emulator."
            )


def _check_input(job: types.BatchPredictionJob, sources: Sources) -> None:
    config = job.input_config
    if "bigquery_source" in config:
        _check_format(config.instances_format, ("bigquery",), f"{INPUT}.instances_format")
        table = sources.tables.parse(config.bigquery_source.input_uri, TABLE)
        if not table.table:
            raise validate.invalid(TABLE, f"{config.bigquery_source.input_uri!r} is not bq://PROJECT.DATASET.TABLE.")
    elif config.gcs_source.uris:
        _check_format(config.instances_format, _FILES, f"{INPUT}.instances_format")
        files_of(config.gcs_source.uris, URIS)
    else:
        raise validate.invalid(INPUT, "gcs_source or bigquery_source is required.")


def _check_output(job: types.BatchPredictionJob, sources: Sources) -> None:
    config = job.output_config
    if "bigquery_destination" in config:
        _check_format(config.predictions_format, ("bigquery",), f"{OUTPUT}.predictions_format")
        sources.tables.parse(config.bigquery_destination.output_uri, DATASET)
        return
    _check_format(config.predictions_format, ("jsonl", "csv"), f"{OUTPUT}.predictions_format")
    prefix = config.gcs_destination.output_uri_prefix
    bucket = prefix.removeprefix("gs://").partition("/")[0]
    if not prefix.startswith("gs://") or not bucket:
        raise validate.invalid(DIRECTORY, f"{prefix!r} is not gs://BUCKET/PREFIX.")
    if not sources.objects.exists(bucket):
        raise exceptions.NotFound(f"{DIRECTORY}: the bucket {bucket} is not found.")


def _check_instances(job: types.BatchPredictionJob) -> None:
    config, path = job.instance_config, f"{JOB}.instance_config"
    if config.instance_type not in ("", "object", "array"):
        raise validate.invalid(f"{path}.instance_type", f"{config.instance_type!r} is neither object nor array.")
    if config.included_fields and config.excluded_fields:
        raise validate.invalid(f"{path}.excluded_fields", "must be empty where included_fields is given.")
    given = [f for f in ("key_field", "included_fields", "excluded_fields", "instance_type") if getattr(config, f)]
    if given and job.input_config.instances_format not in _NAMED:
        what = f"does not apply to the format {job.input_config.instances_format!r}."
        raise validate.invalid(f"{path}.{given[0]}", what)
    if job.manual_batch_tuning_parameters.batch_size < 0:
        raise validate.invalid(f"{JOB}.manual_batch_tuning_parameters.batch_size", "must not be negative.")


def _check_format(given: str, allowed: tuple[str, ...], field: str) -> None:
    if given not in allowed:
        raise validate.invalid(field, f"{given!r} is not one of {', '.join(allowed)} here.")
