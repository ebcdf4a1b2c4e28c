"""google.cloud.aiplatform.v1.TensorboardService: tensorboards, experiments, runs, time series and their points."""

from __future__ import annotations

from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.storage.engine import StorageEngine
from gcpmlops.emulator.services.tensorboard.blobs import BlobData
from gcpmlops.emulator.services.tensorboard.data import TimeSeriesData
from gcpmlops.emulator.services.tensorboard.experiments import Experiments
from gcpmlops.emulator.services.tensorboard.ingest import ExperimentRuns, Ingest
from gcpmlops.emulator.services.tensorboard.job_logs import JobLogs
from gcpmlops.emulator.services.tensorboard.rows import Rows
from gcpmlops.emulator.services.tensorboard.tensorboards import Tensorboards
from gcpmlops.emulator.services.tensorboard.time_series import TimeSeries
from gcpmlops.emulator.services.tensorboard.views import Views


class Tensorboard:
    """All parts of the service over one set of rows.

    Args:
        context: shared by all services.
        storage: holds the blobs.
        experiment_runs: keeps what stands behind the runs of jobs; None: nothing does.
    """

    def __init__(self, context: Context, storage: StorageEngine, experiment_runs: ExperimentRuns | None = None) -> None:
        self.rows = Rows(context)
        self.blobs = BlobData(storage, context.settings.project, context.settings.project_number)
        self.ingest = Ingest(self.rows, self.blobs, storage, experiment_runs)
        self.job_logs = JobLogs(self.ingest)
        self._views = Views(context.store, context.clock)
        self._context = context

    def close(self) -> None:
        """Ends what takes in logs."""
        self.ingest.close()

    def services(self) -> tuple[Service, ...]:
        """The classes that share out the methods."""
        return (
            Tensorboards(self._context, self.rows, self.blobs, self._views),
            Experiments(self._context, self.rows, self.blobs),
            TimeSeries(self._context, self.rows, self.blobs),
            TimeSeriesData(self._context, self.rows, self.blobs, self._views),
        )
