"""What a look at a project finds: good or bad, what mends it, and who may do that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gcpmlops import _html
from gcpmlops._project.commands import Command

Status = Literal["OK", "WARNING", "ERROR"]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        status: OK; WARNING: it works, but not as it should; ERROR: a planned action fails.
        subject: what was looked at.
        message: what was seen.
        actions: the planned actions that need it; empty: all.
        fix: the command that mends it; empty where there is nothing to mend.
        who: the role that whoever runs the fix needs.
    """

    status: Status
    subject: str
    message: str
    actions: tuple[str, ...] = ()
    fix: str = ""
    who: str = ""


def good(subject: str, message: str) -> Finding:
    """Nothing to mend."""
    return Finding("OK", subject, message)


def bad(subject: str, message: str, command: Command, *actions: str) -> Finding:
    """A planned action fails."""
    return Finding("ERROR", subject, message, actions, command.line, command.who)


def odd(subject: str, message: str, fix: str = "", who: str = "") -> Finding:
    """It works, but not as it should."""
    return Finding("WARNING", subject, message, (), fix, who)


@dataclass(frozen=True)
class Diagnosis:
    """All findings of one look."""

    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """What keeps a planned action from working."""
        return tuple(finding for finding in self.findings if finding.status == "ERROR")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """What is not as it should be."""
        return tuple(finding for finding in self.findings if finding.status == "WARNING")

    @property
    def healthy(self) -> bool:
        """Whether there is no error."""
        return not self.errors

    def _repr_html_(self) -> str:
        rows = {f"{finding.status}: {finding.subject}": finding.message for finding in self.findings}
        return _html.card("Diagnosis", rows)
