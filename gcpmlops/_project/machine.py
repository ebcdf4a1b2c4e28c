"""What `doctor` looks at on the caller's own side: credentials, clock, library versions."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

from gcpmlops._project.findings import Finding, good, odd
from gcpmlops.exceptions import GcpMlopsError, Unavailable

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
    except GcpMlopsError as error:
        return Finding("ERROR", "credentials", error.message, fix=_LOGIN, who="everybody")
    if clients.config.credentials_file and not clients.config.endpoint:
        text = f"{caller}, by the key file {clients.config.credentials_file}: keys get lost"
        return odd("credentials", text, f"{_LOGIN} --impersonate-service-account={caller}", "everybody")
    return good("credentials", caller)


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
            found = metadata.version(requirement.name)
            if not requirement.specifier.contains(found, prereleases=True):
                wrong.append(f"{requirement.name} is {found}, made for {requirement.specifier}")
    for text in wrong:
        yield odd("libraries", text, "pip install --upgrade gcpmlops", "everybody")
    if not wrong:
        yield good("libraries", f"gcpmlops {metadata.version('gcpmlops')} and Google's clients fit")
