"""Training pipelines: a dataset handed over, a job, and the model that it wrote uploaded."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from google.cloud.aiplatform_v1 import types
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.rpc import status_pb2

from gcpmlops.emulator.kernel import masks, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.runtimes.training_spec import State
from gcpmlops.emulator.services.datasets.rows import check_display_name
from gcpmlops.emulator.services.jobs.rows import FINAL, JobRows
from gcpmlops.emulator.services.pipelines.input_data import HandedOver, InputData, Plan
from gcpmlops.emulator.services.pipelines.tasks import Ended, Task, Tasks
from gcpmlops.emulator.services.pipelines.uploads import Uploads

log = logging.getLogger(__name__)

_RESTARTED = "The emulator was restarted while the training pipeline ran."
_AT_ONCE = 4  # exports and uploads; the jobs have a queue of their own


class TrainingPipelines(Service):
    """PipelineService's training pipelines. What an earlier emulator left unfinished is FAILED with that reason."""

    proto = "google.cloud.aiplatform.v1.PipelineService"

    def __init__(self, context: Context, tasks: Tasks, data: InputData, uploads: Uploads) -> None:
        super().__init__(context)
        self._tasks = tasks
        self._data = data
        self._uploads = uploads
        self._rows: JobRows[types.TrainingPipeline] = JobRows(
            context, types.TrainingPipeline, "trainingPipelines", types.PipelineState
        )
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pipelines")
        self._closing = False
        self._rows.fail_unfinished(_RESTARTED)

    def create_training_pipeline(self, request: types.CreateTrainingPipelineRequest) -> types.TrainingPipeline:
        given = request.training_pipeline
        validate.require(request, "training_pipeline.display_name", "training_pipeline.training_task_definition")
        check_display_name(given.display_name, "training_pipeline.display_name")
        validate.labels(given.labels, "training_pipeline.labels")
        validate.require(request, "training_pipeline.training_task_inputs")
        task = self._tasks.of(given)
        task.check(request.parent)
        self._uploads.check(request.parent, given, task.output)
        plan = self._data.plan(request.parent, given, task.output)
        pipeline = self._rows.insert(request.parent, _input_only(given))
        self._pool.submit(self._run, pipeline.name, task, plan)
        return self._rows.get(pipeline.name)

    def get_training_pipeline(self, request: types.GetTrainingPipelineRequest) -> types.TrainingPipeline:
        return self._rows.get(request.name)

    def list_training_pipelines(
        self, request: types.ListTrainingPipelinesRequest
    ) -> types.ListTrainingPipelinesResponse:
        """Newest first."""
        items, token = self._rows.page(request)
        shown = [masks.part(pipeline, request.read_mask) for pipeline in items]
        return types.ListTrainingPipelinesResponse(training_pipelines=shown, next_page_token=token)

    def cancel_training_pipeline(self, request: types.CancelTrainingPipelineRequest) -> empty_pb2.Empty:
        """Asynchronous and best effort; cancels the backing job. A pipeline that has ended stays as it is."""
        self._rows.get(request.name)
        pipeline = self._rows.update(request.name, State.CANCELLING)
        job = self._backing_job(pipeline)
        if job and self._rows.state(pipeline) not in FINAL:
            self._tasks.cancel(job)
        return empty_pb2.Empty()

    def delete_training_pipeline(self, request: types.DeleteTrainingPipelineRequest) -> operations_pb2.Operation:
        """Of a pipeline that has ended; its job and its model stay."""
        return self._rows.delete_ended(request.name)

    def close(self) -> None:
        """Starts nothing any more; what runs is FAILED, by its job or at the next start."""
        self._closing = True
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, name: str, task: Task, plan: Plan | None) -> None:
        """Exports the data and submits the job, whose end is the pipeline's next step."""
        try:
            if self._cancelled(name):
                return
            self._rows.update(name, State.RUNNING, start_time=self.clock.now())
            data = self._data.hand_over(plan, self.clock.now()) if plan is not None else None
            if not self._cancelled(name):
                self._submit(name, task, data)
        except Exception as error:  # noqa: BLE001 - it is the pipeline's error
            self._rows.finish(name, State.FAILED, error)

    def _submit(self, name: str, task: Task, data: HandedOver | None) -> None:
        parent = name.partition("/trainingPipelines/")[0]
        variables, stats = (data.variables, data.stats) if data is not None else ({}, None)
        job = task.start(parent, variables, lambda ended: self._job_ended(name, task, ended, stats))
        pipeline = self._rows.change(name, lambda row: _tell(row, {task.backing: job}))
        if self._rows.state(pipeline) is State.CANCELLING:  # asked before the job could be found
            self._tasks.cancel(job)

    def _job_ended(self, name: str, task: Task, ended: Ended, stats: types.Model.DataStats | None) -> None:
        pipeline = self._rows.change(name, lambda row: _tell(row, {task.backing: ended.job.name, **ended.metadata}))
        if ended.job.state == types.JobState.JOB_STATE_CANCELLED:
            self._rows.finish(name, State.CANCELLED)
        elif ended.job.state != types.JobState.JOB_STATE_SUCCEEDED:
            status = status_pb2.Status()
            status.CopyFrom(ended.job.error)
            self._rows.update(name, State.FAILED, end_time=self.clock.now(), error=status)
        elif not self._uploads.wanted(pipeline):
            self._rows.finish(name, State.SUCCEEDED)
        elif not self._closing:
            self._pool.submit(self._upload, name, ended.output, stats)

    def _upload(self, name: str, output: str, stats: types.Model.DataStats | None) -> None:
        try:
            if not self._cancelled(name):
                model = self._uploads.upload(self._rows.get(name), output, stats)
                self._rows.update(name, State.SUCCEEDED, model_to_upload=model, end_time=self.clock.now())
        except Exception as error:  # noqa: BLE001 - it is the pipeline's error
            self._rows.finish(name, State.FAILED, error)

    def _cancelled(self, name: str) -> bool:
        """Whether a cancel was asked for; the pipeline then ends."""
        if self._rows.state(self._rows.get(name)) is not State.CANCELLING:
            return False
        self._rows.finish(name, State.CANCELLED)
        return True

    def _backing_job(self, pipeline: types.TrainingPipeline) -> str:
        fields = types.TrainingPipeline.pb(pipeline).training_task_metadata.struct_value.fields
        found = (
            fields[key].string_value for key in ("backingCustomJob", "backingHyperparameterTuningJob") if key in fields
        )
        return str(next(found, ""))


def _tell(pipeline: types.TrainingPipeline, metadata: dict[str, str]) -> None:
    types.TrainingPipeline.pb(pipeline).training_task_metadata.struct_value.update(metadata)


def _input_only(given: types.TrainingPipeline) -> types.TrainingPipeline:
    """Without what only the service may say."""
    pipeline = types.TrainingPipeline(given)
    raw = types.TrainingPipeline.pb(pipeline)
    raw.ClearField("training_task_metadata")
    if raw.HasField("model_to_upload"):
        raw.model_to_upload.ClearField("name")
    return pipeline
