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

MANAGED_BY, SETUP = "managed-by", "gcpmlops-setup"
_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_MEMBER = re.compile(r"(?:user|group|serviceAccount):[^@\s]+@[^@\s]+")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,15}[a-z0-9]")


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
    """

    project: str
    location: str = "us-central1"
    name: str = "ml"
    actions: tuple[Action, ...] = ACTIONS
    buckets: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ()
    developers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Raises InvalidArgument for names that Google does not allow."""
        if not _PROJECT.fullmatch(self.project):
            raise InvalidArgument(
                field="project", value=self.project,
                allowed="6 to 30 lower-case letters, digits and hyphens, a letter first, no hyphen last",
            )  # fmt: skip
        if not _NAME.fullmatch(self.name):
            allowed = "2 to 17 lower-case letters, digits and hyphens, a letter first, no hyphen last"
            raise InvalidArgument(field="name", value=self.name, allowed=allowed)
        for action in self.actions:
            if action not in ACTIONS:
                raise InvalidArgument(field="actions", value=action, allowed=", ".join(ACTIONS))
        for member in self.developers:
            if not _MEMBER.fullmatch(member):
                allowed = "user:EMAIL, group:EMAIL or serviceAccount:EMAIL"
                raise InvalidArgument(field="developers", value=member, allowed=allowed)

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
        return f"{self.name}-{account}@{self._domain}.iam.gserviceaccount.com"

    @property
    def _domain(self) -> str:
        return ".".join(reversed(self.project.split(":")))  # example.com:project is project.example.com there

    @property
    def data_bucket(self) -> str:
        """Where data arrive."""
        return f"{self.project.replace(':', '-').replace('.', '-')}-{self.name}-data"

    @property
    def staging_bucket(self) -> str:
        """Code and models on their way to Vertex AI: the library's own default."""
        return f"{self.project.replace(':', '-').replace('.', '-')}-vertex-staging-{self.location}"

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
