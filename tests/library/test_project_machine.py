"""What `doctor` says about the caller's own side, with the command that mends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gcpmlops._project import machine
from gcpmlops.config import Config
from gcpmlops.exceptions import GcpMlopsError, PermissionDenied, Unauthenticated, Unavailable

ACCOUNT = "ml-delivery@my-project.iam.gserviceaccount.com"


class Caller:
    """Clients of somebody whose credentials may not work."""

    caller = ACCOUNT

    def __init__(self, *, failure: GcpMlopsError | None = None, ahead: float = 0.0, **sources: str) -> None:
        self.config = Config(project="my-project", credentials_file="key.json", sources=sources)
        self._failure, self._ahead = failure, ahead
        self.credentials: Any = type("Key", (), {"service_account_email": ACCOUNT})()

    def now(self) -> datetime:
        if self._failure:
            raise self._failure
        return datetime.now(UTC) - timedelta(seconds=self._ahead)


@pytest.mark.parametrize(
    ("failure", "source", "subject", "fix"),
    [
        (Unauthenticated("none"), "", "credentials", "gcloud auth application-default login"),
        (
            Unauthenticated("expired"), "environment GOOGLE_APPLICATION_CREDENTIALS", "credentials",
            "unset GOOGLE_APPLICATION_CREDENTIALS && gcloud auth application-default login",
        ),
        (
            Unauthenticated(f"Service account {ACCOUNT} is disabled: no token"), "", "credentials",
            f"gcloud iam service-accounts enable {ACCOUNT} --project=my-project",
        ),
        (Unavailable("nothing answers"), "", "endpoint", "gcpmlops config show"),
    ],
)  # fmt: skip
def test_credentials_that_get_no_token(failure: GcpMlopsError, source: str, subject: str, fix: str) -> None:
    found = machine.credentials(Caller(failure=failure, credentials_file=source))  # type: ignore[arg-type]
    assert (found.status, found.subject, found.fix) == ("ERROR", subject, fix)
    assert found.who


def test_whom_one_may_not_impersonate_names_oneself() -> None:
    clients = Caller(failure=PermissionDenied(f"{ACCOUNT} may not be impersonated"))
    own = type("Own", (), {"service_account_email": "me@other.iam.gserviceaccount.com"})()
    clients.credentials = type("Impersonated", (), {"_source_credentials": own})()
    found = machine.credentials(clients)  # type: ignore[arg-type]
    assert found.fix == (
        f"gcloud iam service-accounts add-iam-policy-binding {ACCOUNT} --member=serviceAccount:me@other.iam."
        "gserviceaccount.com --role=roles/iam.serviceAccountTokenCreator --condition=None --project=my-project"
    )
    assert found.who == "roles/iam.serviceAccountAdmin"


@pytest.mark.parametrize(("ahead", "status"), [(1, "OK"), (-100, "WARNING"), (400, "ERROR"), (-4000, "ERROR")])
def test_a_clock_that_is_wrong(ahead: float, status: str) -> None:
    found = machine.clock(Caller(ahead=ahead))  # type: ignore[arg-type]
    assert found.status == status
    assert ("ahead of" if ahead > 0 else "behind") in found.message or status == "OK"
    assert bool(found.fix) == (status != "OK")


@pytest.mark.parametrize(
    ("installed", "message"), [(lambda _: "0.1", "is 0.1, made for"), (lambda _: "", "is not installed, made for")]
)
def test_libraries_of_other_versions(
    monkeypatch: pytest.MonkeyPatch, installed: Callable[[str], str], message: str
) -> None:
    monkeypatch.setattr(machine, "_version", installed)
    found = list(machine.libraries())
    assert found
    assert all(message in finding.message and finding.fix == "pip install --upgrade gcpmlops" for finding in found)
