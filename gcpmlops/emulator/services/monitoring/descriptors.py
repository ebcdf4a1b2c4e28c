"""Metrics that the emulator's own services produce."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from google.api import label_pb2, launch_stage_pb2, metric_pb2

from gcpmlops.emulator.services.monitoring.endpoint_series import PREFIX, RESOURCE
from gcpmlops.emulator.services.monitoring.series import Kind, ValueType

_PERIOD_S = 60  # between two of Google's own samples; here there may be more
UPTIME = "monitoring.googleapis.com/uptime_check/"
LOGGING = "logging.googleapis.com/"
PUBSUB = "pubsub.googleapis.com/"
RUN = "run.googleapis.com/"
MODEL = "aiplatform.googleapis.com/Model"
DRIFT_DEVIATION = "aiplatform.googleapis.com/model_monitoring/feature_drift_deviation"
_BETA = (PREFIX, DRIFT_DEVIATION)  # the metrics that Google calls so


@dataclass(frozen=True)
class Metric:
    """A metric of a service.

    Attributes:
        type: its type.
        display_name: in user interfaces.
        description: what it says.
        kind: of its points.
        value_type: of its points.
        unit: of its numbers.
        labels: by key, what each says.
        resources: types of what it is about; none: of anything.
    """

    type: str
    display_name: str
    description: str
    kind: Kind = "DELTA"
    value_type: ValueType = "INT64"
    unit: str = "1"
    labels: Mapping[str, str] = field(default_factory=dict)
    resources: Sequence[str] = ()

    def descriptor(self, project: str) -> metric_pb2.MetricDescriptor:
        """As the API tells it."""
        stages = launch_stage_pb2.LaunchStage
        stage = stages.BETA if self.type.startswith(_BETA) else stages.GA
        metadata = metric_pb2.MetricDescriptor.MetricDescriptorMetadata(launch_stage=stage)
        metadata.sample_period.FromSeconds(_PERIOD_S)
        return metric_pb2.MetricDescriptor(
            name=f"projects/{project}/metricDescriptors/{self.type}",
            type=self.type,
            labels=[label_pb2.LabelDescriptor(key=key, description=text) for key, text in self.labels.items()],
            metric_kind=metric_pb2.MetricDescriptor.MetricKind.Value(self.kind),
            value_type=metric_pb2.MetricDescriptor.ValueType.Value(self.value_type),
            unit=self.unit if self.value_type not in ("BOOL", "STRING") else "",
            description=self.description,
            display_name=self.display_name,
            metadata=metadata,
            launch_stage=stage,
            monitored_resource_types=self.resources,
        )


def _online(
    name: str,
    display_name: str,
    description: str,
    *,
    labels: Mapping[str, str] | None = None,
    kind: Kind = "DELTA",
    value_type: ValueType = "INT64",
    unit: str = "1",
) -> Metric:
    """A metric of Vertex AI endpoints."""
    own = {**_OF_DEPLOYED_MODELS, **(labels or {})}
    return Metric(PREFIX + name, display_name, description, kind, value_type, unit, own, [RESOURCE])


def _uptime(name: str, display_name: str, description: str, value_type: ValueType, unit: str = "1") -> Metric:
    """A metric of uptime checks."""
    resources = ["uptime_url", "cloud_run_revision"]
    return Metric(UPTIME + name, display_name, description, "GAUGE", value_type, unit, _OF_CHECKS, resources)


_OF_DEPLOYED_MODELS = {
    "deployed_model_id": "The deployed model that served the request.",
    "spot": "Whether it is deployed on Spot VMs: True or False.",
    "model_display_name": "The model's display name.",
    "endpoint_display_name": "The endpoint's display name.",
}
_OF_CHECKS = {
    "check_id": "The uptime check.",
    "checker_location": "Where the check is made; here all are made by the emulator.",
}
_OF_LOGS = {"log": "The log's id.", "severity": "The entries' severity."}
_OF_FEATURES = {
    "schedule_id": "What looks at the feature by schedule: here the model deployment monitoring job.",
    "feature_name": "The feature's name.",
    "algorithm": "How the distance is computed: jensen_shannon_divergence or l_infinity.",
}
_OF_REQUESTS = {"response_code": "HTTP status.", "response_code_class": "Its class: 2xx, 4xx, 5xx."}
_REVISION = ("cloud_run_revision",)
_SUBSCRIPTION = ("pubsub_subscription",)
_CLASS = {"response_code": "HTTP status by its class: 2xx, 4xx, 5xx."}
_LATENCY = {"latency_type": "total, of it in the model server: model, and the rest: overhead."}
_ALL = (
    _online("prediction_count", "Prediction count", "Instances predicted."),
    _online("error_count", "Error count", "Requests that were answered with an error."),
    _online("response_count", "Response count", "Requests by the class of their HTTP status.", labels=_CLASS),
    _online(
        "prediction_latencies",
        "Prediction latencies",
        "How long requests took.",
        value_type="DISTRIBUTION",
        unit="ms",
        labels=_LATENCY,
    ),
    _online("replicas", "Replica count", "Replicas that serve a deployed model.", kind="GAUGE"),
    _online("target_replicas", "Replica target", "Replicas that a deployed model should have.", kind="GAUGE"),
    _uptime("check_passed", "Check passed", "Whether a check was successful.", "BOOL"),
    _uptime("content_mismatch", "Content mismatch", "Whether the content was not as wanted.", "BOOL"),
    _uptime("http_status", "HTTP status", "The status that was answered.", "INT64"),
    _uptime("time_until_ssl_cert_expires", "Certificate", "Days until it expires.", "DOUBLE", "d"),
    _uptime("request_latency", "Request latency", "How long a check took.", "DOUBLE", "ms"),
    Metric(f"{LOGGING}byte_count", "Log bytes", "Bytes of log entries that were received.", unit="By", labels=_OF_LOGS),
    Metric(f"{LOGGING}log_entry_count", "Log entries", "Log entries that were received.", labels=_OF_LOGS),
    Metric(
        DRIFT_DEVIATION,
        "Feature drift deviation",
        "How far a feature has drifted.",
        kind="GAUGE",
        value_type="DOUBLE",
        labels=_OF_FEATURES,
        resources=[MODEL],
    ),
    Metric(
        f"{PUBSUB}subscription/num_undelivered_messages",
        "Unacked messages",
        "Messages that a subscription has not acknowledged.",
        kind="GAUGE",
        resources=_SUBSCRIPTION,
    ),
    Metric(
        f"{PUBSUB}subscription/oldest_unacked_message_age",
        "Oldest unacked message age",
        "How long ago the oldest of them was published.",
        kind="GAUGE",
        unit="s",
        resources=_SUBSCRIPTION,
    ),
    Metric(
        f"{RUN}request_count",
        "Request Count",
        "Requests that a revision answered.",
        labels=_OF_REQUESTS,
        resources=_REVISION,
    ),
    Metric(
        f"{RUN}request_latencies",
        "Request Latency",
        "How long they took.",
        value_type="DISTRIBUTION",
        unit="ms",
        labels=_OF_REQUESTS,
        resources=_REVISION,
    ),
)
METRICS = {metric.type: metric for metric in _ALL}


def metrics(project: str) -> list[metric_pb2.MetricDescriptor]:
    """Descriptors in the order of their types."""
    return [METRICS[kind].descriptor(project) for kind in sorted(METRICS)]
