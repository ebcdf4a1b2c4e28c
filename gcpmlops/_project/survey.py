"""What of a set-up is there: read once, all of it at the same time."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from gcpmlops._project import commands
from gcpmlops._project.blueprint import Blueprint
from gcpmlops._project.policies import Binding, Policies
from gcpmlops.exceptions import GcpMlopsError, NotFound, PermissionDenied, translated

if TYPE_CHECKING:
    from gcpmlops._google import iam_admin
    from gcpmlops.clients import Clients

T = TypeVar("T")
_THREADS = 8
_MOST_APIS = 20  # names that one batchGet takes


@dataclass(frozen=True)
class Survey:
    """The present state of what a blueprint names.

    Attributes:
        enabled: APIs.
        accounts: the service accounts, by email.
        locations: of buckets (gs://NAME), datasets (PROJECT.ID) and the repository that exist.
        bindings: (role, member) by resource.
        billing: whether somebody pays for the project; None: it could not be read.
        unread: what could not be read, by what it is, and why.
        unseen: the same of what may be there, behind an API that is not enabled.
    """

    enabled: frozenset[str]
    accounts: Mapping[str, iam_admin.ServiceAccount]
    locations: Mapping[str, str]
    bindings: Mapping[str, set[Binding]]
    billing: bool | None
    unread: Mapping[str, GcpMlopsError]
    unseen: Mapping[str, GcpMlopsError] = field(default_factory=dict)

    def check(self, project: str, caller: Callable[[], str]) -> None:
        """Raises what kept anything but billing, which few may see, from being read; PermissionDenied with all roles.

        Args:
            project: its id.
            caller: tells the caller's email.
        """
        unread = {what: error for what, error in self.unread.items() if what != "billing"}
        for error in unread.values():
            if not isinstance(error, PermissionDenied):
                raise error
        if denied := [error for error in unread.values() if isinstance(error, PermissionDenied)]:
            roles = dict.fromkeys(role for what in unread for role in commands.roles_to_change(what))
            member = commands.member_of(caller())
            fixes = [commands.grant(f"projects/{project}", role, member).line for role in roles]
            raise PermissionDenied(
                denied[0].message, permission=denied[0].permission, role=", ".join(roles), principal=caller(),
                fix=" && ".join(fixes),
            ) from denied[0]  # fmt: skip


class Surveyor:
    """Reads the state of one blueprint."""

    def __init__(self, clients: Clients, plan: Blueprint) -> None:
        self._clients, self._plan = clients, plan
        self._policies = Policies(clients)
        self._unread: dict[str, GcpMlopsError] = {}
        self._unseen: dict[str, GcpMlopsError] = {}

    def survey(self) -> Survey:
        """Asks for everything at once; what may not be read is noted, and what is not there is not."""
        clients, plan = self._clients, self._plan
        _ = (clients.service_usage, clients.iam, clients.projects, clients.billing, clients.storage, clients.bigquery)
        resources = list(dict.fromkeys(grant.resource for grant in plan.grants))
        with ThreadPoolExecutor(_THREADS) as pool:
            enabled = pool.submit(self._read, "APIs", self.enabled, frozenset[str]())
            accounts = pool.submit(self._read, "service accounts", self._accounts, {})
            billing: Callable[[], bool | None] = self._billing
            paid = pool.submit(self._read, "billing", billing, None)
            places = pool.map(lambda name: (name, self._read(name, self._place(name), "")), self._things())
            policies = pool.map(
                lambda name: (name, self._read(f"policy of {name}", lambda: self._policies.read(name), set[Binding]())),
                resources,
            )
            return Survey(
                enabled.result(),
                accounts.result(),
                {name: place for name, place in places if place},
                dict(policies),
                paid.result(),
                self._unread,
                self._unseen,
            )

    def enabled(self) -> frozenset[str]:
        """Which of the blueprint's APIs are enabled. Raises google.api_core exceptions."""
        parent, apis = f"projects/{self._plan.project}", self._plan.apis
        found: set[str] = set()
        for start in range(0, len(apis), _MOST_APIS):
            names = [f"{parent}/services/{api}" for api in apis[start : start + _MOST_APIS]]
            answer = self._clients.service_usage.batch_get_services(
                request={"parent": parent, "names": names}, **self._clients.idempotent
            )
            found |= {service.config.name for service in answer.services if service.state.name == "ENABLED"}
        return frozenset(found)

    def _accounts(self) -> dict[str, iam_admin.ServiceAccount]:
        name = f"projects/{self._plan.project}"
        found = self._clients.iam.list_service_accounts(
            request={"name": name, "page_size": 100}, **self._clients.idempotent
        )
        wanted = set(self._plan.accounts.values())
        return {account.email: account for account in found if account.email in wanted}

    def _billing(self) -> bool | None:
        info = self._clients.billing.get_project_billing_info(
            name=f"projects/{self._plan.project}", **self._clients.idempotent
        )
        return bool(info.billing_enabled)

    def _things(self) -> Iterator[str]:
        yield from (f"gs://{bucket}" for bucket in self._plan.all_buckets)
        yield from (f"{self._plan.project}.{dataset}" for dataset in self._plan.all_datasets)
        yield from filter(None, [self._plan.repository])

    def _place(self, name: str) -> Callable[[], str]:
        options = self._clients.idempotent
        if name.startswith("gs://"):
            return lambda: str(self._clients.storage.get_bucket(name.removeprefix("gs://"), **options).location).lower()
        if name == self._plan.repository:
            return lambda: self._clients.artifact_registry.get_repository(name=name, **options).name.split("/")[3]
        return lambda: str(self._clients.bigquery.get_dataset(name, **options).location).lower()

    def _read(self, what: str, read: Callable[[], T], otherwise: T) -> T:
        try:
            with translated(what):
                return read()
        except NotFound:
            return otherwise
        except GcpMlopsError as error:
            (self._unseen if is_disabled(error) else self._unread)[what] = error
            return otherwise


def check_location(clients: Clients, plan: Blueprint) -> None:
    """Raises NotFound or the like where Vertex AI is not in the blueprint's location."""
    name = f"projects/{plan.project}/locations/{plan.location}"
    with translated(name):
        clients.jobs.get_location(request={"name": name})


def nearest_location(clients: Clients, plan: Blueprint) -> str:
    """One that Vertex AI is in, by the likeness of the names: another of the same continent."""
    try:
        with translated("locations of Vertex AI"):
            found = clients.jobs.list_locations(request={"name": f"projects/{plan.project}"}).locations
    except GcpMlopsError:  # a place that is none has no server to ask
        return "us-central1"
    names = [place.location_id for place in found]
    return next(iter(difflib.get_close_matches(plan.location, names, n=1, cutoff=0.0)), "us-central1")


def open_billing_account(clients: Clients) -> str:
    """A billing account that the caller sees and that is open; empty where there is none."""
    try:
        with translated("billing accounts"):
            found = clients.billing.list_billing_accounts(**clients.idempotent)
            return next((account.name.removeprefix("billingAccounts/") for account in found if account.open_), "")
    except GcpMlopsError:  # who may see none asks somebody else
        return ""


def is_disabled(error: GcpMlopsError) -> bool:
    """Whether it is an API that is not enabled which kept something from being seen."""
    return isinstance(error, PermissionDenied) and "services enable" in error.fix
