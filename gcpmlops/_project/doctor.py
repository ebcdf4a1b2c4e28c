"""Looks at everything that the planned actions need, and says of what is missing who mends it, and how."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gcpmlops._project import agents, commands, machine
from gcpmlops._project.blueprint import Blueprint
from gcpmlops._project.findings import Diagnosis as Diagnosis
from gcpmlops._project.findings import Finding as Finding
from gcpmlops._project.findings import bad, good, odd
from gcpmlops._project.grants import APIS, RULES, Action
from gcpmlops._project.steps import Step, missing
from gcpmlops._project.survey import Survey, Surveyor, check_location, nearest_location, open_billing_account
from gcpmlops.exceptions import GcpMlopsError, NotFound, PermissionDenied, translated

if TYPE_CHECKING:
    from gcpmlops.clients import Clients

_TOO_MUCH = ("roles/owner", "roles/editor")
_PREDICTION = "aiplatform.googleapis.com"


class Doctor:
    """Of one blueprint."""

    def __init__(self, clients: Clients, plan: Blueprint) -> None:
        self._clients, self._plan = clients, plan

    def examine(self) -> Diagnosis:
        """Everything, in the order in which it is mended. Without credentials or project there is no more to see."""
        first = [machine.credentials(self._clients), *machine.libraries()]
        if first[0].status == "ERROR":
            return Diagnosis(tuple(first))
        project = self._project()
        first += [machine.clock(self._clients), project]
        if project.status == "ERROR":
            return Diagnosis(tuple(first))
        survey = Surveyor(self._clients, self._plan).survey()
        return Diagnosis((*first, *self._of(survey)))

    def _of(self, survey: Survey) -> Iterator[Finding]:
        yield self._billing(survey)
        yield from self._location(survey)
        yield from self._steps(survey)
        yield from self._disabled(survey)
        yield from self._agents(survey)
        yield from self._excess(survey)
        yield from self._caller()
        yield from self._unseen(survey)
        for what, error in survey.unread.items():
            if what != "billing":
                yield self._unreadable(what, error)

    def _project(self) -> Finding:
        name = f"projects/{self._plan.project}"
        try:
            with translated(name):
                found = self._clients.projects.get_project(name=name, **self._clients.idempotent)
        except (NotFound, PermissionDenied) as error:  # the cloud does not tell which of them it is
            return bad(name, error.message, self._way_in(seen=isinstance(error, PermissionDenied)))
        except GcpMlopsError as error:
            return Finding("ERROR", name, error.message, (), error.next_step, "everybody")
        if found.state.name != "ACTIVE":
            undelete = commands.Command(f"gcloud projects undelete {self._plan.project}", "roles/owner")
            return bad(name, f"is {found.state.name}", undelete)
        self._number = found.name.removeprefix("projects/")
        return good(name, f"number {self._number}")

    def _way_in(self, *, seen: bool) -> commands.Command:
        """To a project that may be there, for others to see, or not at all."""
        create = commands.create_project(self._plan.project)
        if not seen:
            return create
        let_in = commands.grant(f"projects/{self._plan.project}", "roles/browser", self._member)
        who = f"{let_in.who} where it is there, otherwise {create.who}"
        return commands.Command(f"{let_in.line} || {create.line}", who)

    @property
    def _member(self) -> str:
        return commands.member_of(self._clients.caller)

    def _billing(self, survey: Survey) -> Finding:
        if survey.billing is None:
            return odd("billing", "can't be seen by this caller: whether somebody pays is not known")
        if survey.billing:
            return good("billing", "somebody pays")
        command = commands.link_billing(self._plan.project, open_billing_account(self._clients))
        return bad("billing", f"nobody pays for {self._plan.project}", command)

    def _location(self, survey: Survey) -> Iterator[Finding]:
        if _PREDICTION in survey.enabled:
            yield self._supported()
        wanted = self._plan.location.lower()
        for name, place in survey.locations.items():
            if place and place not in (wanted, "us", "eu", "nam4", "eur4"):
                text = f"{name} is in {place}, the work in {wanted}: reads cross regions"
                command = commands.nearer(name, place, wanted)
                yield odd("location", text, command.line, command.who)

    def _supported(self) -> Finding:
        try:
            check_location(self._clients, self._plan)
        except GcpMlopsError as error:
            command = commands.work_in(nearest_location(self._clients, self._plan))
            return bad("location", f"Vertex AI is not in {self._plan.location}: {error.message}", command)
        return good("location", f"Vertex AI is in {self._plan.location}")

    def _steps(self, survey: Survey) -> Iterator[Finding]:
        """What `gcpmlops init` would make."""
        steps = missing(self._plan, survey)
        unread = {*survey.unread, *survey.unseen}
        for step in steps:
            resource = step.grant.resource if step.grant else step.name
            if not unread & {resource, f"policy of {resource}", f"{step.kind}s"}:
                text = "is not enabled" if step.kind == "API" else "is missing"
                yield bad(f"{step.kind} {step.name}", text + _for(step), step.command, *self._needed_by(step))
        whole = {"APIs": survey.enabled, "service accounts": survey.accounts, "resources": survey.locations}
        for what, found in whole.items():
            yield good(what, f"{len(found)} of those that are planned are there")
        kept = len(self._plan.grants) - sum(step.kind == "role" for step in steps)
        yield good("roles", f"{kept} of {len(self._plan.grants)} are given")

    def _unreadable(self, what: str, error: GcpMlopsError) -> Finding:
        """The role that lets the caller look, on what it looks at."""
        text, role = f"can't be read: {error.message}", getattr(error, "role", "")
        if not role:
            return odd(what, text, error.next_step, "everybody")
        thing = what.removeprefix("policy of ")
        named = "/" in thing or thing.startswith(f"{self._plan.project}.")
        command = commands.grant(thing if named else f"projects/{self._plan.project}", role, self._member)
        return odd(what, text, command.line, command.who)

    def _unseen(self, survey: Survey) -> Iterator[Finding]:
        """What is behind an API that is not enabled: it may be there, or be missing."""
        behind: dict[str, list[str]] = defaultdict(list)
        for what, error in survey.unseen.items():
            behind[getattr(error, "fix", "")].append(what)
        for fix, things in behind.items():
            named = ", ".join(things[:3]) + (f" and {len(things) - 3} more" if len(things) > 3 else "")
            line = f"{fix} --project={self._plan.project}"
            yield odd("unseen", f"{named}: not to be seen before their API is enabled", line, commands.ENABLERS)

    def _needed_by(self, step: Step) -> tuple[Action, ...]:
        """The actions that fail without it."""
        if step.kind == "API":
            name = step.name.partition(".")[0]
            return tuple(action for action in self._plan.actions if name in APIS[action])
        if step.grant is None:
            return ()
        account = step.grant.member.partition(":")[2].partition("@")[0].removeprefix(f"{self._plan.name}-")
        role = step.grant.role.removeprefix("roles/")
        found = (rule.action for rule in RULES if (rule.account, rule.role) == (account, role))
        return tuple(action for action in dict.fromkeys(found) if action in self._plan.actions)

    def _disabled(self, survey: Survey) -> Iterator[Finding]:
        for email, account in survey.accounts.items():
            if account.disabled:
                command = commands.enable_account(self._plan.project, email)
                yield bad(f"service account {email}", "is disabled: it gets no tokens", command)

    def _agents(self, survey: Survey) -> Iterator[Finding]:
        resource = f"projects/{self._plan.project}"
        bindings = survey.bindings.get(resource, set())
        if f"policy of {resource}" in survey.unread:
            return
        for api, (_, role, actions) in agents.AGENTS.items():
            planned = [action for action in actions if action in self._plan.actions]
            who = agents.member(api, self._number)
            if planned and api in survey.enabled and (role, who) not in bindings:
                agent, fix = commands.create_agent(self._plan.project, api), commands.grant(resource, role, who)
                both = commands.Command(f"{agent.line} && {fix.line}", f"{agent.who}, {fix.who}")
                yield bad(f"service agent {who.partition(':')[2]}", f"has no {role}", both, *planned)

    def _excess(self, survey: Survey) -> Iterator[Finding]:
        """Roles of the set-up's accounts that nothing planned needs."""
        wanted = {(grant.resource, grant.role, grant.member) for grant in self._plan.grants}
        own = {f"serviceAccount:{email}" for email in self._plan.accounts.values()}
        for resource, bindings in survey.bindings.items():
            for role, member in sorted(bindings):
                if member in own and (resource, role, member) not in wanted:
                    much = "far more than" if role in _TOO_MUCH else "a role that"
                    text = f"{member.partition(':')[2]} has {role} on {resource}: {much} what is planned needs"
                    command = commands.revoke(resource, role, member)
                    yield odd("roles", text.replace("a role that what", "not what"), command.line, command.who)

    def _caller(self) -> Iterator[Finding]:
        """Whether the caller may do each planned action itself, or act as the account that may."""
        project = f"projects/{self._plan.project}"
        needed: dict[str, list[Action]] = defaultdict(list)
        for rule in RULES:
            if rule.account == "delivery" and rule.on == "project" and rule.action in self._plan.actions:
                needed[rule.permission].append(rule.action)
        try:
            with translated(project):
                allowed = self._allowed(self._clients.projects, project, list(needed))
        except GcpMlopsError as error:
            yield odd("caller", f"its permissions can't be read: {error.message}")
            return
        lacking = {name: actions for name, actions in needed.items() if name not in allowed}
        if not lacking:
            yield good("caller", f"{self._clients.caller} may do what is planned itself")
        elif self._may_impersonate():
            delivery = self._plan.email("delivery")
            yield good("caller", f"{self._clients.caller} may act as {delivery} (impersonate_service_account)")
        else:
            yield self._powerless(lacking)

    def _powerless(self, lacking: dict[str, list[Action]]) -> Finding:
        caller, delivery = self._clients.caller, self._plan.email("delivery")
        resource = f"projects/{self._plan.project}/serviceAccounts/{delivery}"
        command = commands.grant(resource, "roles/iam.serviceAccountTokenCreator", self._member)
        actions = dict.fromkeys(action for found in lacking.values() for action in found)
        text = f"{caller} lacks {', '.join(sorted(lacking))}, and may not act as {delivery}"
        return bad("caller", text, command, *actions)

    def _may_impersonate(self) -> bool:
        name = f"projects/{self._plan.project}/serviceAccounts/{self._plan.email('delivery')}"
        permission = "iam.serviceAccounts.getAccessToken"
        try:
            with translated(name):
                return permission in self._allowed(self._clients.iam, name, [permission])
        except GcpMlopsError:  # it isn't there, or can't be asked: then it can't be acted as
            return False

    def _allowed(self, client: Any, resource: str, permissions: list[str]) -> set[str]:
        request = {"resource": resource, "permissions": permissions}
        return set(client.test_iam_permissions(request=request, **self._clients.idempotent).permissions)


def _for(step: Step) -> str:
    """What a role is for."""
    return f": without it no {step.grant.permission} ({step.grant.why})" if step.grant else ""
