"""The schemas that every metadata store has: the `system` ones and those of Google's own resources.

https://cloud.google.com/vertex-ai/docs/ml-metadata/system-schemas
"""

from __future__ import annotations

import re
from functools import cache

import yaml
from google.cloud.aiplatform_v1 import types

VERSION = "0.0.1"
_Type = types.MetadataSchema.MetadataSchemaType
_STRINGS = {
    "system.Dataset": ("container_format", "payload_format"),
    "system.Model": ("framework", "framework_version", "payload_format"),
    "google.VertexDataset": ("resourceName",),
    "google.VertexModel": ("resourceName",),
    "google.VertexEndpoint": ("resourceName",),
    "google.VertexBatchPredictionJob": ("resourceName",),
    "google.VertexTensorboardRun": ("resourceName",),
    "google.ExperimentModel": ("frameworkName", "frameworkVersion", "modelFile", "modelClass"),
}
_ERRORS = ("rootMeanSquaredError", "meanAbsoluteError", "meanAbsolutePercentageError", "rSquared")
_NUMBERS = {
    "system.Metrics": ("accuracy", "precision", "recall", "f1score", "mean_absolute_error", "mean_squared_error"),
    "google.ClassificationMetrics": ("recall", "precision", "f1Score", "accuracy", "auPrc", "auRoc", "logLoss"),
    "google.RegressionMetrics": (*_ERRORS, "rootMeanSquaredLogError"),
    "google.ForecastingMetrics": (*_ERRORS, "rootMeanSquaredLogError", "weightedAbsolutePercentageError"),
}
_TITLES = {
    _Type.ARTIFACT_TYPE: (
        *("system.Artifact", "system.Dataset", "system.Model", "system.Metrics", "system.ClassificationMetrics"),
        *("system.SlicedClassificationMetrics", "system.HTML", "system.Markdown"),
        *("google.VertexDataset", "google.VertexModel", "google.VertexEndpoint", "google.VertexBatchPredictionJob"),
        *("google.VertexTensorboardRun", "google.UnmanagedContainerModel", "google.BQTable", "google.BQMLModel"),
        *("google.ClassificationMetrics", "google.RegressionMetrics", "google.ForecastingMetrics"),
        *("google.ExperimentModel", "google.ModelEvaluation"),
    ),
    _Type.EXECUTION_TYPE: (
        *("system.Run", "system.ContainerExecution", "system.CustomJobExecution", "system.DagExecution"),
        *("system.ImporterExecution", "system.ResolverExecution"),
    ),
    _Type.CONTEXT_TYPE: ("system.Experiment", "system.ExperimentRun", "system.Pipeline", "system.PipelineRun"),
}


@cache
def by_id() -> dict[str, types.MetadataSchema]:
    """The schemas, without name and time, by their ids: `system-html-v0-0-1`."""
    return {_id(title): _schema(title, kind) for kind, titles in _TITLES.items() for title in titles}


def _id(title: str) -> str:
    namespace, _, name = title.partition(".")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()
    return f"{namespace}-{words}-v{VERSION.replace('.', '-')}"


def _schema(title: str, kind: int) -> types.MetadataSchema:
    properties = {name: {"type": "string"} for name in _STRINGS.get(title, ())}
    properties |= {name: {"type": "number"} for name in _NUMBERS.get(title, ())}
    content = {"title": title, "type": "object", **({"properties": properties} if properties else {})}
    text = yaml.safe_dump(content, sort_keys=False)
    return types.MetadataSchema(schema_version=VERSION, schema=text, schema_type=kind)
