"""Which requests of an endpoint are logged for its monitoring job."""

from __future__ import annotations

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.model_monitoring.windows import table_uri
from gcpmlops.emulator.services.prediction.request_log import Sample
from gcpmlops.emulator.services.prediction.rows import Rows
from gcpmlops.emulator.services.prediction.served import Served


class Sampling:
    """Looks a job up for each request, as cheaply as an endpoint."""

    def __init__(self, store: ResourceStore) -> None:
        self._jobs: Rows[Sample | None] = Rows(store.collection(types.ModelDeploymentMonitoringJob), _sample)

    def __call__(self, endpoint: Served) -> Sample | None:
        if not endpoint.monitoring:
            return None
        try:
            return self._jobs.get(endpoint.monitoring)
        except exceptions.NotFound:  # deleted, and the endpoint does not know it yet
            return None


def _sample(job: types.ModelDeploymentMonitoringJob) -> Sample | None:
    if job.state != types.JobState.JOB_STATE_RUNNING:
        return None
    rate = job.logging_sampling_strategy.random_sample_config.sample_rate
    return Sample(rate, table_uri(job.endpoint, names.project_of(job.name)))
