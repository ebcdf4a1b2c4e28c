"""Finds what a set-up has made, by its labels, and removes it: what others stand on last."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from gcpmlops._project.blueprint import MANAGED_BY, SETUP, Blueprint
from gcpmlops._project.policies import Policies
from gcpmlops._project.steps import mark, policy_call
from gcpmlops._project.survey import is_disabled
from gcpmlops.bigquery import BigQuery
from gcpmlops.exceptions import NotFound, PermissionDenied, translated
from gcpmlops.storage import Storage

if TYPE_CHECKING:
    from gcpmlops.clients import Clients

_THREADS = 8
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
        finders = {
            "repository": self._repositories, "dataset": self._datasets,
            "bucket": self._buckets, "service account": self._accounts,
        }  # fmt: skip
        with ThreadPoolExecutor(_THREADS) as pool:
            repositories, datasets, buckets, accounts = pool.map(self._seen, finders, finders.values())
            members = {f"serviceAccount:{account.name}" for account in accounts if not account.kept}
            things = [*repositories, *datasets, *buckets]
            going = {thing.name for thing in things if not thing.kept}
            roles = chain.from_iterable(pool.map(lambda place: self._roles(place, members), self._staying(going)))
            return [*roles, *things, *accounts]

    def _seen(self, kind: str, find: Callable[[], Iterator[Removal]]) -> list[Removal]:
        """What an API that is not enabled may hold stays, and it is said."""
        try:
            return list(find())
        except PermissionDenied as error:
            if not is_disabled(error):
                raise
            if kind == "repository" and self._plan.repository is None:
                return []
            name = f"any of projects/{self._plan.project}"
            return [Removal(kind, name, "", kept=f"not to be seen before: {error.fix} --project={self._plan.project}")]

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

    def _staying(self, going: set[str]) -> list[str]:
        """What the set-up has given roles on and does not remove: the project, and what was there before."""
        plan = self._plan
        things = [*(f"gs://{bucket}" for bucket in plan.all_buckets), *filter(None, [plan.repository])]
        things += [f"{plan.project}.{dataset}" for dataset in plan.all_datasets]
        return [f"projects/{plan.project}", *(thing for thing in things if thing not in going)]

    def _roles(self, resource: str, members: set[str]) -> list[Removal]:
        """On what goes, they go with it."""
        try:
            with translated(resource):
                found = self._policies.read(resource)
        except NotFound:
            return []
        except PermissionDenied as error:
            if not is_disabled(error):
                raise
            return []
        return [
            Removal(
                "role", f"{role} of {member.partition(':')[2]} on {resource}", policy_call(resource),
                binding=(resource, role, member),
            )
            for role, member in sorted(found)
            if member in members
        ]  # fmt: skip

    def _repositories(self) -> Iterator[Removal]:
        """In every location: an earlier run may have had another."""
        name = f"projects/{self._plan.project}"
        with translated(name):
            places = self._clients.artifact_registry.list_locations(request={"name": name}).locations
        with ThreadPoolExecutor(_THREADS) as pool:
            yield from chain.from_iterable(pool.map(self._repositories_in, [place.name for place in places]))

    def _repositories_in(self, parent: str) -> list[Removal]:
        client, options, found = self._clients.artifact_registry, self._clients.idempotent, []
        with translated(parent):
            for each in client.list_repositories(parent=parent, **options):
                if self._is_own(each.labels):
                    full = self._kept(any(True for _ in client.list_packages(parent=each.name, **options)))
                    found.append(Removal("repository", each.name, "artifactregistry.repositories.delete", full))
        return found

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
