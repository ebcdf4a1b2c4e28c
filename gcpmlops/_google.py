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
    from google.cloud.logging_v2.services.logging_service_v2.client import (
        LoggingServiceV2Client as LoggingServiceV2Client,
    )
    from google.cloud.logging_v2.types import logging as logging_types
    from google.cloud.monitoring_v3.services.metric_service.client import MetricServiceClient as MetricServiceClient
    from google.cloud.monitoring_v3.types import common as monitoring_common
    from google.cloud.monitoring_v3.types import metric_service as metric_service

__all__ = [
    "EndpointServiceClient",
    "JobServiceClient",
    "LoggingServiceV2Client",
    "MetadataServiceClient",
    "MetricServiceClient",
    "ModelServiceClient",
    "PredictionServiceClient",
    "TensorboardServiceClient",
    "accelerator_type",
    "artifact",
    "batch_prediction_job",
    "context",
    "custom_job",
    "endpoint",
    "endpoint_service",
    "env_var",
    "event",
    "execution",
    "explanation",
    "hyperparameter_tuning_job",
    "io",
    "job_service",
    "job_state",
    "lineage_subgraph",
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
    "study",
    "tensorboard",
    "tensorboard_data",
    "tensorboard_experiment",
    "tensorboard_run",
    "tensorboard_service",
    "tensorboard_time_series",
]

_VERTEX = "google.cloud.aiplatform_v1"
_WHERE = {
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
