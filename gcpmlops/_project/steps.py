"""What is missing, in the order in which it is made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from gcpmlops._project import commands
from gcpmlops._project.blueprint import Blueprint, Grant
from gcpmlops._project.grants import ACCOUNTS
from gcpmlops._project.survey import Survey

Kind = Literal["billing", "API", "service account", "bucket", "dataset", "repository", "role"]
CALLS: dict[Kind, str] = {
    "billing": "cloudbilling.projects.updateBillingInfo",
    "API": "serviceusage.services.batchEnable",
    "service account": "iam.projects.serviceAccounts.create",
    "bucket": "storage.buckets.insert",
    "dataset": "bigquery.datasets.insert",
    "repository": "artifactregistry.projects.locations.repositories.create",
}


@dataclass(frozen=True)
class Step:
    """Something that is to be made.

    Attributes:
        kind: of what.
        name: which one; of a role ROLE to MEMBER on RESOURCE.
        api: the Google API call that makes it.
        command: the same by gcloud, and who may.
        why: what it is for.
        grant: of a role.
    """

    kind: Kind
    name: str
    api: str
    command: commands.Command
    why: str = ""
    grant: Grant | None = None


def payment(plan: Blueprint, account: str) -> Step:
    """Has a billing account, or one that is still to be named, pay for the project."""
    name = f"{account or 'ACCOUNT_ID'} pays for {plan.project}"
    return Step("billing", name, CALLS["billing"], commands.link_billing(plan.project, account))


def missing(plan: Blueprint, survey: Survey) -> list[Step]:
    """All steps; none where the set-up is complete."""
    return [*_apis(plan, survey), *_accounts(plan, survey), *_things(plan, survey), *_roles(plan, survey)]


def description(plan: Blueprint, account: str) -> str:
    """Of a service account: `down` knows its own by it."""
    return f"{ACCOUNTS[account][1]} {mark(plan.name)}"  # type: ignore[index]


def mark(name: str) -> str:
    """How a description says whose the account is: accounts have no labels."""
    return f"Made by gcpmlops init ({name})."


def _apis(plan: Blueprint, survey: Survey) -> Iterator[Step]:
    for api in plan.apis:
        if api not in survey.enabled:
            yield Step("API", api, CALLS["API"], commands.enable(plan.project, api))


def _accounts(plan: Blueprint, survey: Survey) -> Iterator[Step]:
    for account, email in plan.accounts.items():
        if email not in survey.accounts:
            text = description(plan, account)
            command = commands.create_account(plan, email, text)
            yield Step("service account", email, CALLS["service account"], command, ACCOUNTS[account][1])


def _things(plan: Blueprint, survey: Survey) -> Iterator[Step]:
    for bucket in plan.all_buckets:
        if f"gs://{bucket}" not in survey.locations:
            yield Step("bucket", f"gs://{bucket}", CALLS["bucket"], commands.create_bucket(plan, bucket))
    for dataset in plan.all_datasets:
        if f"{plan.project}.{dataset}" not in survey.locations:
            name = f"{plan.project}.{dataset}"
            yield Step("dataset", name, CALLS["dataset"], commands.create_dataset(plan, dataset))
    if plan.repository and plan.repository not in survey.locations:
        yield Step("repository", plan.repository, CALLS["repository"], commands.create_repository(plan))


def _roles(plan: Blueprint, survey: Survey) -> Iterator[Step]:
    for grant in plan.grants:
        if (grant.role, grant.member) not in survey.bindings.get(grant.resource, ()):
            command = commands.grant(grant.resource, grant.role, grant.member)
            yield Step("role", str(grant), policy_call(grant.resource), command, grant.why, grant)


def policy_call(resource: str) -> str:
    """The API call that changes the resource's policy."""
    if resource.startswith("gs://"):
        return "storage.buckets.setIamPolicy"
    if "/" not in resource:
        return "bigquery.datasets.patch"
    if "/serviceAccounts/" in resource:
        return "iam.projects.serviceAccounts.setIamPolicy"
    if "/repositories/" in resource:
        return "artifactregistry.projects.locations.repositories.setIamPolicy"
    return "cloudresourcemanager.projects.setIamPolicy"
