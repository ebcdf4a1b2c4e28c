"""The gcloud command that does what `gcpmlops init` does, and the least role that may run it: for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # an exception names these commands, and knows nothing above it
    from gcpmlops._project.blueprint import Blueprint


ENABLERS = "roles/serviceusage.serviceUsageAdmin"


@dataclass(frozen=True)
class Command:
    """A line for a shell, and the role that whoever runs it needs."""

    line: str
    who: str


def enable(project: str, *apis: str) -> Command:
    """Enables APIs."""
    return Command(f"gcloud services enable {' '.join(apis)} --project={project}", ENABLERS)


def create_project(project: str) -> Command:
    """Makes the project."""
    return Command(f"gcloud projects create {project}", "roles/resourcemanager.projectCreator")


def link_billing(project: str, account: str = "") -> Command:
    """Has an account pay for the project."""
    line = f"gcloud billing projects link {project} --billing-account={account or 'ACCOUNT_ID'}"
    return Command(line, "roles/billing.user on the account, roles/billing.projectManager on the project")


def create_account(plan: Blueprint, email: str, description: str) -> Command:
    """Makes a service account."""
    account = email.partition("@")[0]
    line = f'gcloud iam service-accounts create {account} --description="{description}" --project={plan.project}'
    return Command(line, "roles/iam.serviceAccountCreator")


def enable_account(project: str, email: str) -> Command:
    """Enables a service account again."""
    return Command(f"gcloud iam service-accounts enable {email} --project={project}", "roles/iam.serviceAccountAdmin")


def create_bucket(plan: Blueprint, bucket: str) -> Command:
    """Makes a bucket; labels are a second command there."""
    line = (
        f"gcloud storage buckets create gs://{bucket} --project={plan.project} --location={plan.location} "
        "--uniform-bucket-level-access --public-access-prevention"
        f" && gcloud storage buckets update gs://{bucket} --update-labels={_labels(plan)}"
    )
    return Command(line, "roles/storage.admin")


def create_dataset(plan: Blueprint, dataset: str) -> Command:
    """Makes a dataset."""
    labels = " ".join(f"--label={key}:{value}" for key, value in plan.labels.items())
    return Command(
        f"bq --location={plan.location} mk --dataset {labels} {plan.project}:{dataset}", "roles/bigquery.user"
    )


def create_repository(plan: Blueprint) -> Command:
    """Makes the Docker repository."""
    line = (
        f"gcloud artifacts repositories create {plan.name} --repository-format=docker --location={plan.location} "
        f"--labels={_labels(plan)} --project={plan.project}"
    )
    return Command(line, "roles/artifactregistry.admin")


def grant(resource: str, role: str, member: str) -> Command:
    """Gives a role on whatever the resource is."""
    return _binding(resource, role, member, "add-iam-policy-binding")


def roles_to_change(what: str) -> list[str]:
    """The roles for a resource, its policy ("policy of RESOURCE"), "APIs" or "service accounts"."""
    if what == "APIs":
        return [ENABLERS]
    if what == "service accounts":
        return ["roles/iam.serviceAccountAdmin"]
    return grant(what.removeprefix("policy of "), "", "").who.split(" and ")


def member_of(email: str) -> str:
    """As policies name it."""
    return f"{'serviceAccount' if email.endswith('.gserviceaccount.com') else 'user'}:{email}"


def revoke(resource: str, role: str, member: str) -> Command:
    """Takes it away."""
    return _binding(resource, role, member, "remove-iam-policy-binding")


def work_in(location: str) -> Command:
    """Has the work done elsewhere: the variable counts more than gcpmlops.toml."""
    return Command(f"export GCPMLOPS_LOCATION={location}", "everybody")


def nearer(name: str, place: str, wanted: str) -> Command:
    """Brings a bucket to the work; a dataset can't be moved: the work goes there."""
    if not name.startswith("gs://"):
        return work_in(place)
    return Command(f"gcloud storage buckets relocate {name} --location={wanted}", "roles/storage.admin")


def create_agent(project: str, api: str) -> Command:
    """Has a service agent made."""
    line = f"gcloud beta services identity create --service={api} --project={project}"
    return Command(line, ENABLERS)


def _labels(plan: Blueprint) -> str:
    return ",".join(f"{key}={value}" for key, value in plan.labels.items())


def _binding(resource: str, role: str, member: str, verb: str) -> Command:
    what = f"--member={member} --role={role} --condition=None"  # else refused where others have conditions
    if resource.startswith("gs://"):
        return Command(f"gcloud storage buckets {verb} {resource} {what}", "roles/storage.admin")
    if "/" not in resource:
        project, _, dataset = resource.partition(".")
        word, to = ("GRANT", "TO") if verb.startswith("add") else ("REVOKE", "FROM")
        sql = f'{word} `{role}` ON SCHEMA `{project}`.{dataset} {to} "{member}"'
        line = f"bq --project_id={project} query --use_legacy_sql=false '{sql}'"
        return Command(line, "roles/bigquery.dataOwner and roles/bigquery.jobUser")
    if "/serviceAccounts/" in resource:
        email = resource.rpartition("/")[2]
        project = resource.split("/")[1]
        line = f"gcloud iam service-accounts {verb} {email} {what} --project={project}"
        return Command(line, "roles/iam.serviceAccountAdmin")
    if "/repositories/" in resource:
        _, project, _, location, _, name = resource.split("/")
        line = f"gcloud artifacts repositories {verb} {name} --location={location} {what} --project={project}"
        return Command(line, "roles/artifactregistry.admin")
    project = resource.removeprefix("projects/")
    return Command(f"gcloud projects {verb} {project} {what}", "roles/resourcemanager.projectIamAdmin")
