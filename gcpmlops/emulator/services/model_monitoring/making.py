"""The parts of model monitoring put together."""

from __future__ import annotations

from collections.abc import Callable

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.datasets.sources import Sources
from gcpmlops.emulator.services.model_monitoring.analysis import Analysis
from gcpmlops.emulator.services.model_monitoring.rounds import Rounds
from gcpmlops.emulator.services.model_monitoring.service import ModelDeploymentMonitoringJobs
from gcpmlops.emulator.services.model_monitoring.stats_files import StatsFiles
from gcpmlops.emulator.services.model_monitoring.telling import Notify, Telling, WriteLog
from gcpmlops.emulator.services.model_monitoring.training_data import TrainingData
from gcpmlops.emulator.services.model_monitoring.windows import Requests
from gcpmlops.emulator.services.monitoring.alerting.mail import Mail
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.prediction.request_log import RequestLog


def jobs(
    context: Context,
    sources: Sources,
    *,
    request_log: Callable[[], RequestLog],
    write_log: WriteLog,
    notify: Notify,
    points: Points,
) -> ModelDeploymentMonitoringJobs:
    """The service; see the classes for what each argument does."""
    settings = context.settings
    mail = Mail(settings.smtp, settings.data_dir / "outbox", context.clock)
    telling = Telling(write_log, mail, notify, points.add, context.clock.now)
    training = TrainingData(context.store, sources)
    analysis = Analysis(Requests(sources.tables), training, sources.objects)
    rounds = Rounds(context, analysis, StatsFiles(sources.objects), telling, request_log)
    return ModelDeploymentMonitoringJobs(context, rounds, training, telling)
