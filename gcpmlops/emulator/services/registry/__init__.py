"""google.cloud.aiplatform.v1.ModelService: the registry of models, their versions, copies, exports and evaluations."""

from __future__ import annotations

from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.artifacts import Artifacts
from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.registry.copies import ModelCopies
from gcpmlops.emulator.services.registry.evaluations import ModelEvaluations
from gcpmlops.emulator.services.registry.examples import ExplanationExamples
from gcpmlops.emulator.services.registry.exports import ModelExports
from gcpmlops.emulator.services.registry.models import ModelService
from gcpmlops.emulator.services.registry.slices import ModelEvaluationSlices


class Registry:
    """All parts of the service; `models` is also what the emulator itself uploads through."""

    def __init__(self, context: Context, artifacts: Artifacts, objects: ObjectStore) -> None:
        self.models = ModelService(context, artifacts)
        self._parts = (
            ModelCopies(context, artifacts),
            ModelExports(context, artifacts, objects),
            ModelEvaluations(context),
            ModelEvaluationSlices(context),
            ExplanationExamples(context, objects),
        )

    def services(self) -> tuple[Service, ...]:
        """The classes that share out the methods."""
        return (self.models, *self._parts)
