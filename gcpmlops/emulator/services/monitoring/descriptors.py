"""Metrics and monitored resources that the emulator's own services produce."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.api import label_pb2, launch_stage_pb2, metric_pb2

from gcpmlops.emulator.services.monitoring.endpoint_series import PREFIX, RESOURCE
from gcpmlops.emulator.services.monitoring.series import Kind, ValueType

_PERIOD_S = 60  # between two of Google's own samples; here every second has its own
_OF_DEPLOYED_MODELS = {
    "deployed_model_id": "The deployed model that served the request.",
    "spot": "Whether it is deployed on Spot VMs: True or False.",
    "model_display_name": "The model's display name.",
    "endpoint_display_name": "The endpoint's display name.",
}


@dataclass(frozen=True)
class Metric:
    """A metric of Vertex AI endpoints."""

    name: str
    display_name: str
    description: str
    kind: Kind = "DELTA"
    value_type: ValueType = "INT64"
    unit: str = "1"
    labels: Mapping[str, str] = field(default_factory=dict)

    def descriptor(self, project: str) -> metric_pb2.MetricDescriptor:
        """As the API tells it."""
        beta = launch_stage_pb2.LaunchStage.BETA
        metadata = metric_pb2.MetricDescriptor.MetricDescriptorMetadata(launch_stage=beta)
        metadata.sample_period.FromSeconds(_PERIOD_S)
        return metric_pb2.MetricDescriptor(
            name=f"projects/{project}/metricDescriptors/{PREFIX}{self.name}",
            type=PREFIX + self.name,
            labels=_labels({**_OF_DEPLOYED_MODELS, **self.labels}),
            metric_kind=metric_pb2.MetricDescriptor.MetricKind.Value(self.kind),
            value_type=metric_pb2.MetricDescriptor.ValueType.Value(self.value_type),
            unit=self.unit,
            description=self.description,
            display_name=self.display_name,
            metadata=metadata,
            launch_stage=beta,
            monitored_resource_types=[RESOURCE],
        )


_CLASS = {"response_code": "HTTP status by its class: 2xx, 4xx, 5xx."}
_LATENCY = {"latency_type": "total, of it in the model server: model, and the rest: overhead."}
METRICS = {
    PREFIX + metric.name: metric
    for metric in (
        Metric("prediction_count", "Prediction count", "Instances predicted."),
        Metric("error_count", "Error count", "Requests that were answered with an error."),
        Metric("response_count", "Response count", "Requests by the class of their HTTP status.", labels=_CLASS),
        Metric(
            "prediction_latencies",
            "Prediction latencies",
            "How long requests took.",
            value_type="DISTRIBUTION",
            unit="ms",
            labels=_LATENCY,
        ),
        Metric("replicas", "Replica count", "Replicas that serve a deployed model.", kind="GAUGE"),
        Metric("target_replicas", "Replica target", "Replicas that a deployed model should have.", kind="GAUGE"),
    )
}


def metrics(project: str) -> list[metric_pb2.MetricDescriptor]:
    """Descriptors in the order of their types."""
    return [METRICS[kind].descriptor(project) for kind in sorted(METRICS)]


def _labels(values: Mapping[str, str]) -> list[label_pb2.LabelDescriptor]:
    return [label_pb2.LabelDescriptor(key=key, description=text) for key, text in values.items()]
