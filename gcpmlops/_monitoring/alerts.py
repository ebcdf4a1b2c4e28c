"""What an alert can be about, one class a kind: each says which conditions and which runbook it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from gcpmlops._durations import Duration, seconds_of, spoken
from gcpmlops._monitoring import conditions
from gcpmlops._monitoring.descriptors import DATA_AGE, DRIFT, QUALITY, metric_type
from gcpmlops.exceptions import InvalidArgument

EndpointName = Callable[[str], str]  # from an id, a display name or a full name to the full name
_ERRORS = 'metric.labels.response_code = monitoring.regex.full_match("[45]..")'
_MODEL = "metric.labels.deployed_model_id"


class Alert(Protocol):
    """Something to be told about."""

    kind: ClassVar[str]
    combiner: ClassVar[str]

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        """Google's conditions. Raises InvalidArgument."""
        ...

    def runbook(self) -> str:
        """What it means and what to do, in Markdown."""
        ...


@dataclass(frozen=True, kw_only=True)
class ErrorRate:
    """More than this share of an endpoint's requests was answered with 4xx or 5xx.

    Attributes:
        endpoint: its id, display name or full name.
        above: share of the requests.
        by_model: each deployed model by itself, as a canary needs it.
        window: of the requests that are counted together; whole minutes.
        duration: how long it has to be so; with 0 an incident stays open where no data come any more.
        minimum_requests: in the window; fewer requests are no reason.
    """

    kind: ClassVar[str] = "error_rate"
    combiner: ClassVar[str] = "AND"
    endpoint: str
    above: float = 0.05
    by_model: bool = False
    window: Duration = "5m"
    duration: Duration = "1m"
    minimum_requests: int = 0

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        if not 0 <= self.above < 1:
            raise InvalidArgument("above is a share", field="above", value=self.above, allowed="0 to 1, such as 0.05")
        name = endpoint(self.endpoint)
        by = (_MODEL,) if self.by_model else ("resource.labels.endpoint_id",)
        rate = conditions.aligned("rate", reduce="sum", by=by, every=self.window)
        every = conditions.online("response_count", name)
        title = f"more than {self.above:.3g} of the requests fail"
        found = conditions.threshold(
            title,
            conditions.online("response_count", name, more=_ERRORS),
            of=every,
            above=self.above,
            aggregations=rate,
            duration=self.duration,
            quiet=True,
        )
        if not self.minimum_requests:
            return [found]
        enough = (self.minimum_requests - 0.5) / seconds_of(self.window, field="window")
        title = f"at least {self.minimum_requests} requests in {_spoken(self.window)}"
        busy = conditions.threshold(title, every, above=enough, aggregations=rate, duration=self.duration, quiet=True)
        return [found, busy]

    def runbook(self) -> str:
        return (
            f"More than {self.above:.1%} of the requests to **{self.endpoint}** failed in {_spoken(self.window)}.\n\n"
            "1. 4xx: callers send what the model doesn't take. 5xx: the model server fails.\n"
            f"2. Who answers: `gcpmlops endpoints get {self.endpoint}`; what it says: its logs in Cloud Logging, "
            "resource `aiplatform.googleapis.com/Endpoint`.\n"
            f"3. If it began with a new version: `gcpmlops endpoints rollback {self.endpoint}`."
        )


@dataclass(frozen=True, kw_only=True)
class Latency:
    """A percentile of an endpoint's latency is above a limit in milliseconds; other attributes as in ErrorRate."""

    kind: ClassVar[str] = "latency"
    combiner: ClassVar[str] = "OR"
    endpoint: str
    above_ms: float
    percentile: int = 95
    """5, 50, 95 or 99."""
    by_model: bool = False
    window: Duration = "5m"
    duration: Duration = "1m"

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        if self.percentile not in (5, 50, 95, 99):
            raise InvalidArgument(
                f"percentile {self.percentile}", field="percentile", value=self.percentile, allowed="5, 50, 95 or 99"
            )
        where = conditions.online(
            "prediction_latencies", endpoint(self.endpoint), more='metric.labels.latency_type = "total"'
        )
        by = (_MODEL,) if self.by_model else ("resource.labels.endpoint_id",)
        title = f"p{self.percentile} of the latency is above {self.above_ms:g} ms"
        steps = conditions.aligned("delta", reduce=f"p{self.percentile}", by=by, every=self.window)
        return [
            conditions.threshold(
                title, where, above=self.above_ms, aggregations=steps, duration=self.duration, quiet=True
            )
        ]

    def runbook(self) -> str:
        return (
            f"Percentile {self.percentile} of the latency of **{self.endpoint}** is above {self.above_ms:g} ms.\n\n"
            "1. More traffic than before, with all replicas at work: raise `max_replica_count`, or the machine type.\n"
            "2. The same traffic: larger instances, a slower version, or a feature store that is slow.\n"
            f"3. If it began with a new version: `gcpmlops endpoints rollback {self.endpoint}`."
        )


@dataclass(frozen=True, kw_only=True)
class NoTraffic:
    """An endpoint that had requests has none for this long (2 minutes to 23.5 hours)."""

    kind: ClassVar[str] = "no_traffic"
    combiner: ClassVar[str] = "OR"
    endpoint: str
    duration: Duration = "30m"

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        where = conditions.online("response_count", endpoint(self.endpoint))
        counts = conditions.aligned("rate", reduce="sum", by=("resource.labels.endpoint_id",), every=60)
        time = _spoken(self.duration)
        return [
            conditions.absence(f"nothing was counted for {time}", where, aggregations=counts, duration=self.duration),
            # zeros are data: a service that goes on writing them is never absent
            conditions.threshold(
                f"zero requests for {time}", where, below=1e-9, aggregations=counts, duration=self.duration
            ),
        ]

    def runbook(self) -> str:
        return (
            f"**{self.endpoint}** had requests, and has had none for {_spoken(self.duration)}.\n\n"
            "1. The callers: are they up, do they still have this endpoint's address, may they call it?\n"
            f"2. The endpoint: `gcpmlops endpoints get {self.endpoint}`, then one prediction by hand.\n"
            "3. If nobody is meant to call it any more: undeploy its models, they cost money; then delete this policy."
        )


@dataclass(frozen=True, kw_only=True)
class Drift:
    """A feature is further from its baseline than the limit: the metric `gcpmlops/drift`, by feature.

    Attributes:
        model: only this model's.
        endpoint: only that of this endpoint (the label, an id).
        feature: only this one.
        measure: drift (since earlier predictions) or skew (since training); both where it isn't said.
        above: the distance, 0 to 1.
    """

    kind: ClassVar[str] = "drift"
    combiner: ClassVar[str] = "OR"
    model: str = ""
    endpoint: str = ""
    feature: str = ""
    measure: str = ""
    above: float = 0.3
    window: Duration = "1m"
    duration: Duration = 0

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        labels = {"model": self.model, "endpoint": self.endpoint, "feature": self.feature, "kind": self.measure}
        where = conditions.custom(metric_type(DRIFT.name), {k: v for k, v in labels.items() if v}, "global")
        steps = conditions.aligned("max", reduce="max", by=("model", "feature"), every=self.window)
        title = f"{self.feature or 'a feature'} drifted by more than {self.above:g}"
        return [conditions.threshold(title, where, above=self.above, aggregations=steps, duration=self.duration)]

    def runbook(self) -> str:
        return (
            "The feature **${metric.label.feature}** of **${metric.label.model}** no longer looks as it did: its "
            f"distance from the baseline is above {self.above:g} (0: the same, 1: nothing in common).\n\n"
            "1. Nulls, one constant value or another unit: the feed is broken. Repair it; don't retrain on it.\n"
            "2. Season, prices, new customers: the world changed. Look at the quality, then retrain.\n"
            "3. A feature that hardly matters to the model: raise its threshold."
        )


@dataclass(frozen=True, kw_only=True)
class Quality:
    """A model is worse than the limit, by the outcomes: the metric `gcpmlops/quality`, by version.

    Attributes:
        model: as it was published.
        metric: roc_auc, accuracy, log_loss, ...
        below: for metrics that should be high,
        above: for those that should be low; one of the two.
        slice: "all", or one slice: "carrier=UA".
        version: only this one.
    """

    kind: ClassVar[str] = "quality"
    combiner: ClassVar[str] = "OR"
    model: str
    metric: str
    below: float | None = None
    above: float | None = None
    slice: str = "all"
    version: str = ""
    window: Duration = "1m"
    duration: Duration = 0

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        labels = {"model": self.model, "version": self.version, "metric": self.metric, "slice": self.slice}
        where = conditions.custom(metric_type(QUALITY.name), {k: v for k, v in labels.items() if v}, "global")
        steps = conditions.aligned("mean", reduce="mean", by=("model", "version", "slice"), every=self.window)
        return [
            conditions.threshold(
                f"{self.metric} is {self._limit()}",
                where,
                above=self.above,
                below=self.below,
                aggregations=steps,
                duration=self.duration,
            )
        ]

    def _limit(self) -> str:
        return f"below {self.below:g}" if self.below is not None else f"above {self.above or 0:g}"

    def runbook(self) -> str:
        return (
            f"**{self.metric}** of **{self.model}**, version ${{metric.label.version}}, slice `{self.slice}`, is "
            f"{self._limit()}, by the outcomes that came.\n\n"
            "1. How many outcomes? A low coverage can bend the figure: the metric `coverage` of the same model.\n"
            "2. One slice alone, or all? `gcpmlops feedback quality ... --by SLICE`.\n"
            "3. Together with drift: retrain on fresh data. Without: look for a change in the labels or in the code "
            "that makes the features.\n"
            "4. If it began with a new version: roll back."
        )


@dataclass(frozen=True, kw_only=True)
class StaleData:
    """The newest row of a table is older than the limit, as `Monitoring.check_data_age` saw it.

    Attributes:
        table: DATASET.TABLE or PROJECT.DATASET.TABLE, as it was checked.
        older_than: the limit.
        checked_every: where given, no check for twice as long is a reason, too (at most 11 hours).
    """

    kind: ClassVar[str] = "stale_data"
    combiner: ClassVar[str] = "OR"
    table: str
    older_than: Duration
    checked_every: Duration | None = None

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        where = conditions.custom(metric_type(DATA_AGE.name), {"table": self.table}, "global")
        steps = conditions.aligned("max", reduce="max", by=("table",))
        limit = seconds_of(self.older_than, field="older_than")
        title = f"the newest row is older than {_spoken(self.older_than)}"
        found = [conditions.threshold(title, where, above=limit, aggregations=steps)]
        if self.checked_every is not None:
            silence = max(120, 2 * conditions.minutes(self.checked_every, field="checked_every", most=11 * 3600))
            title = f"nobody looked for {spoken(silence)}"
            found.append(conditions.absence(title, where, aggregations=steps, duration=silence))
        return found

    def runbook(self) -> str:
        return (
            f"The newest row of `{self.table}` is older than {_spoken(self.older_than)}"
            f"{', or nobody looks any more' if self.checked_every is not None else ''}.\n\n"
            "1. The load that fills it: did it run, did it fail? Its last jobs in BigQuery, its schedule in Cloud "
            "Scheduler.\n"
            "2. The source: did it send anything?\n"
            "3. Until it is repaired: no retraining on this table."
        )


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """A metric is above or below a limit.

    Attributes:
        metric: name or full type.
        labels: of the metric, that have to be so.
        resource: type of the monitored resource.
        align: mean, max, rate, p95, ...
        reduce: of several time series one: sum, max, ...; by the labels `by`.
    """

    kind: ClassVar[str] = "threshold"
    combiner: ClassVar[str] = "OR"
    metric: str
    above: float | None = None
    below: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    resource: str = "global"
    align: str = "mean"
    reduce: str | None = None
    by: Sequence[str] = ()
    window: Duration = "1m"
    duration: Duration = 0

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        limit = f"below {self.below:g}" if self.below is not None else f"above {self.above or 0:g}"
        steps = conditions.aligned(self.align, reduce=self.reduce, by=tuple(self.by), every=self.window)
        return [
            conditions.threshold(
                f"{self.metric} is {limit}",
                conditions.custom(metric_type(self.metric), self.labels, self.resource),
                above=self.above,
                below=self.below,
                aggregations=steps,
                duration=self.duration,
            )
        ]

    def runbook(self) -> str:
        return f"`{self.metric}` crossed its limit: ${{condition.display_name}}."


@dataclass(frozen=True, kw_only=True)
class Absence:
    """A metric that had points has none for this long (2 minutes to 23.5 hours); attributes as in Threshold."""

    kind: ClassVar[str] = "absence"
    combiner: ClassVar[str] = "OR"
    metric: str
    duration: Duration = "1h"
    labels: Mapping[str, str] = field(default_factory=dict)
    resource: str = "global"

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        where = conditions.custom(metric_type(self.metric), self.labels, self.resource)
        title = f"{self.metric} has no points for {_spoken(self.duration)}"
        # counting takes values of every type
        steps = conditions.aligned("count")
        return [conditions.absence(title, where, aggregations=steps, duration=self.duration)]

    def runbook(self) -> str:
        return f"Nobody has written `{self.metric}` for {_spoken(self.duration)}: look for who does."


@dataclass(frozen=True, kw_only=True)
class LogMatch:
    """A log entry matches a filter.

    Attributes:
        filter: in the language of Cloud Logging.
        labels: what notifications say of the entry: {"run": "EXTRACT(jsonPayload.run)"}.
        at_most_every: between two notifications.
    """

    kind: ClassVar[str] = "log_match"
    combiner: ClassVar[str] = "OR"
    filter: str
    labels: Mapping[str, str] = field(default_factory=dict)
    at_most_every: Duration = "5m"

    def conditions(self, endpoint: EndpointName) -> list[Any]:
        return [conditions.log_match("a log entry matches", self.filter, labels=self.labels)]

    def runbook(self) -> str:
        return f"A log entry matched:\n\n```\n{self.filter}\n```"


KINDS: dict[str, type[Any]] = {
    each.kind: each for each in (ErrorRate, Latency, NoTraffic, Drift, Quality, StaleData, Threshold, Absence, LogMatch)
}


def _spoken(value: Duration) -> str:
    return spoken(seconds_of(value, field="duration"))
