"""The APIs that are served, and the installed packages that are their contracts."""

from __future__ import annotations

# Host, the installed package that is the contract, and its proto package.
PACKAGES = {
    name: (f"{name}.googleapis.com", package, proto)
    for name, package, proto in (
        ("aiplatform", "google.cloud.aiplatform_v1", "google.cloud.aiplatform.v1"),
        ("logging", "google.cloud.logging_v2", "google.logging.v2"),
        ("storage", "google.cloud.storage_control_v2", "google.storage.control.v2"),
        ("bigquerystorage", "google.cloud.bigquery_storage_v1", "google.cloud.bigquery.storage.v1"),
        ("cloudresourcemanager", "google.cloud.resourcemanager_v3", "google.cloud.resourcemanager.v3"),
        ("monitoring", "google.cloud.monitoring_v3", "google.monitoring.v3"),
        ("cloudscheduler", "google.cloud.scheduler_v1", "google.cloud.scheduler.v1"),
        ("pubsub", "google.pubsub_v1", "google.pubsub.v1"),
        ("cloudfunctions", "google.cloud.functions_v2", "google.cloud.functions.v2"),
        ("run", "google.cloud.run_v2", "google.cloud.run.v2"),
        ("serviceusage", "google.cloud.service_usage_v1", "google.api.serviceusage.v1"),
        ("cloudbilling", "google.cloud.billing_v1", "google.cloud.billing.v1"),
        ("iam", "google.cloud.iam_admin_v1", "google.iam.admin.v1"),
        ("iamcredentials", "google.cloud.iam_credentials_v1", "google.iam.credentials.v1"),
        ("artifactregistry", "google.cloud.artifactregistry_v1", "google.devtools.artifactregistry.v1"),
        ("secretmanager", "google.cloud.secretmanager_v1", "google.cloud.secretmanager.v1"),
        ("notebooks", "google.cloud.notebooks_v2", "google.cloud.notebooks.v2"),
        ("cloudbuild", "google.cloud.devtools.cloudbuild_v1", "google.devtools.cloudbuild.v1"),
    )
} | {
    # The same host as Monitoring's, another package.
    "dashboards": (
        "monitoring.googleapis.com",
        "google.cloud.monitoring_dashboard_v1",
        "google.monitoring.dashboard.v1",
    ),
}
