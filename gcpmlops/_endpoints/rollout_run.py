"""A rollout from beginning to end: claim, deploy without traffic, step by step, promote or put everything back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gcpmlops._durations import seconds_of, spoken
from gcpmlops._endpoints import history
from gcpmlops._endpoints.calls import EndpointCalls
from gcpmlops._endpoints.rollout import PROMOTED, ROLLED_BACK, STOPPED, Rollout, Step
from gcpmlops._endpoints.rollout_claim import Claim, Interference
from gcpmlops._endpoints.rollout_watch import Clock, Metrics, RolloutEvent, Watch
from gcpmlops._endpoints.strategies import BlueGreen, Canary, Measure
from gcpmlops._endpoints.traffic import NEW, nonzero, scaled
from gcpmlops.exceptions import DeadlineExceeded, GcpMlopsError, RolloutFailed

_SPARE = 600.0  # seconds by which a claim outlives what it is for


@dataclass(frozen=True)
class Plan:
    """What is to be deployed where."""

    endpoint: str
    """Full name."""
    title: str
    """The endpoint's display name."""
    model: str
    """The model's name with its version, for people."""
    deployed: Any
    """Google's DeployedModel."""
    samples: Sequence[Any] | None = None
    timeout: float | None = 1800
    force: bool = False


@dataclass(frozen=True)
class Tools:
    """What a rollout works with."""

    calls: EndpointCalls
    metrics: Metrics
    quality: Measure | None
    send: Callable[[str, Sequence[Any]], Any]
    """Sends instances to an endpoint; the Prediction."""
    report: Callable[[RolloutEvent], None]
    clock: Clock = field(default_factory=Clock)


class _Failed(Exception):  # noqa: N818 - carries the reasons to the one place that acts on them
    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = tuple(reasons)


class RolloutRun:
    """One rollout; `run` does it all."""

    def __init__(self, plan: Plan, strategy: Canary | BlueGreen, tools: Tools) -> None:
        self._plan = plan
        self._strategy = strategy
        self._tools = tools
        self._claim = Claim(tools.calls, plan.endpoint, now=tools.clock.now)
        self._baseline: dict[str, int] = {}
        self._new = ""
        self._steps: list[Step] = []
        self._notes: list[str] = []

    def run(self) -> Rollout:
        """The rollout, promoted.

        Raises RolloutFailed once the traffic is back, what deploying raises (nothing has changed then), and
        FailedPrecondition while another deployment is under way.
        """
        deploying = 2 * (self._plan.timeout or 7200) + _SPARE  # a preview, too
        try:
            before = self._claim.take(seconds=deploying, force=self._plan.force)
            self._baseline = nonzero(before.traffic_split)
            self._advance()
        except Interference as exc:
            raise self._stopped(str(exc)) from exc
        except _Failed as exc:
            raise self._failed(exc.reasons) from exc
        except KeyboardInterrupt as exc:
            exc.add_note(self._interrupted())
            raise
        except BaseException as exc:
            if not self._new:  # it never came to serve: what happened says why
                self._let_go()
                if isinstance(exc, DeadlineExceeded):
                    exc.next_step = "It was not stopped, and may still come up, without traffic."
                raise
            raise self._failed((str(exc) or type(exc).__name__,)) from exc
        return self._promoted()

    def _advance(self) -> None:
        if not self._baseline:
            self._deploy({NEW: 100})
            self._notes.append("Nothing served before: it got all traffic at once.")
            return
        watch = self._watch()
        if self._strategy.watches:
            watch.look_back()
        if isinstance(self._strategy, BlueGreen):
            self._preview(self._strategy)
        self._deploy({})
        watch.new = self._new
        for percent in self._strategy.shares:
            self._step(percent, watch)

    def _watch(self) -> Watch:
        champion = max(self._baseline, key=lambda key: (self._baseline[key], key))
        return Watch(
            self._plan.endpoint,
            self._new,
            champion,
            self._strategy,
            self._tools.metrics,
            self._tools.clock,
            self._claim.check,
            self._probe,
            self._tools.quality,
            self._tools.report,
        )

    def _deploy(self, split: Mapping[str, int]) -> None:
        """With an empty split it gets no traffic, and nobody else's change of it is overwritten."""
        share = "with all traffic" if split else "without traffic"
        self._say("deploying", f"Deploying {self._plan.model} {share}")
        plan, what = self._plan, f"model {self._plan.model} on endpoint {self._plan.title}"
        made = self._tools.calls.deploy(
            plan.endpoint, deployed=plan.deployed, split=split, timeout=plan.timeout, what=what
        )
        self._new = made.id
        if split:
            self._claim.left({self._new: 100})
        self._say("deployed", f"Deployed as {self._new}")

    def _step(self, percent: int, watch: Watch) -> None:
        split = {self._new: percent, **scaled(self._baseline, 100 - percent)}
        self._claim.switch(split, seconds=self._strategy.longest + _SPARE)
        started = self._tools.clock.now()
        self._say("step", f"{percent} % of the traffic goes to {self._new}")
        if isinstance(self._strategy, BlueGreen):
            self._try_samples(self._plan.endpoint)
        watched = self._strategy.watches
        step = watch.step(percent, started) if watched else Step(percent, started, started)
        self._steps.append(step)
        self._say("passed" if step.passed else "failed", str(step))
        if not step.passed:
            raise _Failed(step.reasons)

    def _preview(self, strategy: BlueGreen) -> None:
        """Try the samples where nobody else sends anything."""
        if not self._plan.samples:
            self._notes.append("The model has no stored samples: it was not tested before the switch.")
        if not self._plan.samples or not strategy.preview:
            return
        self._say("testing", f"Testing {self._plan.model} on a preview endpoint")
        timeout = self._plan.timeout
        labels = {f"{history.PREFIX}preview-of": self._plan.endpoint.rpartition("/")[2]}
        name = self._tools.calls.create(f"{self._plan.title}-preview"[:128], labels=labels, timeout=timeout)
        try:
            self._tools.calls.deploy(name, deployed=self._plan.deployed, split={NEW: 100}, timeout=timeout)
            self._try_samples(name)
        finally:
            self._tools.calls.delete(name, timeout=timeout)

    def _try_samples(self, endpoint: str) -> None:
        if not self._plan.samples:
            return
        try:
            found = self._tools.send(endpoint, self._plan.samples)
        except GcpMlopsError as exc:
            raise _Failed([f"the stored samples failed: {exc.message}"]) from exc
        self._say("tested", f"{len(found)} predictions for the stored samples")

    def _probe(self, count: int) -> int:
        samples = list(self._plan.samples or ())
        for n in range(count if samples else 0):
            self._tools.send(self._plan.endpoint, [samples[n % len(samples)]])
        return count

    def _promoted(self) -> Rollout:
        keep = None if self._strategy.keep is None else seconds_of(self._strategy.keep, field="keep")
        endpoint = self._claim.release(promoted=True, keep=keep)
        kept = [each.id for each in history.serving(self._claim.before)]
        self._undeploy_all(endpoint, [*self._generation_before(), *(kept if keep == 0 else ())])
        if kept and keep != 0:
            until = "until you undeploy it" if keep is None else f"for {spoken(keep)} (`reap` undeploys it then)"
            self._notes.append(f"{', '.join(kept)} stays deployed without traffic for a rollback, {until}.")
        self._say("promoted", f"{self._plan.model} serves {self._plan.title}")
        return self._result(PROMOTED, (), endpoint)

    def _generation_before(self) -> list[str]:
        """What had been kept for a rollback until now."""
        known = history.noted_before(dict(self._claim.before.labels), self._plan.endpoint)
        return [each.id for each in known if each.id not in self._baseline]

    def _undeploy_all(self, endpoint: Any, ids: Sequence[str]) -> None:
        there = {row.id for row in endpoint.deployed_models if not endpoint.traffic_split.get(row.id)}
        for key in ids:
            if key in there and self._undeploy(key):
                self._notes.append(f"{key} was undeployed.")

    def _undeploy(self, key: str, *, wait: bool = True) -> bool:
        """Whether it could be; where it could not, a note says why."""
        try:
            self._tools.calls.undeploy(
                self._plan.endpoint, deployed_model_id=key, split={}, timeout=self._plan.timeout, wait=wait
            )
        except GcpMlopsError as exc:
            self._notes.append(f"{key} could not be undeployed: {exc.message}")
            return False
        return True

    def _failed(self, reasons: tuple[str, ...]) -> RolloutFailed:
        """Put the traffic back, at once; then the rest."""
        if problem := self._restored():
            return self._stopped(*reasons, problem)
        if self._new and self._strategy.on_failure == "undeploy":
            if self._undeploy(self._new):
                self._notes.append(f"{self._new} was undeployed.")
        elif self._new:
            self._notes.append(f"{self._new} stays deployed without traffic.")
        endpoint = self._let_go()
        return RolloutFailed(self._result(ROLLED_BACK, reasons, endpoint))

    def _restored(self) -> str:
        """Empty where the traffic is what it was; else why it is not."""
        if not self._baseline:
            return ""
        try:
            self._claim.switch(self._baseline, seconds=_SPARE)
        except (Interference, GcpMlopsError) as exc:
            return str(exc)
        self._say("restored", f"The traffic is what it was: {self._baseline}")
        return ""

    def _let_go(self) -> Any:
        """The endpoint, if it answers."""
        try:
            return self._claim.release(promoted=False)
        except GcpMlopsError as exc:
            self._notes.append(f"the endpoint could not be told that this deployment has ended: {exc.message}")
            return None

    def _stopped(self, *reasons: str) -> RolloutFailed:
        """Somebody else has the endpoint now, or it does not answer: touch nothing, say what is where."""
        if self._new:
            self._notes.append(f"{self._new} ({self._plan.model}) is still deployed.")
        try:
            endpoint = self._tools.calls.get(self._plan.endpoint)
        except GcpMlopsError as exc:
            self._notes.append(f"the endpoint cannot be read: {exc.message}")
            endpoint = None
        return RolloutFailed(self._result(STOPPED, reasons, endpoint))

    def _interrupted(self) -> str:
        """Ctrl-C: the traffic goes back, nothing is waited for; what is where, in words."""
        problem = self._restored()
        if problem:
            return f"The rollout was interrupted, and the traffic could not be put back: {problem}"
        where = "What was being deployed may still come up, without traffic."
        if self._new and self._strategy.on_failure == "undeploy" and self._baseline:
            where = f"{self._new} is being undeployed." if self._undeploy(self._new, wait=False) else self._notes[-1]
        elif self._new:
            where = f"{self._new} stays deployed."
        self._let_go()
        return f"The rollout was interrupted; the traffic is what it was: {self._baseline or 'none'}. {where}"

    def _result(self, decision: str, reasons: Sequence[str], endpoint: Any) -> Rollout:
        traffic = nonzero(endpoint.traffic_split) if endpoint is not None else {}
        return Rollout(
            self._plan.endpoint,
            self._plan.model,
            self._new,
            decision,
            tuple(self._steps),
            tuple(reasons),
            tuple(self._notes),
            self._baseline,
            traffic,
        )

    def _say(self, kind: str, text: str) -> None:
        self._tools.report(RolloutEvent(kind, text))
