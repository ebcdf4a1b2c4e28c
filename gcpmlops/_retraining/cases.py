"""Decision cases: what a trigger saw, for somebody to approve, decline or put off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gcpmlops import _html
from gcpmlops.exceptions import FailedPrecondition, NotFound

OPEN, APPROVED, DECLINED, SNOOZED = "OPEN", "APPROVED", "DECLINED", "SNOOZED"


@dataclass(frozen=True)
class Case:
    """One proposal to retrain.

    Attributes:
        state: OPEN, APPROVED, DECLINED or SNOOZED (until `until`; then it is OPEN again).
        why: what the trigger saw, in words; evidence: in figures.
        who, reason: of the decision.
        seen: how often the trigger has seen the same since.
    """

    id: str
    state: str
    opened: datetime
    trigger: Mapping[str, Any]
    why: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    who: str = ""
    reason: str = ""
    decided: datetime | None = None
    until: datetime | None = None
    run: str = ""
    seen: int = 1

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Case:
        """As JSON has it."""
        times = {name: _time(given.get(name)) for name in ("opened", "decided", "until")}
        return cls(**{**given, **times})

    def to_dict(self) -> dict[str, Any]:
        """The other way."""
        plain = dict(vars(self))
        return plain | {name: getattr(self, name).isoformat() for name in ("opened", "decided", "until")
                        if getattr(self, name)}  # fmt: skip

    def at(self, now: datetime) -> str:
        """Its state then."""
        return OPEN if self.state == SNOOZED and self.until is not None and now >= self.until else self.state

    def __str__(self) -> str:
        decided = f" by {self.who}: {self.reason}" if self.who else ""
        return f"{self.id}  {self.state}  {self.why}{decided}"

    def _repr_html_(self) -> str:
        about = {
            "opened": self.opened,
            "why": self.why,
            "who": self.who,
            "reason": self.reason,
            "until": self.until or "",
        }
        return _html.card(f"{self.id}: {self.state}", about)


def _time(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def open_case(old: Mapping[str, Any] | None, case_id: str, retraining: str) -> Case:
    """The case that is to be decided. Raises NotFound, FailedPrecondition where it is decided already."""
    if old is None:
        hint = f"See the cases with `gcpmlops retraining cases {retraining}`."
        raise NotFound(f"there is no case {case_id!r} of {retraining}", resource=case_id, next_step=hint)
    case = Case.from_dict(old)
    if case.state in (APPROVED, DECLINED):
        raise FailedPrecondition(f"{case_id} was {case.state} by {case.who} already: {case.reason}", resource=case_id)
    return case
