"""Monitored resources that logs are about."""

from __future__ import annotations

from google.api import label_pb2, monitored_resource_pb2

_TYPES = {
    "global": ("Global", ()),
    "project": ("Project", ()),
    "api": ("Consumed API", ("service", "method", "version", "location")),
    "aiplatform.googleapis.com/Endpoint": ("Vertex AI Endpoint", ("resource_container", "location", "endpoint_id")),
    "bigquery_resource": ("BigQuery", ()),
    "build": ("Cloud Build", ("build_id", "build_trigger_id")),
    "cloud_function": ("Cloud Function", ("function_name", "region")),
    "cloud_run_revision": (
        "Cloud Run Revision",
        ("service_name", "revision_name", "location", "configuration_name"),
    ),
    "cloud_scheduler_job": ("Cloud Scheduler Job", ("job_id", "location")),
    "gce_instance": ("VM Instance", ("instance_id", "zone")),
    "gcs_bucket": ("GCS Bucket", ("bucket_name", "location")),
    "k8s_container": (
        "Kubernetes Container",
        ("location", "cluster_name", "namespace_name", "pod_name", "container_name"),
    ),
    "logging_sink": ("Logging export sink", ("name", "destination")),
    "ml_job": ("Cloud ML Job", ("job_id", "task_name")),
    "pubsub_subscription": ("Cloud Pub/Sub Subscription", ("subscription_id",)),
    "pubsub_topic": ("Cloud Pub/Sub Topic", ("topic_id",)),
    "uptime_url": ("Uptime Check URL", ("host",)),
}


def descriptors() -> list[monitored_resource_pb2.MonitoredResourceDescriptor]:
    """In the order of their types."""
    return [_descriptor(kind, *_TYPES[kind]) for kind in sorted(_TYPES)]


def _descriptor(kind: str, shown: str, labels: tuple[str, ...]) -> monitored_resource_pb2.MonitoredResourceDescriptor:
    keys = labels if "resource_container" in labels else ("project_id", *labels)
    return monitored_resource_pb2.MonitoredResourceDescriptor(
        type=kind, display_name=shown, labels=[label_pb2.LabelDescriptor(key=key) for key in keys]
    )
