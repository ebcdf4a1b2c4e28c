"""UpdateExplanationDataset: more examples for a model that is explained by its nearest ones."""

from __future__ import annotations

from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.model_rows import ModelRows, key_of

URIS = "examples.example_gcs_source.gcs_source.uris"


class ExplanationExamples(Service):
    """The examples are kept in the version's `explanation_spec`."""

    proto = "google.cloud.aiplatform.v1.ModelService"

    def __init__(self, context: Context, objects: ObjectStore) -> None:
        super().__init__(context)
        self._objects = objects
        self._models = ModelRows(context.store)

    def update_explanation_dataset(self, request: types.UpdateExplanationDatasetRequest) -> Any:
        """Adds files of examples; other settings that are given replace the model's."""
        validate.require(request, "model", URIS)
        version = self._models.version(request.model)
        if raw(version).explanation_spec.parameters.WhichOneof("method") != "examples":
            what = "is not explained by examples (explanation_spec.parameters.examples)"
            raise exceptions.FailedPrecondition(f"{key_of(version)} {what}.")
        for uri in request.examples.example_gcs_source.gcs_source.uris:
            self._check(uri)
        metadata = types.UpdateExplanationDatasetOperationMetadata()
        key = key_of(version)
        return self.operations.start(
            parent=version.name, metadata=metadata, run=lambda: self._update(key, request.examples)
        )

    def _check(self, uri: str) -> None:
        bucket, _, name = uri.removeprefix("gs://").partition("/")
        if not uri.startswith("gs://") or not bucket:
            raise validate.invalid(URIS, f"{uri!r} is not a gs:// URI.")
        found = self._objects.list(bucket, name.partition("*")[0]) if self._objects.exists(bucket) else iter(())
        if next(iter(found), None) is None:
            raise exceptions.NotFound(f"{URIS}: {uri} is not found.")

    def _update(self, key: str, given: types.Examples) -> types.UpdateExplanationDatasetResponse:
        def change(row: types.Model) -> None:
            examples = raw(row).explanation_spec.parameters.examples
            known = list(examples.example_gcs_source.gcs_source.uris)
            examples.MergeFrom(raw(given))
            uris = list(dict.fromkeys([*known, *examples.example_gcs_source.gcs_source.uris]))
            examples.example_gcs_source.gcs_source.uris[:] = uris
            row.version_update_time = self.clock.now()

        self._models.rows.update(key, change)
        return types.UpdateExplanationDatasetResponse()
