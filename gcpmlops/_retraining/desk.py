"""Decides what a call to a retraining leads to: nothing, an alert, a case, a refusal with its reason, or a run."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from gcpmlops._retraining import cases, limits
from gcpmlops._retraining.cases import Case
from gcpmlops._retraining.claim import ClaimedError, claimed
from gcpmlops._retraining.ledger import Ledger
from gcpmlops._retraining.look import Look, Lookout
from gcpmlops._retraining.recipe import AUTO, PROPOSE
from gcpmlops._retraining.run import FAILED, UNDER_WAY, Modules, Run, new_record
from gcpmlops._retraining.triggers import Trigger, to_dict
from gcpmlops.exceptions import GcpMlopsError

NOTHING, REFUSED, DATA_ALERT, PROPOSED = "NOTHING", "REFUSED", "DATA_ALERT", "PROPOSED"


@dataclass(frozen=True)
class Decision:
    """What a call led to: NOTHING, REFUSED, DATA_ALERT, PROPOSED, or the outcome of a run, and why.

    FAILED without a run: the trigger could not be looked at.
    """

    decision: str
    why: str
    run: str = ""
    case: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As the function replies."""
        return {key: value for key, value in vars(self).items() if value}

    def __str__(self) -> str:
        return f"{self.decision}: {self.why}"


class Desk:
    """Decides, and has done what was decided.

    Args:
        seconds: what a call may take; a run that takes longer is gone on with by the next one.
        ticking: told whether something is left to do, before a run begins and after it: whoever is killed meanwhile
            is followed by somebody else.
    """

    def __init__(
        self,
        ledger: Ledger,
        lookout: Lookout,
        modules: Modules,
        *,
        seconds: float | None,
        ticking: Callable[[bool], None],
    ) -> None:
        self._ledger = ledger
        self._lookout = lookout
        self._modules = modules
        self._seconds = seconds
        self._ticking = ticking
        self._recipe = ledger.recipe()

    def called(self, trigger: Trigger, incident: Mapping[str, Any]) -> Decision:
        """A trigger's turn to be looked at."""
        now = self._ledger.now()
        try:
            look = self._lookout.look(trigger, self._recipe, now=now, since=self._since(), incident=incident)
        except GcpMlopsError as error:
            why = f"the trigger {trigger.kind} could not be looked at: {error.message.partition(chr(10))[0]}"
            self._ledger.say("LOOK_FAILED", why, trigger=to_dict(trigger), error=str(error))
            return Decision(FAILED, why)
        if look.broken:
            self._ledger.say("DATA_ALERT", look.why, trigger=to_dict(trigger), evidence=look.evidence)
            return Decision(DATA_ALERT, look.why)
        if not look.retrain:
            return Decision(NOTHING, look.why)
        if self._recipe.mode == PROPOSE:
            return self._propose(trigger, look, now)
        return self.start(to_dict(trigger), look.why, look.evidence)

    def work(self) -> Decision:
        """What is left to do: a run that was not ended, an approved case, a request."""
        if (left := self._unfinished()) is not None:
            return self._guarded(f"run {left['id']}", lambda: self._go(left))
        for case in self._approved():
            return self.start(case.trigger, f"{case.why}; approved by {case.who}: {case.reason}", {}, case=case)
        for asked in self._ledger.all("requests"):
            if self._ledger.take(f"requests/{asked['id']}"):
                return self.start({"kind": "request"}, asked["why"], {}, force=asked["force"], who=asked["who"])
        self._ticking(False)
        return Decision(NOTHING, "nothing is left to do")

    @property
    def is_done(self) -> bool:
        """Whether `work` would find nothing."""
        return self._unfinished() is None and not self._approved() and not self._ledger.all("requests")

    def start(
        self,
        trigger: Mapping[str, Any],
        why: str,
        evidence: Mapping[str, Any],
        *,
        force: bool = False,
        case: Case | None = None,
        who: str = "",
    ) -> Decision:
        """A run, where nothing is against it; `force` and an approved case leave out cool-down and budget.

        One that was interrupted goes first, whatever set this one off.
        """
        run_id = f"{self._ledger.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"

        def begin() -> Decision:
            if (left := self._unfinished()) is not None:
                return self._go(left)
            now, runs = self._ledger.now(), self._ledger.all("runs")
            if not (force or case) and (against := limits.refusal(self._recipe, runs, now)):
                return self._refuse(trigger, why, against)
            self._ticking(True)
            record = new_record(run_id, now=now, trigger=trigger, why=why)
            record["mode"] = AUTO if case else self._recipe.mode
            self._ledger.put(f"runs/{run_id}", record)
            if case is not None:
                self._change(case, run=run_id)
            self._ledger.say("TRIGGERED", why, run=run_id, who=who, trigger=dict(trigger), evidence=dict(evidence))
            return self._go(record)

        return self._guarded(f"run {run_id}", begin, trigger=trigger, why=why)

    def decide(self, case_id: str, state: str, *, who: str, reason: str, until: datetime | None = None) -> Case:
        """Somebody's decision about an open case."""
        now = self._ledger.now()

        def new(old: dict[str, Any] | None) -> dict[str, Any]:
            case = cases.open_case(old, case_id, self._recipe.name)
            return replace(case, state=state, who=who, reason=reason, decided=now, until=until).to_dict()

        decided = Case.from_dict(self._ledger.change(f"cases/{case_id}", new))
        text = f"{case_id}: {reason}" + (f" (until {until:%Y-%m-%d %H:%M} UTC)" if until else "")
        self._ledger.say(f"CASE_{state}", text, who=who, case=case_id, why=decided.why)
        return decided

    def cases(self) -> list[Case]:
        """All, the oldest first; a snoozed one whose time is over is open again."""
        now = self._ledger.now()
        found = map(Case.from_dict, self._ledger.all("cases"))
        return [replace(case, state=case.at(now)) for case in found]

    def _go(self, record: dict[str, Any]) -> Decision:
        recipe = replace(self._recipe, mode=record.get("mode", self._recipe.mode))
        run = Run(record["id"], recipe, self._ledger, self._modules, record, self._seconds)
        outcome = run.go()
        return Decision(outcome, run.record["why"], run=record["id"])

    def _guarded(
        self, about: str, do: Callable[[], Decision], *, trigger: Mapping[str, Any] | None = None, why: str = ""
    ) -> Decision:
        try:
            with claimed(self._ledger, about):
                decision = do()
            if decision.run:
                self._ticking(not self.is_done)
            return decision
        except ClaimedError as error:
            return self._refuse(trigger, why, error.message) if trigger else Decision(REFUSED, error.message)

    def _refuse(self, trigger: Mapping[str, Any], why: str, against: str) -> Decision:
        """Said once on the timeline, however often the same is asked and refused for the same reason."""
        said = {"trigger": dict(trigger), "against": against}
        if self._ledger.get("refused") != said:
            self._ledger.put("refused", said)
            self._ledger.say("REFUSED", f"{why}; but {against}", trigger=dict(trigger))
        return Decision(REFUSED, against)

    def _propose(self, trigger: Trigger, look: Look, now: datetime) -> Decision:
        asked = to_dict(trigger)
        for case in reversed(self.cases()):
            if case.trigger != asked:
                continue
            if case.state in (cases.OPEN, cases.SNOOZED):
                self._change(case, seen=case.seen + 1, why=look.why, evidence=dict(look.evidence))
                return Decision(PROPOSED, f"{look.why}; {case.id} is {case.state}", case=case.id)
            since = case.decided if case.state == cases.DECLINED else case.opened
            if since is not None and limits.rests(self._recipe, since, now):
                return Decision(NOTHING, f"{look.why}; but {case.id} was {case.state} by {case.who}: {case.reason}")
        made = Case(f"case-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", cases.OPEN, now, asked, look.why, look.evidence)
        self._ledger.put(f"cases/{made.id}", made.to_dict())
        self._ledger.say("CASE_OPENED", f"{made.id}: {look.why}", case=made.id, evidence=dict(look.evidence))
        return Decision(PROPOSED, look.why, case=made.id)

    def _change(self, case: Case, **changes: Any) -> None:
        self._ledger.change(f"cases/{case.id}", lambda old: {**(old or case.to_dict()), **changes})

    def _approved(self) -> list[Case]:
        return [case for case in self.cases() if case.state == cases.APPROVED and not case.run]

    def _unfinished(self) -> dict[str, Any] | None:
        return next((run for run in self._ledger.all("runs") if run["outcome"] == UNDER_WAY), None)

    def _since(self) -> datetime:
        """The time of the data of the last run; of the setting-up where there was none."""
        runs = self._ledger.all("runs")
        known = runs[-1]["started"] if runs else (self._ledger.get("setup") or {})["at"]
        return datetime.fromisoformat(known)
