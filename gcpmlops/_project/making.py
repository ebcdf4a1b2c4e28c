"""Makes what is missing of a set-up, one API after the other; what is there already is no error."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from gcpmlops._project.blueprint import Blueprint
from gcpmlops._project.policies import Binding, Policies
from gcpmlops._project.steps import Kind, Step, description
from gcpmlops.exceptions import AlreadyExists, translated

if TYPE_CHECKING:
    from gcpmlops.clients import Clients

_AT_ONCE = 20  # APIs that one batchEnable takes
_APPEARS = 90.0  # seconds until a new service account is known everywhere
_ENABLED = 600.0  # seconds that enabling may take


class Maker:
    """Makes the steps of one blueprint."""

    def __init__(self, clients: Clients, plan: Blueprint, *, on_step: Callable[[Step], object]) -> None:
        self._clients, self._plan, self._tell = clients, plan, on_step
        self._policies = Policies(clients)

    def enable(self, steps: Iterable[Step]) -> None:
        """The APIs, before anything else can be asked for (services.batchEnable)."""
        wanted = [step for step in steps if step.kind == "API"]
        for start in range(0, len(wanted), _AT_ONCE):
            batch = wanted[start : start + _AT_ONCE]
            parent = f"projects/{self._plan.project}"
            with translated(parent):
                operation = self._clients.service_usage.batch_enable_services(
                    request={"parent": parent, "service_ids": [step.name for step in batch]}, **self._clients.once
                )
            self._clients.finish(operation, timeout=_ENABLED, resource=parent)
            for step in batch:
                self._tell(step)

    def make(self, steps: Iterable[Step]) -> None:
        """All other steps, in their order; the roles of a resource in one write."""
        roles: dict[str, list[Step]] = defaultdict(list)
        make: dict[Kind, Callable[[str], None]] = {
            "service account": self._account, "bucket": self._bucket, "dataset": self._dataset,
            "repository": self._repository,
        }  # fmt: skip
        for step in steps:
            if step.grant is not None:
                roles[step.grant.resource].append(step)
            elif step.kind in make:
                try:
                    make[step.kind](step.name)
                except AlreadyExists:
                    continue  # somebody else was quicker
                self._tell(step)
        for resource, wanted in roles.items():
            self._grant(resource, {(step.grant.role, step.grant.member) for step in wanted if step.grant})
            for step in wanted:
                self._tell(step)

    def _account(self, email: str) -> None:
        account = next(account for account, each in self._plan.accounts.items() if each == email)
        request = {
            "name": f"projects/{self._plan.project}",
            "account_id": email.partition("@")[0],
            "service_account": {
                "display_name": f"{self._plan.name} {account}",
                "description": description(self._plan, account),
            },
        }
        with translated(email):
            self._clients.iam.create_service_account(request=request, **self._clients.once)

    def _bucket(self, uri: str) -> None:
        bucket = self._clients.storage.bucket(uri.removeprefix("gs://"))
        bucket.labels = self._plan.labels
        bucket.iam_configuration.uniform_bucket_level_access_enabled = True
        bucket.iam_configuration.public_access_prevention = "enforced"
        with translated(uri):
            bucket.create(location=self._plan.location, **self._clients.idempotent)

    def _dataset(self, name: str) -> None:
        from google.cloud import bigquery

        dataset = bigquery.Dataset(name)
        dataset.location, dataset.labels = self._plan.location, self._plan.labels
        with translated(f"dataset {name}"):
            self._clients.bigquery.create_dataset(dataset, **self._clients.idempotent)

    def _repository(self, name: str) -> None:
        parent, _, id_ = name.rpartition("/repositories/")
        repository = {"format_": "DOCKER", "labels": self._plan.labels, "description": "Images of training and serving"}
        with translated(name):
            operation = self._clients.artifact_registry.create_repository(
                request={"parent": parent, "repository_id": id_, "repository": repository}, **self._clients.once
            )
        self._clients.finish(operation, timeout=_ENABLED, resource=name)

    def _grant(self, resource: str, bindings: set[Binding]) -> None:
        """A policy refuses an account that was made a moment ago until it is known everywhere: it is tried again."""
        from google.api_core.retry import Retry

        again = Retry(predicate=self._not_yet_known, initial=0.5, maximum=10.0, timeout=_APPEARS)
        with translated(resource):
            again(self._policies.change)(resource, add=bindings)

    def _not_yet_known(self, error: BaseException) -> bool:
        from google.api_core import exceptions as theirs

        if not isinstance(error, theirs.BadRequest) or "does not exist" not in str(error):
            return False
        return any(email in str(error) for email in self._plan.accounts.values())  # another's will not appear
