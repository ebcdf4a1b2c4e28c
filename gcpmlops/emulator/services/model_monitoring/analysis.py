"""One look of a job: the features of a window's requests against the training data, and against the window before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.runtimes.objects import ObjectStore
from gcpmlops.emulator.services.model_monitoring import columns, instances
from gcpmlops.emulator.services.model_monitoring.columns import Column
from gcpmlops.emulator.services.model_monitoring.instances import Schema
from gcpmlops.emulator.services.model_monitoring.training_data import TrainingData
from gcpmlops.emulator.services.model_monitoring.windows import Requests, Window

Objective = types.ModelDeploymentMonitoringObjectiveType
_TRAINING = "training_dataset"


@dataclass(frozen=True)
class FeatureResult:
    """A feature's distance; None where one side has no values of it."""

    name: str
    baseline: Column
    current: Column
    distance: float | None
    threshold: float

    @property
    def is_anomaly(self) -> bool:
        """Beyond its threshold; a threshold of 0 watches without alerting."""
        return self.distance is not None and 0 < self.threshold < self.distance

    @property
    def algorithm(self) -> str:
        return "jensen_shannon_divergence" if self.current.kind == "number" else "l_infinity"


@dataclass(frozen=True)
class Result:
    """One objective of one deployed model in one window."""

    deployed_model_id: str
    objective: Any
    window: Window
    features: tuple[FeatureResult, ...]

    @property
    def anomalies(self) -> tuple[FeatureResult, ...]:
        return tuple(each for each in self.features if each.is_anomaly)


class Analysis:
    """Reads and compares. Training data are read once for each version of a job's configuration."""

    def __init__(self, requests: Requests, training: TrainingData, objects: ObjectStore) -> None:
        self._requests = requests
        self._training = training
        self._objects = objects
        self._kept: dict[tuple[str, bytes], dict[str, list[Any]]] = {}

    def results(self, job: Any, table: str, window: Window) -> Iterator[Result]:
        """What the window's requests show; nothing for a model that was not asked. `job` is a protobuf message.

        Raises: NotFound, InvalidArgument: the training data or a schema are gone, arrays without names.
        """
        schema = self._schema(job)
        for config in job.model_deployment_monitoring_objective_configs:
            yield from self._of_model(job, config, table, window, schema)

    def forget(self, name: str) -> None:
        """The job is deleted."""
        for key in [key for key in self._kept if key[0] == name]:
            self._kept.pop(key, None)

    def _of_model(self, job: Any, config: Any, table: str, window: Window, schema: Schema) -> Iterator[Result]:
        model, objective = config.deployed_model_id, config.objective_config
        payloads = self._requests.payloads(table, model, window)
        if not payloads:
            return
        has_skew = objective.HasField("training_prediction_skew_detection_config")
        training = self._trained_on(job.name, objective) if has_skew else {}
        current = instances.columns(payloads, schema, list(training))
        if has_skew:
            skew = objective.training_prediction_skew_detection_config
            given = thresholds(skew.skew_thresholds, skew.default_skew_threshold, list(training))
            found = compared(training, current, given, schema)
            yield Result(model, Objective.RAW_FEATURE_SKEW, window, tuple(found))
        if objective.HasField("prediction_drift_detection_config"):
            earlier = self._before(table, model, window, schema, list(training))
            drift = objective.prediction_drift_detection_config
            given = thresholds(drift.drift_thresholds, drift.default_drift_threshold, list(current))
            found = compared(earlier, current, given, schema)
            yield Result(model, Objective.RAW_FEATURE_DRIFT, window, tuple(found))

    def _before(self, table: str, model: str, window: Window, schema: Schema, names: list[str]) -> dict[str, list[Any]]:
        """Of the window before; nothing where its requests could not be read, which was said then."""
        try:
            return instances.columns(self._requests.payloads(table, model, window.before), schema, names)
        except exceptions.InvalidArgument:
            return {}

    def _trained_on(self, name: str, objective: Any) -> dict[str, list[Any]]:
        dataset = objective.training_dataset
        key = name, dataset.SerializeToString(deterministic=True)
        if key not in self._kept:
            self.forget(name)
            wanted = self._training.check(dataset, _TRAINING)
            self._kept[key] = self._training.columns(dataset, wanted, _TRAINING)
        return self._kept[key]

    def _schema(self, job: Any) -> Schema:
        for field in ("analysis_instance_schema_uri", "predict_instance_schema_uri"):
            if uri := getattr(job, field):
                return instances.read_schema(self._objects, uri, field)
        return Schema()


def thresholds(own: Mapping[str, Any], default: Any, names: Sequence[str]) -> dict[str, float]:
    """By feature: those that have their own, or all of them by the default."""
    return {name: own[name].value for name in sorted(own)} if own else dict.fromkeys(names, default.value)


def compared(
    baseline: Mapping[str, list[Any]], current: Mapping[str, list[Any]], given: Mapping[str, float], schema: Schema
) -> Iterator[FeatureResult]:
    """The features that have a threshold; one that requests do not have is missing in all of them."""
    rows = [max(map(len, side.values()), default=0) for side in (baseline, current)]
    for name, threshold in given.items():
        values = [side.get(name, [None] * n) for side, n in zip((baseline, current), rows, strict=True)]
        kind = schema.kinds.get(name) or columns.kind_of(*values)
        first, second = (columns.column(each, kind) for each in values)
        yield FeatureResult(name, first, second, columns.distance(first, second), threshold)
