"""Google's generated modules that the library uses, each loaded alone when first named (see `_deferred`).

A module of the library says `from gcpmlops._google import custom_job` where Google's own would be
`from google.cloud.aiplatform_v1.types import custom_job`; type checkers see the same thing.
"""

from typing import TYPE_CHECKING, Any

from gcpmlops._deferred import load

if TYPE_CHECKING:
    from google.cloud.aiplatform_v1.services.endpoint_service.client import (
        EndpointServiceClient as EndpointServiceClient,
    )
    from google.cloud.aiplatform_v1.services.job_service.client import JobServiceClient as JobServiceClient
    from google.cloud.aiplatform_v1.services.metadata_service.client import (
        MetadataServiceClient as MetadataServiceClient,
    )
    from google.cloud.aiplatform_v1.services.model_service.client import ModelServiceClient as ModelServiceClient
    from google.cloud.aiplatform_v1.services.prediction_service.client import (
        PredictionServiceClient as PredictionServiceClient,
    )
    from google.cloud.aiplatform_v1.services.tensorboard_service.client import (
        TensorboardServiceClient as TensorboardServiceClient,
    )
    from google.cloud.aiplatform_v1.types import accelerator_type as accelerator_type
    from google.cloud.aiplatform_v1.types import artifact as artifact
    from google.cloud.aiplatform_v1.types import batch_prediction_job as batch_prediction_job
    from google.cloud.aiplatform_v1.types import context as context
    from google.cloud.aiplatform_v1.types import custom_job as custom_job
    from google.cloud.aiplatform_v1.types import endpoint as endpoint
    from google.cloud.aiplatform_v1.types import endpoint_service as endpoint_service
    from google.cloud.aiplatform_v1.types import env_var as env_var
    from google.cloud.aiplatform_v1.types import event as event
    from google.cloud.aiplatform_v1.types import execution as execution
    from google.cloud.aiplatform_v1.types import explanation as explanation
    from google.cloud.aiplatform_v1.types import hyperparameter_tuning_job as hyperparameter_tuning_job
    from google.cloud.aiplatform_v1.types import io as io
    from google.cloud.aiplatform_v1.types import job_service as job_service
    from google.cloud.aiplatform_v1.types import job_state as job_state
    from google.cloud.aiplatform_v1.types import lineage_subgraph as lineage_subgraph
    from google.cloud.aiplatform_v1.types import machine_resources as machine_resources
    from google.cloud.aiplatform_v1.types import metadata_schema as metadata_schema
    from google.cloud.aiplatform_v1.types import metadata_service as metadata_service
    from google.cloud.aiplatform_v1.types import metadata_store as metadata_store
    from google.cloud.aiplatform_v1.types import model as model
    from google.cloud.aiplatform_v1.types import model_evaluation as model_evaluation
    from google.cloud.aiplatform_v1.types import model_evaluation_slice as model_evaluation_slice
    from google.cloud.aiplatform_v1.types import model_service as model_service
    from google.cloud.aiplatform_v1.types import study as study
    from google.cloud.aiplatform_v1.types import tensorboard as tensorboard
    from google.cloud.aiplatform_v1.types import tensorboard_data as tensorboard_data
    from google.cloud.aiplatform_v1.types import tensorboard_experiment as tensorboard_experiment
    from google.cloud.aiplatform_v1.types import tensorboard_run as tensorboard_run
    from google.cloud.aiplatform_v1.types import tensorboard_service as tensorboard_service
    from google.cloud.aiplatform_v1.types import tensorboard_time_series as tensorboard_time_series
    from google.cloud.artifactregistry_v1.services.artifact_registry.client import (
        ArtifactRegistryClient as ArtifactRegistryClient,
    )
    from google.cloud.artifactregistry_v1.types import repository as repository_types
    from google.cloud.billing_v1.services.cloud_billing.client import CloudBillingClient as CloudBillingClient
    from google.cloud.billing_v1.types import cloud_billing as cloud_billing
    from google.cloud.devtools.cloudbuild_v1.services.cloud_build.client import CloudBuildClient as CloudBuildClient
    from google.cloud.devtools.cloudbuild_v1.types import cloudbuild as cloudbuild
    from google.cloud.functions_v2.services.function_service.client import (
        FunctionServiceClient as FunctionServiceClient,
    )
    from google.cloud.functions_v2.types import functions as functions_types
    from google.cloud.iam_admin_v1.services.iam.client import IAMClient as IAMClient
    from google.cloud.iam_admin_v1.types import iam as iam_admin
    from google.cloud.logging_v2.services.config_service_v2.client import (
        ConfigServiceV2Client as ConfigServiceV2Client,
    )
    from google.cloud.logging_v2.services.logging_service_v2.client import (
        LoggingServiceV2Client as LoggingServiceV2Client,
    )
    from google.cloud.logging_v2.services.metrics_service_v2.client import (
        MetricsServiceV2Client as MetricsServiceV2Client,
    )
    from google.cloud.logging_v2.types import log_entry as log_entry
    from google.cloud.logging_v2.types import logging as logging_types
    from google.cloud.logging_v2.types import logging_config as logging_config
    from google.cloud.logging_v2.types import logging_metrics as logging_metrics
    from google.cloud.monitoring_dashboard_v1.services.dashboards_service.client import (
        DashboardsServiceClient as DashboardsServiceClient,
    )
    from google.cloud.monitoring_dashboard_v1.types import dashboard as dashboard
    from google.cloud.monitoring_dashboard_v1.types import dashboards_service as dashboards_service
    from google.cloud.monitoring_v3.services.alert_policy_service.client import (
        AlertPolicyServiceClient as AlertPolicyServiceClient,
    )
    from google.cloud.monitoring_v3.services.metric_service.client import MetricServiceClient as MetricServiceClient
    from google.cloud.monitoring_v3.services.notification_channel_service.client import (
        NotificationChannelServiceClient as NotificationChannelServiceClient,
    )
    from google.cloud.monitoring_v3.services.snooze_service.client import SnoozeServiceClient as SnoozeServiceClient
    from google.cloud.monitoring_v3.types import alert as alert
    from google.cloud.monitoring_v3.types import alert_service as alert_service
    from google.cloud.monitoring_v3.types import common as monitoring_common
    from google.cloud.monitoring_v3.types import metric as monitoring_metric
    from google.cloud.monitoring_v3.types import metric_service as metric_service
    from google.cloud.monitoring_v3.types import notification as notification
    from google.cloud.monitoring_v3.types import notification_service as notification_service
    from google.cloud.monitoring_v3.types import snooze as snooze
    from google.cloud.monitoring_v3.types import snooze_service as snooze_service
    from google.cloud.notebooks_v2.services.notebook_service.client import (
        NotebookServiceClient as NotebookServiceClient,
    )
    from google.cloud.notebooks_v2.types import gce_setup as gce_setup
    from google.cloud.notebooks_v2.types import instance as workbench_instance
    from google.cloud.notebooks_v2.types import service as workbench_service
    from google.cloud.resourcemanager_v3.services.projects.client import ProjectsClient as ProjectsClient
    from google.cloud.resourcemanager_v3.types import projects as projects_types
    from google.cloud.run_v2.services.services.client import ServicesClient as ServicesClient
    from google.cloud.scheduler_v1.services.cloud_scheduler.client import CloudSchedulerClient as CloudSchedulerClient
    from google.cloud.scheduler_v1.types import cloudscheduler as cloudscheduler
    from google.cloud.scheduler_v1.types import job as scheduler_job
    from google.cloud.scheduler_v1.types import target as scheduler_target
    from google.cloud.service_usage_v1.services.service_usage.client import ServiceUsageClient as ServiceUsageClient
    from google.cloud.service_usage_v1.types import serviceusage as serviceusage
    from google.pubsub_v1.services.publisher.client import PublisherClient as PublisherClient
    from google.pubsub_v1.services.subscriber.client import SubscriberClient as SubscriberClient
    from google.pubsub_v1.types import pubsub as pubsub

__all__ = [
    "AlertPolicyServiceClient",
    "ArtifactRegistryClient",
    "CloudBillingClient",
    "CloudBuildClient",
    "CloudSchedulerClient",
    "ConfigServiceV2Client",
    "DashboardsServiceClient",
    "EndpointServiceClient",
    "FunctionServiceClient",
    "IAMClient",
    "JobServiceClient",
    "LoggingServiceV2Client",
    "MetadataServiceClient",
    "MetricServiceClient",
    "MetricsServiceV2Client",
    "ModelServiceClient",
    "NotebookServiceClient",
    "NotificationChannelServiceClient",
    "PredictionServiceClient",
    "ProjectsClient",
    "PublisherClient",
    "ServiceUsageClient",
    "ServicesClient",
    "SnoozeServiceClient",
    "SubscriberClient",
    "TensorboardServiceClient",
    "accelerator_type",
    "alert",
    "alert_service",
    "artifact",
    "batch_prediction_job",
    "cloud_billing",
    "cloudbuild",
    "cloudscheduler",
    "context",
    "custom_job",
    "dashboard",
    "dashboards_service",
    "endpoint",
    "endpoint_service",
    "env_var",
    "event",
    "execution",
    "explanation",
    "functions_types",
    "gce_setup",
    "hyperparameter_tuning_job",
    "iam_admin",
    "io",
    "job_service",
    "job_state",
    "lineage_subgraph",
    "log_entry",
    "logging_config",
    "logging_metrics",
    "logging_types",
    "machine_resources",
    "metadata_schema",
    "metadata_service",
    "metadata_store",
    "metric_service",
    "model",
    "model_evaluation",
    "model_evaluation_slice",
    "model_service",
    "monitoring_common",
    "monitoring_metric",
    "notification",
    "notification_service",
    "projects_types",
    "pubsub",
    "repository_types",
    "scheduler_job",
    "scheduler_target",
    "serviceusage",
    "snooze",
    "snooze_service",
    "study",
    "tensorboard",
    "tensorboard_data",
    "tensorboard_experiment",
    "tensorboard_run",
    "tensorboard_service",
    "tensorboard_time_series",
    "workbench_instance",
    "workbench_service",
]

_VERTEX = "google.cloud.aiplatform_v1"
_MONITORING = "google.cloud.monitoring_v3"
_DASHBOARDS = "google.cloud.monitoring_dashboard_v1"
_LOGGING = "google.cloud.logging_v2"
_SCHEDULER = "google.cloud.scheduler_v1"
_WHERE = {
    "ServiceUsageClient": "google.cloud.service_usage_v1.services.service_usage.client:ServiceUsageClient",
    "CloudBillingClient": "google.cloud.billing_v1.services.cloud_billing.client:CloudBillingClient",
    "IAMClient": "google.cloud.iam_admin_v1.services.iam.client:IAMClient",
    "ProjectsClient": "google.cloud.resourcemanager_v3.services.projects.client:ProjectsClient",
    "ArtifactRegistryClient": (
        "google.cloud.artifactregistry_v1.services.artifact_registry.client:ArtifactRegistryClient"
    ),
    "NotebookServiceClient": "google.cloud.notebooks_v2.services.notebook_service.client:NotebookServiceClient",
    "CloudBuildClient": "google.cloud.devtools.cloudbuild_v1.services.cloud_build.client:CloudBuildClient",
    "serviceusage": "google.cloud.service_usage_v1.types.serviceusage",
    "cloud_billing": "google.cloud.billing_v1.types.cloud_billing",
    "iam_admin": "google.cloud.iam_admin_v1.types.iam",
    "projects_types": "google.cloud.resourcemanager_v3.types.projects",
    "repository_types": "google.cloud.artifactregistry_v1.types.repository",
    "workbench_instance": "google.cloud.notebooks_v2.types.instance",
    "workbench_service": "google.cloud.notebooks_v2.types.service",
    "gce_setup": "google.cloud.notebooks_v2.types.gce_setup",
    "cloudbuild": "google.cloud.devtools.cloudbuild_v1.types.cloudbuild",
    "AlertPolicyServiceClient": f"{_MONITORING}.services.alert_policy_service.client:AlertPolicyServiceClient",
    "CloudSchedulerClient": f"{_SCHEDULER}.services.cloud_scheduler.client:CloudSchedulerClient",
    "ConfigServiceV2Client": f"{_LOGGING}.services.config_service_v2.client:ConfigServiceV2Client",
    "DashboardsServiceClient": f"{_DASHBOARDS}.services.dashboards_service.client:DashboardsServiceClient",
    "FunctionServiceClient": "google.cloud.functions_v2.services.function_service.client:FunctionServiceClient",
    "MetricsServiceV2Client": f"{_LOGGING}.services.metrics_service_v2.client:MetricsServiceV2Client",
    "NotificationChannelServiceClient": (
        f"{_MONITORING}.services.notification_channel_service.client:NotificationChannelServiceClient"
    ),
    "PublisherClient": "google.pubsub_v1.services.publisher.client:PublisherClient",
    "ServicesClient": "google.cloud.run_v2.services.services.client:ServicesClient",
    "SnoozeServiceClient": f"{_MONITORING}.services.snooze_service.client:SnoozeServiceClient",
    "SubscriberClient": "google.pubsub_v1.services.subscriber.client:SubscriberClient",
    "alert": f"{_MONITORING}.types.alert",
    "alert_service": f"{_MONITORING}.types.alert_service",
    "cloudscheduler": f"{_SCHEDULER}.types.cloudscheduler",
    "dashboard": f"{_DASHBOARDS}.types.dashboard",
    "dashboards_service": f"{_DASHBOARDS}.types.dashboards_service",
    "functions_types": "google.cloud.functions_v2.types.functions",
    "log_entry": f"{_LOGGING}.types.log_entry",
    "logging_config": f"{_LOGGING}.types.logging_config",
    "logging_metrics": f"{_LOGGING}.types.logging_metrics",
    "monitoring_metric": f"{_MONITORING}.types.metric",
    "notification": f"{_MONITORING}.types.notification",
    "notification_service": f"{_MONITORING}.types.notification_service",
    "pubsub": "google.pubsub_v1.types.pubsub",
    "scheduler_job": f"{_SCHEDULER}.types.job",
    "scheduler_target": f"{_SCHEDULER}.types.target",
    "snooze": f"{_MONITORING}.types.snooze",
    "snooze_service": f"{_MONITORING}.types.snooze_service",
    "EndpointServiceClient": f"{_VERTEX}.services.endpoint_service.client:EndpointServiceClient",
    "JobServiceClient": f"{_VERTEX}.services.job_service.client:JobServiceClient",
    "LoggingServiceV2Client": "google.cloud.logging_v2.services.logging_service_v2.client:LoggingServiceV2Client",
    "MetadataServiceClient": f"{_VERTEX}.services.metadata_service.client:MetadataServiceClient",
    "MetricServiceClient": "google.cloud.monitoring_v3.services.metric_service.client:MetricServiceClient",
    "ModelServiceClient": f"{_VERTEX}.services.model_service.client:ModelServiceClient",
    "PredictionServiceClient": f"{_VERTEX}.services.prediction_service.client:PredictionServiceClient",
    "TensorboardServiceClient": f"{_VERTEX}.services.tensorboard_service.client:TensorboardServiceClient",
    "logging_types": "google.cloud.logging_v2.types.logging",
    "metric_service": "google.cloud.monitoring_v3.types.metric_service",
    "monitoring_common": "google.cloud.monitoring_v3.types.common",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'gcpmlops._google' has no attribute {name!r}")
    value = load(_WHERE.get(name, f"{_VERTEX}.types.{name}"))
    globals()[name] = value
    return value
