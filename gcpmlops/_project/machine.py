"""What `doctor` looks at on the caller's own side: credentials, clock, library versions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from gcpmlops._project.commands import Command, enable_account, grant, member_of
from gcpmlops._project.findings import Finding, bad, good, odd
from gcpmlops.exceptions import GcpMlopsError, PermissionDenied, Unavailable

if TYPE_CHECKING:
    from gcpmlops.clients import Clients

_SKEW = 60.0  # seconds that nobody minds
_REFUSED = 300.0  # seconds from which on Google refuses signed tokens
_LOGIN = "gcloud auth application-default login"


def credentials(clients: Clients) -> Finding:
    """Whose they are, and whether they get a token."""
    try:
        caller = clients.caller
        clients.now()  # a call that needs a token
    except Unavailable as error:
        return Finding("ERROR", "endpoint", error.message, fix="gcpmlops config show", who="everybody")
    except PermissionDenied as error:  # whom to impersonate
        return bad("credentials", error.message, _let_impersonate(clients))
    except GcpMlopsError as error:
        return bad("credentials", error.message, _relief(clients, error.message))
    if clients.config.credentials_file and not clients.config.endpoint:
        text = f"{caller}, by the key file {clients.config.credentials_file}: keys get lost"
        return odd("credentials", text, f"{_LOGIN} --impersonate-service-account={caller}", "everybody")
    return good("credentials", caller)


def _let_impersonate(clients: Clients) -> Command:
    """For the one whose own credentials they are."""
    from gcpmlops._caller import email

    own, target = getattr(clients.credentials, "_source_credentials", None), clients.caller
    try:
        member = member_of(email(own)) if own is not None else "user:YOU"
    except GcpMlopsError:
        member = "user:YOU"  # nobody says whose they are
    project = re.search(r"@([\w-]+)\.iam\.gserviceaccount\.com$", target)
    account = f"projects/{project[1] if project else clients.config.require('project')}/serviceAccounts/{target}"
    return grant(account, "roles/iam.serviceAccountTokenCreator", member)


def _relief(clients: Clients, message: str) -> Command:
    """Where the account is disabled it is enabled; otherwise somebody logs in, and what was in the way is put away."""
    disabled = re.search(r"(\S+@([\w-]+)\.iam\.gserviceaccount\.com) is disabled", message)
    if disabled:
        return enable_account(disabled[2], disabled[1])
    found = clients.config.sources.get("credentials_file", "")
    variable = found.removeprefix("environment ")
    away = f"unset {variable} && " if variable != found else ""
    return Command(away + _LOGIN, "everybody")


def clock(clients: Clients) -> Finding:
    """How far this machine's clock is from the services'."""
    try:
        skew = (datetime.now(UTC) - clients.now()).total_seconds()
    except GcpMlopsError as error:
        return odd("clock", f"the services' time can't be read: {error.message}")
    if abs(skew) < _SKEW:
        return good("clock", f"{abs(skew):.0f} s from the services'")
    text = f"this machine's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the services'"
    if abs(skew) < _REFUSED or clients.config.endpoint:  # a local cloud's clock may be moved on purpose
        return odd("clock", text, "sudo timedatectl set-ntp true", "this machine's administrator")
    return Finding(
        "ERROR", "clock", f"{text}: tokens are refused", (), "sudo timedatectl set-ntp true",
        "this machine's administrator",
    )  # fmt: skip


def libraries() -> Iterator[Finding]:
    """Google's libraries against the versions that this one was made for."""
    from packaging.requirements import Requirement

    wanted = [Requirement(text) for text in metadata.requires("gcpmlops") or ()]
    wrong = []
    for requirement in wanted:
        if requirement.marker is None and requirement.name.startswith("google-"):
            found = _version(requirement.name)
            if not found:
                wrong.append(f"{requirement.name} is not installed, made for {requirement.specifier}")
            elif not requirement.specifier.contains(found, prereleases=True):
                wrong.append(f"{requirement.name} is {found}, made for {requirement.specifier}")
    for text in wrong:
        yield odd("libraries", text, "pip install --upgrade gcpmlops", "everybody")
    if not wrong:
        yield good("libraries", f"gcpmlops {metadata.version('gcpmlops')} and Google's clients fit")


def _version(name: str) -> str:
    """What is installed; empty for nothing."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
