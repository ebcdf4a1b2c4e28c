"""The experiment runs that custom jobs log into."""

from __future__ import annotations

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.metadata.contexts import Contexts
from gcpmlops.emulator.services.metadata.graph import Graph
from gcpmlops.emulator.services.metadata.kinds import store_of

EXPERIMENT = "system.Experiment"
RUN = "system.ExperimentRun"
_RUN_ID_ROOM = 20  # characters that a run's own id adds to its experiment's


class JobExperiments:
    """What job services ask about `job_spec.experiment` and `job_spec.experiment_run`."""

    def __init__(self, context: Context) -> None:
        self._contexts = Contexts(context, Graph(context.store))

    def check(self, spec: types.CustomJobSpec) -> None:
        """Raises NotFound for what isn't there, InvalidArgument for what is no experiment or no run."""
        if not spec.experiment:
            return
        self._check("experiment", spec.experiment, EXPERIMENT)
        if spec.experiment_run:
            self._check("experiment_run", spec.experiment_run, RUN)
        elif len(spec.experiment.rpartition("/")[2]) + _RUN_ID_ROOM > 128:
            raise exceptions.InvalidArgument("job_spec.experiment: too long an id for a run to be named after it.")

    def attach(self, job: types.CustomJob) -> str:
        """The run that a job logs into, made where the job names none; the run lists its jobs, for the SDK."""
        job_id = job.name.rpartition("/")[2]
        run = job.job_spec.experiment_run or self.new_run(job.job_spec.experiment, job_id)
        place = f"locations/{names.location_of(job.name)}/training/{job_id}?project={names.project_of(job.name)}"
        entry = {
            "custom_job_resource_name": job.name,
            "custom_job_console_uri": f"https://console.cloud.google.com/ai/platform/{place}",
        }
        self._contexts.append(run, "_custom_jobs", entry)
        return run

    def new_run(self, experiment: str, run_id: str) -> str:
        """A running run of an experiment, as the SDK makes one; its name."""
        metadata = {"_params": {}, "_metrics": {}, "_state": "RUNNING"}
        run = types.Context(display_name=run_id, schema_title=RUN, metadata=metadata)
        context_id = f"{experiment.rpartition('/')[2]}-{run_id}"
        request = types.CreateContextRequest(parent=store_of(experiment), context=run, context_id=context_id)
        made = self._contexts.create_context(request)
        children = types.AddContextChildrenRequest(context=experiment, child_contexts=[made.name])
        self._contexts.add_context_children(children)
        return made.name

    def _check(self, field: str, name: str, schema: str) -> None:
        found = self._contexts.get_context(types.GetContextRequest(name=name))
        if found.schema_title != schema:
            raise exceptions.InvalidArgument(f"job_spec.{field}: {name} is a {found.schema_title}, not a {schema}.")
