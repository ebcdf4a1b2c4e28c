"""Service agents: the accounts by which Google's services do their work in a project. Source: IAM's page of them.

They come with their API and get their role in the project then.
"""

from __future__ import annotations

from collections.abc import Iterable

from gcpmlops.emulator.settings import project_number

_AGENT = "service-{number}@%s.iam.gserviceaccount.com"

# API: accounts and the roles that they get; an empty one is given to whom it concerns, by hand.
AGENTS: dict[str, tuple[tuple[str, str], ...]] = {
    "aiplatform": (
        (_AGENT % "gcp-sa-aiplatform", "roles/aiplatform.serviceAgent"),
        (_AGENT % "gcp-sa-aiplatform-cc", "roles/aiplatform.customCodeServiceAgent"),
    ),
    "artifactregistry": ((_AGENT % "gcp-sa-artifactregistry", "roles/artifactregistry.serviceAgent"),),
    "bigquery": (("bq-{number}@bigquery-encryption.iam.gserviceaccount.com", ""),),
    "cloudbuild": (
        (_AGENT % "gcp-sa-cloudbuild", "roles/cloudbuild.serviceAgent"),
        ("{number}@cloudbuild.gserviceaccount.com", "roles/cloudbuild.builds.builder"),
    ),
    "cloudfunctions": ((_AGENT % "gcf-admin-robot", "roles/cloudfunctions.serviceAgent"),),
    "cloudscheduler": ((_AGENT % "gcp-sa-cloudscheduler", "roles/cloudscheduler.serviceAgent"),),
    "compute": (
        (_AGENT % "compute-system", "roles/compute.serviceAgent"),
        ("{number}-compute@developer.gserviceaccount.com", "roles/editor"),
    ),
    "eventarc": ((_AGENT % "gcp-sa-eventarc", "roles/eventarc.serviceAgent"),),
    "logging": ((_AGENT % "gcp-sa-logging", ""),),
    "monitoring": ((_AGENT % "gcp-sa-monitoring-notification", "roles/monitoring.notificationServiceAgent"),),
    "notebooks": ((_AGENT % "gcp-sa-notebooks", "roles/notebooks.serviceAgent"),),
    "pubsub": ((_AGENT % "gcp-sa-pubsub", "roles/pubsub.serviceAgent"),),
    "run": ((_AGENT % "serverless-robot-prod", "roles/run.serviceAgent"),),
    "secretmanager": ((_AGENT % "gcp-sa-secretmanager", ""),),
    "storage": ((_AGENT % "gs-project-accounts", ""),),
}


def emails(api: str, project_id: str) -> list[str]:
    """The accounts of an API (aiplatform.googleapis.com) in a project, its main one first."""
    number = str(project_number(project_id))
    found = AGENTS.get(api.removesuffix(".googleapis.com"), ())
    return [template.replace("{number}", number) for template, _ in found]


def bindings(project_id: str, apis: Iterable[str] = AGENTS) -> list[tuple[str, str]]:
    """Role and member, for all agents of these APIs that get a role on their own."""
    found: list[tuple[str, str]] = []
    for api in apis:
        roles = [role for _, role in AGENTS.get(api.removesuffix(".googleapis.com"), ())]
        found += [(role, f"serviceAccount:{email}") for role, email in zip(roles, emails(api, project_id), strict=True)]
    return [(role, member) for role, member in found if role]
