"""A project's set-up: made with least privilege (`init`), looked at (`doctor`), taken down again (`down`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _html
from gcpmlops._project import settings
from gcpmlops._project.blueprint import Blueprint as Blueprint
from gcpmlops._project.commands import link_billing
from gcpmlops._project.doctor import Diagnosis as Diagnosis
from gcpmlops._project.doctor import Doctor
from gcpmlops._project.doctor import Finding as Finding
from gcpmlops._project.making import Maker
from gcpmlops._project.steps import Step as Step
from gcpmlops._project.steps import missing, payment
from gcpmlops._project.survey import Surveyor, check_location, open_billing_account
from gcpmlops._project.tear_down import Removal as Removal
from gcpmlops._project.tear_down import TearDown
from gcpmlops.clients import Clients
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument, translated

if TYPE_CHECKING:
    from gcpmlops._project.grants import Action

__all__ = ["Blueprint", "Diagnosis", "Finding", "Project", "Removal", "Setup", "Step"]


@dataclass(frozen=True)
class Setup:
    """What `init` did, or would do.

    Attributes:
        plan: the whole set-up.
        steps: what was made, in order; with `dry_run` what would be.
        path: the gcpmlops.toml that names it; None where none was wanted.
        notes: what was left as it was, and why.
    """

    plan: Blueprint
    steps: tuple[Step, ...]
    path: Path | None
    notes: tuple[str, ...] = ()

    @property
    def unpaid(self) -> bool:
        """Whether nobody has paid for the project: then that is the first step."""
        return bool(self.steps) and self.steps[0].kind == "billing"

    def _repr_html_(self) -> str:
        return _html.card(
            f"Set-up {self.plan.name} of {self.plan.project}", {step.name: step.kind for step in self.steps}
        )


class Project:
    """`client.project`. APIs: Service Usage, IAM, Resource Manager, Cloud Billing, and those of what is made."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def init(
        self,
        *,
        name: str | None = None,
        actions: Sequence[Action] | None = None,
        buckets: Sequence[str] | None = None,
        datasets: Sequence[str] | None = None,
        developers: Sequence[str] | None = None,
        billing_account: str | None = None,
        directory: str | Path | None = ".",
        dry_run: bool = False,
        on_plan: Callable[[Setup], object] = lambda _: None,
        on_step: Callable[[Step], object] = lambda _: None,
    ) -> Setup:
        """Makes what the project needs and has not: APIs, service accounts with the least roles, buckets, datasets.

        What is there already is left alone, so that it may be run again, also after it was stopped half-way. Arguments
        that are not given are those of [setup] in gcpmlops.toml, where an earlier run has kept them.

        Args:
            name: begins the service accounts' names; default ml.
            actions: what is planned: data, train, serve, retrain, alert, deliver; default all. Roles that none of them
                needs are not given.
            buckets: beside PROJECT-NAME-data and the staging bucket, which is PROJECT-vertex-staging-LOCATION unless
                staging_bucket is set.
            datasets: ids beside NAME.
            developers: members who may act as the delivery account: user:EMAIL, group:EMAIL.
            billing_account: pays for the project where nobody does; without one that is an error.
            directory: where gcpmlops.toml is, or is written; None writes none.
            dry_run: only says what would be made.
            on_plan: is shown all of it before anything is made; nothing is, where it raises.
            on_step: is told each step that was made.

        Raises InvalidArgument, PermissionDenied naming the role, FailedPrecondition without billing or where
        gcpmlops.toml is another project's.
        """
        given = {
            "name": name, "actions": actions, "buckets": buckets, "datasets": datasets, "developers": developers,
        }  # fmt: skip
        plan = self._blueprint(directory=directory, **given)
        path = settings.place(Path(directory)) if directory is not None else None
        notes = _notes(path, plan)
        own = self._oneself(plan)
        own._check_project()
        surveyor = Surveyor(own._clients, plan)
        with translated(f"APIs of {plan.project}"):
            before = surveyor.survey()
        before.check(plan.project, lambda: own._clients.caller)
        steps = missing(plan, before)
        if steps and before.billing is False:
            steps.insert(0, payment(plan, (billing_account or "").removeprefix("billingAccounts/")))
        setup = Setup(plan, tuple(steps), path, notes)
        if not dry_run:
            own._check_payment(setup, billing_account)
            on_plan(setup)
            own._make(setup, billing_account, on_step=on_step)
        return setup

    def doctor(self, *, actions: Sequence[Action] | None = None, directory: str | Path | None = ".") -> Diagnosis:
        """What keeps the planned actions from working: each finding with the command that mends it, and who may run it.

        Looks at credentials, billing, APIs, location, clock, library versions, service accounts, what they run on, the
        roles of each identity for each action, service agents, and what the caller itself may do. Changes nothing.

        Args:
            actions: default those of [setup] in gcpmlops.toml, otherwise all.
            directory: where gcpmlops.toml is.
        """
        plan = self._blueprint(directory=directory, actions=actions)
        return Doctor(self._clients, plan).examine()

    def down(
        self,
        *,
        name: str | None = None,
        force: bool = False,
        plan: bool = False,
        directory: str | Path | None = ".",
        on_removal: Callable[[Removal], object] = lambda _: None,
    ) -> list[Removal]:
        """Takes down what `init` made, by its labels: roles, repository, datasets, buckets, service accounts; in order.

        APIs stay enabled: others may use them. What is not empty stays, unless `force`; models, jobs and endpoints are
        not its business.

        Args:
            name: of the set-up; default that of gcpmlops.toml, otherwise ml.
            force: removes the contents of buckets, datasets and the repository, too.
            plan: only says what would be removed.
            directory: where gcpmlops.toml is.
            on_removal: is told each thing that was removed.

        Raises PermissionDenied.
        """
        blueprint = self._blueprint(directory=directory, name=name)
        own = self._oneself(blueprint)
        own._check_project()
        teardown = TearDown(own._clients, blueprint, force=force)
        removals = teardown.find()
        if not plan:
            teardown.remove(removals, on_removal)
        return removals

    def _blueprint(self, *, directory: str | Path | None = ".", **given: Any) -> Blueprint:
        """The whole set-up by name: what is given, otherwise [setup] of gcpmlops.toml. Raises InvalidArgument."""
        kept = settings.read(Path(directory)) if directory is not None else {}
        chosen = kept | {key: value for key, value in given.items() if value is not None}
        chosen = {key: value if isinstance(value, str) else tuple(value) for key, value in chosen.items()}
        if "buckets" in chosen:
            chosen["buckets"] = tuple(bucket.removeprefix("gs://").rstrip("/") for bucket in chosen["buckets"])
        config = self._clients.config
        return Blueprint(config.require("project"), config.location, staging=config.staging_bucket or "", **chosen)

    def _oneself(self, plan: Blueprint) -> Project:
        """Acts by the caller's own rights where calls are made as an account of the set-up, which may not set up."""
        config = self._clients.config
        if config.impersonate_service_account not in plan.accounts.values():
            return self
        return Project(Clients(replace(config, impersonate_service_account=None)))

    def _check_project(self) -> None:
        name = f"projects/{self._clients.config.require('project')}"
        create = f"gcloud projects create {name.removeprefix('projects/')}"
        with translated(name, next_step=f"Make it with `{create}`, or check its id."):
            found = self._clients.projects.get_project(name=name, **self._clients.idempotent)
        if found.state.name != "ACTIVE":
            raise FailedPrecondition(f"{name} is {found.state.name}", resource=name, next_step="Undelete it first.")

    def _make(
        self,
        setup: Setup,
        billing_account: str | None,
        *,
        on_step: Callable[[Step], object],
    ) -> None:
        if setup.unpaid:
            self._pay(setup.plan, str(billing_account))
            on_step(setup.steps[0])
        maker = Maker(self._clients, setup.plan, on_step=on_step)
        maker.enable(setup.steps)
        if setup.steps and "aiplatform.googleapis.com" in setup.plan.apis:
            check_location(self._clients, setup.plan)  # before there is anything in a wrong one
        maker.make(setup.steps)
        if setup.path is not None:
            settings.write(setup.path, settings.wanted(setup.plan))

    def _check_payment(self, setup: Setup, account: str | None) -> None:
        """Raises FailedPrecondition where nobody pays."""
        if setup.unpaid and not account:
            plan = setup.plan
            command = link_billing(plan.project, open_billing_account(self._clients))
            raise FailedPrecondition(
                f"nobody pays for {plan.project}: its APIs can't be enabled",
                resource=f"projects/{plan.project}",
                next_step=f"Give billing_account= (--billing-account), or run: {command.line}",
            )

    def _pay(self, plan: Blueprint, account: str) -> None:
        from gcpmlops._google import cloud_billing

        payer = f"billingAccounts/{account.removeprefix('billingAccounts/')}"
        info = cloud_billing.ProjectBillingInfo(billing_account_name=payer)
        name = f"projects/{plan.project}"
        with translated(name):
            self._clients.billing.update_project_billing_info(
                name=name, project_billing_info=info, **self._clients.idempotent
            )


def _notes(path: Path | None, plan: Blueprint) -> tuple[str, ...]:
    """What the file says otherwise. Raises InvalidArgument where it is another project's."""
    if path is None:
        return ()
    found = settings.differences(path, settings.wanted(plan))
    if "project" in found:
        raise InvalidArgument(
            f"{path} is of project {found['project'][0]}, not {plan.project}",
            field="project",
            value=plan.project,
            next_step="Work in another folder, or change the file.",
        )
    found.pop(settings.TABLE, None)
    return tuple(f"{path}: {key} stays {kept!r} (would be {new!r})" for key, (kept, new) in found.items())
