"""Experiments of Vertex AI behind the TensorBoard logs of jobs, as Google's uploader makes them."""

from __future__ import annotations

from contextlib import suppress

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.metadata.artifacts import Artifacts
from gcpmlops.emulator.services.metadata.contexts import Contexts
from gcpmlops.emulator.services.metadata.graph import Graph
from gcpmlops.emulator.services.metadata.job_experiments import EXPERIMENT, JobExperiments
from gcpmlops.emulator.services.metadata.stores import MetadataStores

_ARTIFACT = "google.VertexTensorboardRun"


class TensorboardRuns:
    """For each experiment and run of a tensorboard a context; a run's holds an artifact that points to it."""

    def __init__(self, context: Context) -> None:
        graph = Graph(context.store)
        self._stores = MetadataStores(context, graph)
        self._contexts = Contexts(context, graph)
        self._artifacts = Artifacts(context, graph)
        self._experiments = JobExperiments(context)

    def begin(self, run: str) -> str:
        """Makes what isn't there yet for a `TensorboardRun`, by its name; returns the run's context.

        Raises: InvalidArgument for a run whose id can't be part of a context's: capitals.
        """
        experiment = self._experiment(run.partition("/runs/")[0])
        run_id = run.rpartition("/")[2]
        try:
            made = self._experiments.new_run(experiment, run_id)
        except exceptions.AlreadyExists:
            return f"{experiment}-{run_id}"
        artifact = self._artifact(experiment, run, f"{made.rpartition('/')[2]}-tb-run")
        request = types.AddContextArtifactsAndExecutionsRequest(context=made, artifacts=[artifact])
        self._contexts.add_context_artifacts_and_executions(request)
        return made

    def end(self, context: str) -> None:
        """The run is complete. Nothing happens where somebody has deleted it."""
        with suppress(exceptions.NotFound):
            found = self._contexts.get_context(types.GetContextRequest(name=context))
            found.metadata = {**found.metadata, "_state": "COMPLETE"}
            self._contexts.update_context(
                types.UpdateContextRequest(context=found, update_mask={"paths": ["metadata"]})
            )

    def _experiment(self, experiment: str) -> str:
        place = "/".join(experiment.split("/")[:4])
        own, store = experiment.rpartition("/")[2], f"{place}/metadataStores/default"
        with suppress(exceptions.AlreadyExists):
            self._stores.create_metadata_store(
                types.CreateMetadataStoreRequest(parent=place, metadata_store={}, metadata_store_id="default")
            )
        board = experiment.partition("/experiments/")[0]
        metadata = {"experiment_deleted": False, "backing_tensorboard_resource": board}
        context = types.Context(display_name=own, schema_title=EXPERIMENT, metadata=metadata)
        with suppress(exceptions.AlreadyExists):
            self._contexts.create_context(types.CreateContextRequest(parent=store, context=context, context_id=own))
        return f"{store}/contexts/{own}"

    def _artifact(self, experiment: str, run: str, artifact_id: str) -> str:
        uri = f"https://{names.location_of(run)}-aiplatform.googleapis.com/v1/{run}"
        artifact = types.Artifact(
            uri=uri,
            schema_title=_ARTIFACT,
            schema_version="0.0.1",
            metadata={"resourceName": run, "vertex_experiment_tracking": True},
            state=types.Artifact.State.LIVE,
        )
        parent = experiment.partition("/contexts/")[0]
        request = types.CreateArtifactRequest(parent=parent, artifact=artifact, artifact_id=artifact_id)
        return self._artifacts.create_artifact(request).name
