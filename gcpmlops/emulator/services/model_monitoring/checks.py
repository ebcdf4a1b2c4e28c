"""What a monitoring job must be before it is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.services.model_monitoring.training_data import TrainingData

LOCATION = "projects/{project}/locations/{location}"
JOB = LOCATION + "/modelDeploymentMonitoringJobs/{job}"
_FIELD = "model_deployment_monitoring_job"
_CONFIGS = f"{_FIELD}.model_deployment_monitoring_objective_configs"
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_LONGEST = 128


def check(job: Any, endpoint: Any, training: TrainingData) -> None:
    """The whole job, a protobuf message, against the endpoint that it watches.

    Raises: InvalidArgument naming the field, NotFound, FailedPrecondition, MethodNotImplemented for what is not built.
    """
    validate.require(job, "display_name", "endpoint")
    if len(job.display_name) > _LONGEST:
        raise validate.invalid(f"{_FIELD}.display_name", f"{len(job.display_name)} characters, {_LONGEST} are allowed.")
    validate.labels(job.labels, f"{_FIELD}.labels")
    _check_schedule(job)
    _check_rate(job.logging_sampling_strategy, f"{_FIELD}.logging_sampling_strategy")
    _check_alerts(job.model_monitoring_alert_config)
    _check_folder(job.stats_anomalies_base_directory.output_uri_prefix)
    if not endpoint.deployed_models:
        raise exceptions.FailedPrecondition(f"Endpoint {endpoint.name} has no deployed model: deploy one first.")
    if not job.model_deployment_monitoring_objective_configs:
        raise validate.invalid(_CONFIGS, "required, but missing.")
    seen = set()
    for config in job.model_deployment_monitoring_objective_configs:
        if config.deployed_model_id not in {deployed.id for deployed in endpoint.deployed_models}:
            raise exceptions.NotFound(f"Deployed model {config.deployed_model_id!r} is not found in {endpoint.name}.")
        if config.deployed_model_id in seen:
            raise validate.invalid(_CONFIGS, f"deployed model {config.deployed_model_id} is configured twice.")
        seen.add(config.deployed_model_id)
        _check_objective(config.objective_config, training)


def _check_schedule(job: Any) -> None:
    field = f"{_FIELD}.model_deployment_monitoring_schedule_config"
    config = job.model_deployment_monitoring_schedule_config
    for name in ("monitor_interval", "monitor_window"):
        if getattr(config, name).ToTimedelta().total_seconds() < 0:
            raise validate.invalid(f"{field}.{name}", "must not be negative.")
    if not config.monitor_interval.ToTimedelta():
        raise validate.invalid(f"{field}.monitor_interval", "required, but missing.")


def _check_rate(strategy: Any, field: str) -> None:
    rate = strategy.random_sample_config.sample_rate
    if not 0 < rate <= 1:
        raise validate.invalid(f"{field}.random_sample_config.sample_rate", f"{rate:g} is not in (0, 1].")


def _check_alerts(config: Any) -> None:
    for address in config.email_alert_config.user_emails:
        if not _MAIL.fullmatch(address):
            field = f"{_FIELD}.model_monitoring_alert_config.email_alert_config.user_emails"
            raise validate.invalid(field, f"{address!r} is not an address.")
    for name in config.notification_channels:
        names.parse("projects/{project}/notificationChannels/{channel}", name)


def _check_folder(uri: str) -> None:
    if uri and not re.fullmatch(r"gs://[^/]+(/.*)?", uri):
        field = f"{_FIELD}.stats_anomalies_base_directory.output_uri_prefix"
        raise validate.invalid(field, f"{uri!r} is not gs://BUCKET/FOLDER.")


def _check_objective(config: Any, training: TrainingData) -> None:
    field = f"{_CONFIGS}.objective_config"
    if config.explanation_config.enable_feature_attributes:
        raise exceptions.MethodNotImplemented(
            f"{field}.explanation_config: skew and drift of feature attributions are not built in this emulator."
        )
    skew, drift = config.training_prediction_skew_detection_config, config.prediction_drift_detection_config
    has_skew = config.HasField("training_prediction_skew_detection_config")
    has_drift = config.HasField("prediction_drift_detection_config")
    if not has_skew and not has_drift:
        needed = "training_prediction_skew_detection_config or prediction_drift_detection_config"
        raise validate.invalid(field, f"{needed} is required, but missing.")
    if has_drift:
        _check_thresholds(drift, "drift", f"{field}.prediction_drift_detection_config")
    if has_skew:
        at = f"{field}.training_prediction_skew_detection_config"
        _check_thresholds(skew, "skew", at)
        columns = training.check(config.training_dataset, f"{field}.training_dataset")
        for name in skew.skew_thresholds if columns else ():
            if name not in columns:
                raise validate.invalid(f"{at}.skew_thresholds", f"the training data have no column {name!r}.")


def _check_thresholds(config: Any, word: str, field: str) -> None:
    if getattr(config, f"attribution_score_{word}_thresholds"):
        raise exceptions.MethodNotImplemented(
            f"{field}.attribution_score_{word}_thresholds: feature attributions are not monitored in this emulator."
        )
    given: Mapping[str, Any] = getattr(config, f"{word}_thresholds")
    default = f"default_{word}_threshold"
    if not given and not config.HasField(default):
        raise validate.invalid(f"{field}.{word}_thresholds", "no feature has a threshold.")
    own = {f"{word}_thresholds[{name}]": each for name, each in given.items()}
    for name, each in {**own, default: getattr(config, default)}.items():
        if not 0 <= each.value <= 1:
            raise validate.invalid(f"{field}.{name}", f"{each.value:g} is not in [0, 1].")


def unused(job: Any) -> list[str]:
    """Fields that are kept and have no meaning here."""
    return [name for name in ("encryption_spec", "log_ttl") if job.HasField(name)]
