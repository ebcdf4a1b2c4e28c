"""Finds what a set-up has made, by its labels, and removes it: what others stand on last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gcpmlops._project.blueprint import MANAGED_BY, SETUP, Blueprint
from gcpmlops._project.policies import Policies
from gcpmlops._project.steps import mark, policy_call
from gcpmlops.bigquery import BigQuery
from gcpmlops.exceptions import NotFound, translated
from gcpmlops.storage import Storage

if TYPE_CHECKING:
    from gcpmlops.clients import Clients

_REMOVED = 300.0  # seconds that removing a repository may take


@dataclass(frozen=True)
class Removal:
    """Something that is taken down.

    Attributes:
        kind: role, repository, dataset, bucket or service account.
        name: which one; of a role ROLE of MEMBER on RESOURCE.
        api: the Google API call that removes it.
        kept: why it stays; empty where it goes.
        binding: of a role: resource, role, member.
    """

    kind: str
    name: str
    api: str
    kept: str = ""
    binding: tuple[str, str, str] | None = None


class TearDown:
    """Of one set-up; `force` removes contents, too."""

    def __init__(self, clients: Clients, plan: Blueprint, *, force: bool) -> None:
        self._clients, self._plan, self._force = clients, plan, force
        self._policies = Policies(clients)

    def find(self) -> list[Removal]:
        """In the order of removal: roles, repositories, datasets, buckets, service accounts."""
        _ = (self._clients.iam, self._clients.artifact_registry, self._clients.storage, self._clients.bigquery)
        finders = (self._repositories, self._datasets, self._buckets, self._accounts)
        with ThreadPoolExecutor(len(finders)) as pool:
            repositories, datasets, buckets, accounts = pool.map(lambda find: list(find()), finders)
        roles = self._roles([removal.name for removal in accounts])
        return [*roles, *repositories, *datasets, *buckets, *accounts]

    def remove(self, removals: list[Removal], tell: Callable[[Removal], object]) -> None:
        """One after the other; what is gone meanwhile is no error."""
        remove = {
            "role": self._revoke, "repository": self._drop_repository, "dataset": self._drop_dataset,
            "bucket": self._drop_bucket, "service account": self._drop_account,
        }  # fmt: skip
        for removal in removals:
            if removal.kept:
                continue
            try:
                with translated(removal.name):
                    remove[removal.kind](removal)
            except NotFound:
                continue
            tell(removal)

    def _roles(self, emails: list[str]) -> Iterator[Removal]:
        """On the project alone: on what goes, they go with it."""
        resource = f"projects/{self._plan.project}"
        members = {f"serviceAccount:{email}" for email in emails}
        with translated(resource):
            found = self._policies.read(resource)
        for role, member in sorted(found):
            if member in members:
                name = f"{role} of {member.partition(':')[2]} on {resource}"
                yield Removal("role", name, policy_call(resource), binding=(resource, role, member))

    def _repositories(self) -> Iterator[Removal]:
        parent = f"projects/{self._plan.project}/locations/{self._plan.location}"
        with translated(parent):
            for found in self._clients.artifact_registry.list_repositories(parent=parent, **self._clients.idempotent):
                if self._is_own(found.labels):
                    packages = self._clients.artifact_registry.list_packages(
                        parent=found.name, **self._clients.idempotent
                    )
                    full = self._kept(any(True for _ in packages))
                    yield Removal("repository", found.name, "artifactregistry.repositories.delete", full)

    def _datasets(self) -> Iterator[Removal]:
        client, options = self._clients.bigquery, self._clients.idempotent
        with translated(f"datasets of {self._plan.project}"):
            for found in client.list_datasets(filter=f"labels.{SETUP}:{self._plan.name}", **options):
                if self._is_own(found.labels):
                    name = f"{found.project}.{found.dataset_id}"
                    full = self._kept(any(True for _ in client.list_tables(name, max_results=1, **options)))
                    yield Removal("dataset", name, "bigquery.datasets.delete", full)

    def _buckets(self) -> Iterator[Removal]:
        client, options = self._clients.storage, self._clients.idempotent
        with translated(f"buckets of {self._plan.project}"):
            for found in client.list_buckets(**options):
                if self._is_own(found.labels):
                    blobs = client.list_blobs(found.name, max_results=1, versions=True, **options)
                    yield Removal("bucket", f"gs://{found.name}", "storage.buckets.delete", self._kept(any(blobs)))

    def _accounts(self) -> Iterator[Removal]:
        name = f"projects/{self._plan.project}"
        with translated(name):
            request = {"name": name, "page_size": 100}
            for found in self._clients.iam.list_service_accounts(request=request, **self._clients.idempotent):
                if found.description.endswith(mark(self._plan.name)):
                    yield Removal("service account", found.email, "iam.serviceAccounts.delete")

    def _is_own(self, labels: object) -> bool:
        found = dict(labels) if labels else {}  # type: ignore[call-overload]
        return found.get(MANAGED_BY) == "gcpmlops" and found.get(SETUP) == self._plan.name

    def _kept(self, full: bool) -> str:
        return "not empty: --force removes its contents, too" if full and not self._force else ""

    def _revoke(self, removal: Removal) -> None:
        if removal.binding:
            resource, role, member = removal.binding
            self._policies.change(resource, remove={(role, member)})

    def _drop_repository(self, removal: Removal) -> None:
        operation = self._clients.artifact_registry.delete_repository(name=removal.name, **self._clients.once)
        self._clients.finish(operation, timeout=_REMOVED, resource=removal.name)

    def _drop_dataset(self, removal: Removal) -> None:
        BigQuery(self._clients).delete_dataset(removal.name, force=self._force)

    def _drop_bucket(self, removal: Removal) -> None:
        Storage(self._clients).delete_bucket(removal.name, force=self._force)

    def _drop_account(self, removal: Removal) -> None:
        name = f"projects/{self._plan.project}/serviceAccounts/{removal.name}"
        self._clients.iam.delete_service_account(name=name, **self._clients.once)
