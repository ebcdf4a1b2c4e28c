"""A policy put to the test: a marked value that violates it, and how long it took until an incident was open."""

from __future__ import annotations

import re
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from gcpmlops import _html, _waiting
from gcpmlops._durations import spoken
from gcpmlops._monitoring.incidents import BY_VALUE, Incident
from gcpmlops._monitoring.points import Point, Resource
from gcpmlops._monitoring.policies import Policy
from gcpmlops.exceptions import DeadlineExceeded, FailedPrecondition

if TYPE_CHECKING:
    from gcpmlops.monitoring import Monitoring

MARK = "gcpmlops-test"
_EQUAL = re.compile(r'(metric|resource)\.(type|labels?\.(\w+))\s*=\s*"((?:[^"\\]|\\.)*)"')
_AGAIN = timedelta(seconds=60)  # a condition with a duration wants new values


@dataclass(frozen=True)
class AlertTest:
    """What came of a test.

    Attributes:
        policy: its display name.
        mark: in a label of the value that was written; empty: it could not be marked.
        value: what was written.
        seconds: until the incident was open, by the tester's clock.
        incident: the one that was opened; its policy's channels are told at that moment.
        channels: who was told: full names.
    """

    policy: str
    mark: str
    value: float
    seconds: float
    incident: Incident = field(repr=False)
    channels: tuple[str, ...]

    def __str__(self) -> str:
        told = f"{len(self.channels)} channel{'s' * (len(self.channels) != 1)} told"
        return f"{self.policy}: an incident was open after {self.seconds:.1f} s, {told}"

    def _repr_html_(self) -> str:
        return _html.card(str(self), {"mark": self.mark, "value": self.value, "incident": self.incident.name})


@dataclass(frozen=True)
class _Target:
    """Where a value has to be written to violate a condition, and which."""

    metric: str
    labels: dict[str, str]
    resource: Resource
    mark: str
    bad: float
    good: float
    window: timedelta


class Rehearsal:
    """One test of one policy."""

    def __init__(self, monitoring: Monitoring, policy: Policy, *, unmarked: bool) -> None:
        self._monitoring = monitoring
        self._policy = policy
        self._target = self._aim(unmarked)

    def run(self, *, timeout: float) -> AlertTest:
        """Write, wait, put right. Raises DeadlineExceeded."""
        target, began, last = self._target, time.monotonic(), None
        start = self._monitoring.now()
        try:
            for pause in _waiting.pauses():
                last = self._write_again(last)
                found = self._opened(start)
                took = time.monotonic() - began
                if found is not None:
                    return AlertTest(
                        self._policy.display_name, target.mark, target.bad, took, found, self._policy.channels
                    )
                if took > timeout:
                    raise self._too_long(timeout)
                time.sleep(min(pause, max(0.0, timeout - took) + 0.01))
        finally:
            if last is not None:  # put right in a window of its own, so that the incident closes
                self._write(target.good, last + max(target.window, timedelta(seconds=5)))
        raise AssertionError("unreachable")

    def _write_again(self, last: datetime | None) -> datetime:
        now = self._monitoring.now()
        if last is not None and now - last < _AGAIN:
            return last
        self._write(self._target.bad, now)
        return now

    def _write(self, value: float, at: datetime) -> None:
        target = self._target
        self._monitoring.write_all([Point(target.metric, value, target.labels, target.resource, at)])

    def _opened(self, start: datetime) -> Incident | None:
        """The incident of the mark; where labels were reduced away, any that was opened since."""
        fresh = [
            each
            for each in self._monitoring.incidents(policy=self._policy.name)
            if each.opened >= start - timedelta(seconds=60)
        ]
        marked = [each for each in fresh if self._target.mark and self._target.mark in each.labels.values()]
        others = [each for each in fresh if not any(key in each.labels for key in self._marked_keys())]
        return next(iter(marked or others), None)

    def _marked_keys(self) -> list[str]:
        return [key for key, value in self._target.labels.items() if value == self._target.mark and value]

    def _too_long(self, timeout: float) -> DeadlineExceeded:
        snoozed = "is it snoozed, or an incident of it open already?"
        return DeadlineExceeded(
            f"{self._policy.display_name}: no incident was opened within {spoken(timeout)}",
            resource=self._policy.name,
            next_step=f"The policy: {snoozed} A local Google Cloud whose clock is frozen waits for `gcpmlops emulator "
            "clock advance 5m`.",
        )

    def _aim(self, unmarked: bool) -> _Target:
        """Raises FailedPrecondition where no value can be written that violates it."""
        condition = self._threshold()
        metric = next(
            (match[4] for match in _EQUAL.finditer(condition.filter) if match[0].startswith("metric.type")), ""
        )
        if not metric.startswith(("custom.googleapis.com/", "workload.googleapis.com/", "external.googleapis.com/")):
            raise self._refused(
                f"{metric} is written by Google alone: only real traffic can violate it",
                "For an endpoint: send requests that fail (a wrong instance), or more than it can answer.",
            )
        filter_ = self._equalities(condition.filter)
        kind = filter_.pop("resource.type", "global")
        aligners = {each.per_series_aligner.name for each in [*condition.aggregations][:1]}
        if condition.denominator_filter or not aligners <= set(BY_VALUE):
            raise self._refused("it looks at a rate or a ratio, not at a value", "Try it with real data.")
        labels = {key[14:]: value for key, value in filter_.items() if key.startswith("metric.labels.")}
        resource = {key[16:]: value for key, value in filter_.items() if key.startswith("resource.labels.")}
        mark = f"{MARK}-{uuid.uuid4().hex[:8]}"
        if not self._mark(metric, kind, labels, resource, mark):
            if not unmarked:
                raise self._refused(
                    "all labels are fixed: a value would stand in the real time series",
                    "To write it there all the same: unmarked=True (--unmarked).",
                )
            mark = ""
        limit, up = condition.threshold_value, condition.comparison.name in ("COMPARISON_GT", "COMPARISON_GE")
        step = max(1.0, abs(limit) / 2) * (1 if up else -1)
        period = condition.aggregations[0].alignment_period if condition.aggregations else _AGAIN
        return _Target(metric, labels, Resource(kind, resource), mark, limit + step, limit - step, period)

    def _threshold(self) -> Any:
        proto = self._policy.proto
        if len(proto.conditions) > 1 and proto.combiner.name != "OR":
            raise self._refused("all of its conditions have to be true at once", "Try it with real data.")
        for condition in proto.conditions:
            if "condition_threshold" in condition:
                return condition.condition_threshold
        raise self._refused(
            "it has no condition on values", "Absence is tested by waiting, a log match by writing a log entry."
        )

    def _equalities(self, text: str) -> dict[str, str]:
        """The filter's parts as a dict: `metric.labels.KEY` → value. Raises FailedPrecondition for other filters."""
        found = {}
        for match in _EQUAL.finditer(text):
            key = f"{match[1]}.labels.{match[3]}" if match[3] else f"{match[1]}.type"
            found[key] = match[4].replace('\\"', '"').replace("\\\\", "\\")
        rest = _EQUAL.sub("", text)
        if not re.fullmatch(r"(\s|AND)*", rest):
            raise self._refused(f"its filter is more than equalities: {rest.strip()}", "Try it with real data.")
        return found

    def _mark(self, metric: str, kind: str, labels: dict[str, str], resource: dict[str, str], mark: str) -> bool:
        """Put the mark into every label that the filter leaves open; whether there was one."""
        known = self._monitoring.get_metric(metric).labels
        free = [key for key in known if key not in labels]
        if free:
            labels.update(dict.fromkeys(free, mark))
            return True
        if kind == "generic_task" and "task_id" not in resource:
            resource.update({**Resource.task(mark, task_id=mark).labels, **resource})
            return True
        return False

    def _refused(self, why: str, next_step: str) -> FailedPrecondition:
        return FailedPrecondition(
            f"{self._policy.display_name} can't be tested by a value: {why}",
            resource=self._policy.name,
            next_step=next_step,
        )
