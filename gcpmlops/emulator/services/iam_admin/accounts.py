"""Which service accounts there are: made, disabled, deleted and brought back."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from google.api_core import exceptions
from google.cloud.iam_admin_v1 import types

from gcpmlops.emulator.kernel.auth import Authenticator
from gcpmlops.emulator.kernel.names import parse
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.iam_admin.members import Members
from gcpmlops.emulator.services.iam_admin.user_keys import UserKeys
from gcpmlops.emulator.settings import project_number

_ID = re.compile(r"[a-z]([-a-z0-9]{4,28}[a-z0-9])")
_USER_MADE = re.compile(r"[^@]+@(?P<domain>[^@]+)\.iam\.gserviceaccount\.com")
_DEFAULT = re.compile(r"(?P<number>\d+)-compute@developer\.gserviceaccount\.com")
_UNDELETED_FOR = timedelta(days=30)
_LONGEST = {"display_name": 100, "description": 256}  # characters


class Accounts:
    """All of them, by name ``projects/P/serviceAccounts/EMAIL``.

    A project is made with the account of Compute Engine, as soon as somebody asks for it; the emulator's own project
    has the emulator's account as well. Who holds a token of an account that is gone is refused.

    Args:
        projects: finds a project's id by id or number; raises NotFound or PermissionDenied.
        known: tells whether a project of that id is here.
        rename: renames a member in policies that other stores keep (before, after).
    """

    def __init__(
        self,
        context: Context,
        authenticator: Authenticator,
        *,
        projects: Callable[[str], str],
        known: Callable[[str], bool],
        rename: Callable[[str, str], None] = lambda _, __: None,
    ) -> None:
        self.context = context
        self.authenticator = authenticator
        self.rows = context.store.collection(types.ServiceAccount)
        self._graves = context.store.collection(types.UndeleteServiceAccountResponse)
        self._projects = projects
        self._known = known
        self._members = Members(context.store, rename)
        self.keys = UserKeys(context)

    def create(self, project: str, account_id: str, wanted: types.ServiceAccount) -> types.ServiceAccount:
        """Raises: InvalidArgument for an id or texts that are not allowed; AlreadyExists."""
        if not _ID.fullmatch(account_id):
            rule = "6 to 30 lower-case letters, digits and hyphens, a letter first, no hyphen last"
            raise invalid("account_id", f"{account_id!r} is not allowed: {rule}.")
        check_texts(wanted)
        owner = self._projects(project)
        made = self._made(owner, f"{account_id}@{_domain(owner)}.iam.gserviceaccount.com", wanted)
        try:
            self.rows.insert(made.name, made, parent=f"projects/{owner}")
        except exceptions.AlreadyExists:
            raise exceptions.AlreadyExists(
                f"Service account {account_id} already exists within project projects/{owner}."
            ) from None
        self.changed(made)
        return made

    def get(self, name: str) -> types.ServiceAccount:
        """By email or unique id, in a project or (``-``) in whichever it is.

        Raises: NotFound.
        """
        found = self.find(name)
        if found is None:
            raise exceptions.NotFound(f"Service account {name} does not exist.")
        return found

    def find(self, name: str) -> types.ServiceAccount | None:
        """The same, None where there is none."""
        given = parse("projects/{project}/serviceAccounts/{account}", name)
        project, account = given["project"], given["account"]
        if "@" not in account:
            return next((each for each in self._of(project) if each.unique_id == account), None)
        owner = self.project_of(account) or (project if project != "-" else "")
        if project not in ("-", owner, str(project_number(owner)) if owner else ""):
            return None
        return self._stored(owner, account)

    def of(self, project: str) -> list[types.ServiceAccount]:
        """Those of a project, by id or number. Raises what there is no such project for."""
        owner = self._projects(project)
        self._ensure_defaults(owner)
        found: list[types.ServiceAccount] = self.rows.list(f"projects/{owner}")
        return found

    def change(self, name: str, change: Callable[[types.ServiceAccount], Any]) -> types.ServiceAccount:
        """An update of one account, which then has another etag. Raises NotFound."""
        account = self.get(name)

        def run(stored: types.ServiceAccount) -> None:
            change(stored)
            stored.etag = new_etag()

        changed: types.ServiceAccount = self.rows.update(account.name, run)
        self.changed(changed)
        return changed

    def delete(self, name: str) -> None:
        """Policies go on to name it, as deleted. Raises NotFound; FailedPrecondition for the emulator's own."""
        account = self.get(name)
        if account.email == self.authenticator.email:
            raise exceptions.FailedPrecondition(
                f"{account.email} is the emulator's own account: it is what the clients' key file is of."
            )
        self.rows.delete(account.name)
        self.keys.forget(account.name)
        account.etag = self.context.clock.now().isoformat().encode()  # of a deleted account: when that was
        self._graves.put(_grave(account), types.UndeleteServiceAccountResponse(restored_account=account))
        if self.authenticator.system_keys is not None:
            self.authenticator.system_keys.forget(account.email)
        self._members.bury(account.email, account.unique_id)
        self.changed(account)

    def undelete(self, name: str) -> types.ServiceAccount:
        """By the unique id. Raises NotFound after 30 days; FailedPrecondition where its email is taken."""
        given = parse("projects/{project}/serviceAccounts/{account}", name)
        dead = next((each for each in self._dead() if each.unique_id == given["account"]), None)
        if dead is None or self._is_too_old(dead):
            raise exceptions.NotFound(
                f"Service account {name} does not exist: one that was deleted in the last 30 days is found by its "
                "unique id."
            )
        if self.rows.find(dead.name) is not None:
            raise exceptions.FailedPrecondition(f"A service account {dead.email} has been made since.")
        self._graves.delete(_grave(dead))
        dead.etag = new_etag()
        self.rows.put(dead.name, dead, parent=f"projects/{dead.project_id}")
        self._members.raise_(dead.email, dead.unique_id)
        self.changed(dead)
        return dead

    def changed(self, account: types.ServiceAccount) -> None:
        """Tokens and decisions about it are looked at again."""
        self.authenticator.forget(account.email)
        self.context.access.changed()

    def check(self, email: str) -> None:
        """Raises: Unauthenticated for an account that is deleted or disabled."""
        account = self.rows.find(f"projects/{self.project_of(email)}/serviceAccounts/{email}")
        if account is None and any(each.email == email for each in self._dead()):
            raise exceptions.Unauthenticated(f"Service account {email} is deleted: its credentials are not valid.")
        if account is not None and account.disabled:
            raise exceptions.Unauthenticated(f"Service account {email} is disabled: its credentials are not valid.")

    def check_usable(self, name: str) -> None:
        """Raises: InvalidArgument for one that is deleted, FailedPrecondition for one that is disabled."""
        email = name.rpartition("/")[2]
        account = self.rows.find(f"projects/{self.project_of(email)}/serviceAccounts/{email}")
        if account is None and any(each.email == email for each in self._dead()):
            raise exceptions.InvalidArgument(f"Service account {email} does not exist: it is deleted.")
        if account is not None and account.disabled:
            raise exceptions.FailedPrecondition(f"Service account {email} is disabled: enable it first.")

    def public_key(self, email: str, key_id: str) -> str:
        """Of a key that a user has. Raises: LookupError for one that is not there, not valid, or disabled."""
        return self.keys.public(f"projects/{self.project_of(email)}/serviceAccounts/{email}/keys/{key_id}")

    def public_keys(self, email: str) -> dict[str, str]:
        """Of all keys that users have and that are valid, by id."""
        return self.keys.valid(f"projects/{self.project_of(email)}/serviceAccounts/{email}")

    def check_member(self, member: str) -> None:
        """Raises: InvalidArgument for a service account that should be in a project here, and is not."""
        kind, _, email = member.partition(":")
        project = self.project_of(email) if kind == "serviceAccount" else ""
        if project and self._known(project) and self._stored(project, email) is None:
            raise exceptions.InvalidArgument(f"Service account {email} does not exist.")

    def project_of(self, email: str) -> str:
        """The id of the project that an account's email names; empty where it names none."""
        if (default := _DEFAULT.fullmatch(email)) is not None:
            try:
                return self._projects(default["number"])
            except exceptions.GoogleAPICallError:
                return ""
        found = _USER_MADE.fullmatch(email)
        name, _, organisation = found["domain"].partition(".") if found else ("", "", "")
        return f"{organisation}:{name}" if organisation else name

    def _stored(self, project: str, email: str) -> types.ServiceAccount | None:
        name = f"projects/{project}/serviceAccounts/{email}"
        found: types.ServiceAccount | None = self.rows.find(name)
        if found is None and project and self._is_default(email):
            self._ensure_defaults(project)
            found = self.rows.find(name)
        return found

    def _of(self, project: str) -> list[types.ServiceAccount]:
        if project != "-":
            return self.of(project)
        found: list[types.ServiceAccount] = self.rows.list()
        return found

    def _dead(self) -> list[types.ServiceAccount]:
        return [each.restored_account for each in self._graves.list()]

    def _is_too_old(self, account: types.ServiceAccount) -> bool:
        deleted = datetime.fromisoformat(account.etag.decode())
        return self.context.clock.now() - deleted > _UNDELETED_FOR

    def _is_default(self, email: str) -> bool:
        return email == self.authenticator.email or _DEFAULT.fullmatch(email) is not None

    def _ensure_defaults(self, project: str) -> None:
        """Those that nobody makes; one that was deleted stays so."""
        wanted = {f"{project_number(project)}-compute@developer.gserviceaccount.com": "Compute Engine default"}
        if project == self.context.settings.project:
            wanted[self.authenticator.email] = "gcpmlops emulator"
        dead = {each.email for each in self._dead()}
        for email, title in wanted.items():
            if email not in dead and self.rows.find(f"projects/{project}/serviceAccounts/{email}") is None:
                made = self._made(project, email, types.ServiceAccount(display_name=f"{title} service account"))
                self.rows.put(made.name, made, parent=f"projects/{project}")

    def _made(self, project: str, email: str, wanted: types.ServiceAccount) -> types.ServiceAccount:
        own = self.authenticator.key_of(email)["client_id"] if email == self.authenticator.email else ""
        unique_id = str(own or 10**20 + secrets.randbelow(9 * 10**20) // 10)
        return types.ServiceAccount(
            name=f"projects/{project}/serviceAccounts/{email}",
            project_id=project,
            unique_id=unique_id,
            email=email,
            display_name=wanted.display_name,
            description=wanted.description,
            oauth2_client_id=unique_id,
            etag=new_etag(),
        )


def check_texts(account: types.ServiceAccount) -> None:
    """Raises: InvalidArgument for a display name or a description that is too long."""
    for field, most in _LONGEST.items():
        if len(getattr(account, field).encode()) > most:
            raise invalid(f"service_account.{field}", f"{most} bytes are the most.")


def new_etag() -> bytes:
    """As it changes with each update."""
    return secrets.token_bytes(6)


def _grave(account: types.ServiceAccount) -> str:
    return f"projects/{account.project_id}/serviceAccounts/{account.unique_id}"


def _domain(project: str) -> str:
    return ".".join(reversed(project.split(":")))  # example.com:name has accounts at name.example.com
