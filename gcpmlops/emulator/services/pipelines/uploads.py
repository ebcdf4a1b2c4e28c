"""The model that a training task wrote to AIP_MODEL_DIR, uploaded as the pipeline describes it."""

from __future__ import annotations

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.registry.models import ModelService

FIELD = "training_pipeline.model_to_upload"


class Uploads:
    """Uploads through the emulator's own ModelService."""

    def __init__(self, models: ModelService, objects: ObjectStore) -> None:
        self._models = models
        self._objects = objects

    def wanted(self, pipeline: types.TrainingPipeline) -> bool:
        """Whether the pipeline is to end with a model."""
        return bool(types.Model.pb(pipeline.model_to_upload).ListFields())

    def check(self, parent: str, pipeline: types.TrainingPipeline, output: str) -> None:
        """What can be said before there are files. Raises InvalidArgument naming the field, NotFound, AlreadyExists."""
        if not self.wanted(pipeline):
            return
        model = pipeline.model_to_upload
        for field, value in (
            ("display_name", model.display_name),
            ("container_spec.image_uri", model.container_spec.image_uri),
        ):
            if not value:
                raise validate.invalid(f"{FIELD}.{field}", "required, but missing.")
        if not model.artifact_uri and not output:
            what = "the model is read from base_output_directory/model, and no base_output_directory is given"
            raise validate.invalid("training_pipeline.training_task_inputs.base_output_directory", f"{what}.")
        self._models.check(self._request(parent, pipeline, output))

    def upload(self, pipeline: types.TrainingPipeline, output: str, stats: types.Model.DataStats | None) -> types.Model:
        """The uploaded model. Raises NotFound where the task wrote nothing."""
        parent = pipeline.name.partition("/trainingPipelines/")[0]
        request = self._request(parent, pipeline, output)
        request.model.training_pipeline = pipeline.name
        if stats is not None:
            request.model.data_stats = stats
        self._check_files(request.model.artifact_uri)
        done = self._models.upload(request)
        name = f"{done.model}@{done.model_version_id}"
        return self._models.get_model(types.GetModelRequest(name=name))

    def _request(self, parent: str, pipeline: types.TrainingPipeline, output: str) -> types.UploadModelRequest:
        model = types.Model(pipeline.model_to_upload)
        model.artifact_uri = model.artifact_uri or f"{output.rstrip('/')}/model"
        return types.UploadModelRequest(
            parent=parent, model=model, model_id=pipeline.model_id, parent_model=pipeline.parent_model
        )

    def _check_files(self, uri: str) -> None:
        bucket, _, prefix = uri.removeprefix("gs://").partition("/")
        found = self._objects.list(bucket, f"{prefix.rstrip('/')}/") if self._objects.exists(bucket) else iter(())
        if next(iter(found), None) is None:
            raise exceptions.NotFound(
                f'There are no files under "{uri}" to copy: the training code has to write the model to AIP_MODEL_DIR.'
            )
