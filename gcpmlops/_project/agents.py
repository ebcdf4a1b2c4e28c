"""Service agents: Google's own accounts in a project, which do the services' work there."""

from __future__ import annotations

from gcpmlops._project.grants import Action

AGENTS: dict[str, tuple[str, str, tuple[Action, ...]]] = {  # API: account, role, who needs it
    "aiplatform.googleapis.com": ("gcp-sa-aiplatform", "roles/aiplatform.serviceAgent", ("train", "serve")),
    "cloudfunctions.googleapis.com": ("gcf-admin-robot", "roles/cloudfunctions.serviceAgent", ("retrain",)),
    "run.googleapis.com": ("serverless-robot-prod", "roles/run.serviceAgent", ("retrain",)),
    "cloudscheduler.googleapis.com": ("gcp-sa-cloudscheduler", "roles/cloudscheduler.serviceAgent", ("retrain",)),
    "cloudbuild.googleapis.com": ("gcp-sa-cloudbuild", "roles/cloudbuild.serviceAgent", ("deliver", "retrain")),
    "artifactregistry.googleapis.com": ("gcp-sa-artifactregistry", "roles/artifactregistry.serviceAgent", ("deliver",)),
    "pubsub.googleapis.com": ("gcp-sa-pubsub", "roles/pubsub.serviceAgent", ("alert", "retrain")),
}


def member(api: str, project_number: str) -> str:
    """serviceAccount:service-NUMBER@DOMAIN.iam.gserviceaccount.com of an API's agent."""
    return f"serviceAccount:service-{project_number}@{AGENTS[api][0]}.iam.gserviceaccount.com"
