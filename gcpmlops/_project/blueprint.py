"""The one definition of a project's set-up: `gcpmlops init` makes it, `doctor` checks it, Terraform equals it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gcpmlops._project.grants import (
    ACCOUNTS,
    ACTIONS,
    ALWAYS,
    APIS,
    COVERS,
    RETRAINING_DATASETS,
    RULES,
    Account,
    Action,
    Rule,
)
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import check_bucket_name, service_account_email

MANAGED_BY, SETUP = "managed-by", "gcpmlops-setup"
_ALLOWED = {  # by argument: the form that Google's names have, and how to say it
    "project": (
        r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]",
        "6 to 30 lower-case letters, digits and hyphens, a letter first, no hyphen last",
    ),
    "location": (r"[a-z]+-[a-z]+[0-9]+", "a region, such as us-central1"),
    "name": (
        r"[a-z][a-z0-9-]{0,15}[a-z0-9]",
        "2 to 17 lower-case letters, digits and hyphens, a letter first, no hyphen last",
    ),
    "actions": ("|".join(ACTIONS), ", ".join(ACTIONS)),
    "datasets": (r"\w{1,1024}", "1 to 1024 letters, digits and underscores: an id, without the project"),
    "developers": (r"(?:user|group|serviceAccount):[^@\s]+@[^@\s]+", "user:EMAIL, group:EMAIL or serviceAccount:EMAIL"),
}


@dataclass(frozen=True)
class Grant:
    """A role of a member on one resource.

    Attributes:
        member: serviceAccount:EMAIL.
        role: roles/NAME.
        resource: projects/P, gs://BUCKET, P.DATASET, or the full name of a repository or a service account.
        permission: one that the role gives and the work needs.
        why: what it is for.
    """

    member: str
    role: str
    resource: str
    permission: str
    why: str

    def __str__(self) -> str:
        return f"{self.role} to {self.member.partition(':')[2]} on {self.resource}"


@dataclass(frozen=True)
class Blueprint:
    """Everything that a set-up consists of, by name.

    Args:
        project: its id.
        location: of buckets, datasets, repository.
        name: begins the accounts' names and stands in the labels; 2 to 17 characters.
        actions: what is planned; what only others need is left out.
        buckets: beside PROJECT-NAME-data and the staging bucket.
        datasets: beside NAME.
        developers: members (user:EMAIL, group:EMAIL, ...) who may act as the delivery account.
        staging: the staging bucket, where it is not to be PROJECT-vertex-staging-LOCATION.
    """

    project: str
    location: str = "us-central1"
    name: str = "ml"
    actions: tuple[Action, ...] = ACTIONS
    buckets: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    developers: tuple[str, ...] = ()
    staging: str = ""

    def __post_init__(self) -> None:
        """Raises InvalidArgument for names that Google does not allow."""
        for field, (pattern, allowed) in _ALLOWED.items():
            value = getattr(self, field)
            for each in (value,) if isinstance(value, str) else value:
                if not re.fullmatch(pattern, each, re.ASCII):
                    raise InvalidArgument(field=field, value=each, allowed=allowed)
        for bucket in self.all_buckets:
            check_bucket_name(bucket, field="staging_bucket" if bucket == self.staging_bucket else "buckets")

    @property
    def labels(self) -> dict[str, str]:
        """What all that has labels is marked with."""
        return {MANAGED_BY: "gcpmlops", SETUP: self.name}

    @property
    def apis(self) -> tuple[str, ...]:
        """serviceusage.googleapis.com, ...: what has to be enabled, in order."""
        wanted = [*ALWAYS, *(api for action in self._actions for api in APIS[action])]
        return tuple(f"{api}.googleapis.com" for api in dict.fromkeys(wanted))

    @property
    def accounts(self) -> dict[Account, str]:
        """Email by account."""
        wanted = (account for account, (actions, _) in ACCOUNTS.items() if set(actions) & set(self.actions))
        return {account: self.email(account) for account in wanted}

    def email(self, account: Account) -> str:
        """NAME-ACCOUNT@PROJECT.iam.gserviceaccount.com, whether it is among `accounts` or not."""
        return service_account_email(f"{self.name}-{account}", self.project)

    @property
    def data_bucket(self) -> str:
        """Where data arrive."""
        return f"{self.project.replace(':', '-').replace('.', '-')}-{self.name}-data"

    @property
    def staging_bucket(self) -> str:
        """Code and models on their way to Vertex AI: the one that is set, otherwise the library's own default."""
        return self.staging or f"{self.project.replace(':', '-').replace('.', '-')}-vertex-staging-{self.location}"

    @property
    def all_buckets(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(dict.fromkeys((self.data_bucket, self.staging_bucket, *self.buckets)))

    @property
    def all_datasets(self) -> tuple[str, ...]:
        """Ids of all datasets; retraining has two of its own."""
        own = RETRAINING_DATASETS if "retrain" in self.actions else ()
        return tuple(dict.fromkeys((self.name.replace("-", "_"), *own, *self.datasets)))

    @property
    def repository(self) -> str | None:
        """Full name of the Docker repository, where builds are planned."""
        name = f"projects/{self.project}/locations/{self.location}/repositories/{self.name}"
        return name if "deliver" in self.actions else None

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Each role once, on each resource; where several actions need it the first one says why."""
        found: dict[tuple[str, str, str], Grant] = {}
        for rule in RULES:
            if rule.action in self.actions:
                member = f"serviceAccount:{self.email(rule.account)}"
                for resource in self._resources(rule):
                    grant = Grant(member, f"roles/{rule.role}", resource, rule.permission, rule.why)
                    found.setdefault((grant.member, grant.role, grant.resource), grant)
        for greater, lesser in COVERS.items():
            for member, role, resource in list(found):
                if role == f"roles/{greater}":
                    found.pop((member, f"roles/{lesser}", resource), None)
        return (*found.values(), *self._developer_grants())

    def _developer_grants(self) -> Iterator[Grant]:
        """People act as the delivery account, by tokens that last an hour: nobody has a key."""
        resource = f"projects/{self.project}/serviceAccounts/{self.email('delivery')}"
        for member in self.developers:
            role = "roles/iam.serviceAccountTokenCreator"
            yield Grant(member, role, resource, "iam.serviceAccounts.getAccessToken", "acts as the delivery account")

    @property
    def _actions(self) -> Sequence[Action]:
        return [action for action in ACTIONS if action in self.actions]

    def _resources(self, rule: Rule) -> Iterator[str]:
        if rule.on == "project":
            yield f"projects/{self.project}"
        elif rule.on == "buckets":
            yield from (f"gs://{bucket}" for bucket in self.all_buckets)
        elif rule.on == "datasets":
            yield from (f"{self.project}.{dataset}" for dataset in self.all_datasets)
        elif rule.on == "repository":
            yield from filter(None, [self.repository])
        elif rule.on in self.accounts:
            yield f"projects/{self.project}/serviceAccounts/{self.email(rule.on)}"
