"""Monitored resources: what time series are about, and the labels that tell which one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from google.api import label_pb2, launch_stage_pb2, monitored_resource_pb2

_PROJECT = {"project_id": "The project's id."}
_CLUSTER = {"location": "Where the cluster is.", "cluster_name": "The cluster's name."}
_NAMESPACE = {**_CLUSTER, "namespace_name": "The namespace."}
_PLACE = {"location": "The region or zone.", "namespace": "What keeps names of one kind apart."}


@dataclass(frozen=True)
class ResourceType:
    """A type of monitored resource.

    Attributes:
        type: its name.
        display_name: in user interfaces.
        labels: by key, what each says.
        is_users: users' own metrics may be about it.
    """

    type: str
    display_name: str
    labels: Mapping[str, str]
    is_users: bool = True

    def descriptor(self, project: str) -> monitored_resource_pb2.MonitoredResourceDescriptor:
        """As the API tells it."""
        return monitored_resource_pb2.MonitoredResourceDescriptor(
            name=f"projects/{project}/monitoredResourceDescriptors/{self.type}",
            type=self.type,
            display_name=self.display_name,
            labels=[label_pb2.LabelDescriptor(key=key, description=text) for key, text in self.labels.items()],
            launch_stage=launch_stage_pb2.LaunchStage.GA,
        )


RESOURCES = {
    each.type: each
    for each in (
        ResourceType(
            "aiplatform.googleapis.com/Endpoint",
            "Vertex AI Endpoint",
            {
                "resource_container": "The project that the endpoint belongs to.",
                "location": "The region where it serves.",
                "endpoint_id": "The endpoint's id.",
            },
        ),
        ResourceType(
            "aiplatform.googleapis.com/Model",
            "Vertex AI Model",
            {
                "resource_container": "The project that the model belongs to.",
                "location": "The region where it is.",
                "model_id": "The model's id.",
            },
        ),
        ResourceType(
            "cloud_function",
            "Cloud Function",
            {**_PROJECT, "function_name": "The function's name.", "region": "Where it runs."},
            is_users=False,
        ),
        ResourceType(
            "cloud_run_revision",
            "Cloud Run Revision",
            {
                **_PROJECT,
                "service_name": "The service's name.",
                "revision_name": "The revision's name.",
                "location": "Where it runs.",
                "configuration_name": "The configuration that made the revision.",
            },
            is_users=False,
        ),
        ResourceType(
            "cloud_scheduler_job",
            "Cloud Scheduler Job",
            {**_PROJECT, "location": "Where it is.", "job_id": "The job's id."},
            is_users=False,
        ),
        ResourceType(
            "gce_instance",
            "VM Instance",
            {**_PROJECT, "instance_id": "The number of the instance.", "zone": "Where it runs."},
        ),
        ResourceType(
            "gcs_bucket",
            "GCS Bucket",
            {**_PROJECT, "bucket_name": "The bucket's name.", "location": "Where it is."},
            is_users=False,
        ),
        ResourceType(
            "generic_node",
            "Generic Node",
            {**_PROJECT, **_PLACE, "node_id": "The node's name."},
        ),
        ResourceType(
            "generic_task",
            "Generic Task",
            {**_PROJECT, **_PLACE, "job": "What the task is a part of.", "task_id": "The task's name."},
        ),
        ResourceType("global", "Global", _PROJECT),
        ResourceType("k8s_cluster", "Kubernetes Cluster", {**_PROJECT, **_CLUSTER}),
        ResourceType(
            "k8s_container",
            "Kubernetes Container",
            {**_PROJECT, **_NAMESPACE, "pod_name": "The pod.", "container_name": "The container."},
        ),
        ResourceType("k8s_node", "Kubernetes Node", {**_PROJECT, **_CLUSTER, "node_name": "The node."}),
        ResourceType("k8s_pod", "Kubernetes Pod", {**_PROJECT, **_NAMESPACE, "pod_name": "The pod."}),
        ResourceType(
            "logging_bucket",
            "Logging bucket",
            {
                "resource_container": "The project that it belongs to.",
                "location": "Where it is.",
                "bucket_id": "Its id.",
            },
            is_users=False,
        ),
        ResourceType(
            "ml_job", "Vertex AI Job", {**_PROJECT, "job_id": "The job's id.", "task_name": "A part of the job."}
        ),
        ResourceType(
            "pubsub_subscription",
            "Cloud Pub/Sub Subscription",
            {**_PROJECT, "subscription_id": "The subscription's id."},
            is_users=False,
        ),
        ResourceType(
            "pubsub_topic", "Cloud Pub/Sub Topic", {**_PROJECT, "topic_id": "The topic's id."}, is_users=False
        ),
        ResourceType("uptime_url", "Uptime Check URL", {**_PROJECT, "host": "The host that is asked."}),
    )
}


def descriptors(project: str) -> list[monitored_resource_pb2.MonitoredResourceDescriptor]:
    """All of them, in the order of their types."""
    return [RESOURCES[kind].descriptor(project) for kind in sorted(RESOURCES)]
