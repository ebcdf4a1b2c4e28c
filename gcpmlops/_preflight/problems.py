"""One thing that would make a job fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gcpmlops.exceptions import PreflightFailed


@dataclass(frozen=True)
class Problem:
    """`kind` is import, input or argument; `where` FILE:LINE, or the setting; `fix` what to do about it."""

    kind: str
    what: str
    where: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.fix}"


def require(problems: Sequence[Problem]) -> None:
    """Raises PreflightFailed with all of them, if there are any."""
    if problems:
        raise PreflightFailed(problems)
