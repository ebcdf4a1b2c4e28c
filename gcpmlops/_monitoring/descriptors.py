"""Metrics: their types, their descriptors, and those that gcpmlops itself writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gcpmlops import _google, _html
from gcpmlops.clients import Clients
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument, NotFound, translated
from gcpmlops.types import one_of

CUSTOM = "custom.googleapis.com/gcpmlops/"
ONLINE = "aiplatform.googleapis.com/prediction/online/"
KINDS = ("GAUGE", "CUMULATIVE")
VALUE_TYPES = ("DOUBLE", "INT64", "BOOL", "STRING", "DISTRIBUTION")

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(/[A-Za-z][A-Za-z0-9_]*)*")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")


@dataclass(frozen=True)
class Spec:
    """A metric that gcpmlops writes."""

    name: str
    description: str
    labels: Mapping[str, str]
    unit: str = "1"
    kind: str = "GAUGE"
    value_type: str = "DOUBLE"


QUALITY = Spec(
    "quality",
    "How good a model's predictions were, by the outcomes that came later",
    {
        "model": "the model",
        "version": "its version",
        "metric": "roc_auc, log_loss, accuracy, ...; coverage is the share of predictions with an outcome",
        "slice": "all, or COLUMN=VALUE",
    },
)
DRIFT = Spec(
    "drift",
    "How far a feature is from its baseline: Jensen-Shannon divergence of numbers, L-infinity distance of categories",
    {
        "model": "the model",
        "endpoint": "the endpoint's id",
        "feature": "the feature",
        "kind": "drift: since earlier predictions; skew: since training",
    },
)
DATA_AGE = Spec("data_age", "How old the newest row of a table is", {"table": "PROJECT.DATASET.TABLE"}, unit="s")
STANDARD = {spec.name: spec for spec in (QUALITY, DRIFT, DATA_AGE)}


@dataclass(frozen=True)
class Metric:
    """A metric's descriptor as it was when asked for; `proto` is Google's `google.api.MetricDescriptor`."""

    proto: Any = field(repr=False)

    @property
    def type(self) -> str:
        """custom.googleapis.com/gcpmlops/NAME."""
        return str(self.proto.type)

    @property
    def name(self) -> str:
        """The full resource name."""
        return str(self.proto.name)

    @property
    def kind(self) -> str:
        """GAUGE, CUMULATIVE or DELTA."""
        return str(self.proto.MetricKind.Name(self.proto.metric_kind))

    @property
    def value_type(self) -> str:
        """DOUBLE, INT64, BOOL, STRING or DISTRIBUTION."""
        return str(self.proto.ValueType.Name(self.proto.value_type))

    @property
    def unit(self) -> str:
        """As in UCUM: 1, s, ms, By, {rows}."""
        return str(self.proto.unit)

    @property
    def labels(self) -> dict[str, str]:
        """Key → what it is."""
        return {label.key: label.description for label in self.proto.labels}

    def __repr__(self) -> str:
        return f"Metric({self.type!r}, {self.kind}, {self.value_type})"

    def _repr_html_(self) -> str:
        shown = {"kind": self.kind, "value": self.value_type, "unit": self.unit, "labels": ", ".join(self.labels)}
        return _html.card(self.type, {**shown, "description": self.proto.description})


def metric_type(name: str) -> str:
    """The full type: a name without a host is one of ours. Raises InvalidArgument."""
    host = name.partition("/")[0]
    path = name if "." not in host else name.partition("/")[2]
    if not _NAME.fullmatch(path):
        allowed = "letters, digits, '_' and '/', such as queue/length, or a full type with its host"
        raise InvalidArgument(f"{name!r} is not a metric", field="metric", value=name, allowed=allowed)
    return name if "." in host else CUSTOM + name


class Descriptors:
    """The project's metric descriptors; what was found is remembered. API: MetricService."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._known: dict[str, Metric] = {}

    def ensure(
        self,
        name: str,
        *,
        kind: str = "GAUGE",
        value_type: str = "DOUBLE",
        unit: str = "1",
        labels: Mapping[str, str] | None = None,
        description: str = "",
    ) -> Metric:
        """The metric, made if need be; what may change (labels, unit, description) follows.

        Raises FailedPrecondition where one of this name is of another kind or value type, InvalidArgument.
        """
        wanted = _descriptor(metric_type(name), kind, value_type, unit, labels or {}, description)
        try:
            found = self.get(name)
        except NotFound:
            return self._create(wanted)
        self._check_same(found, wanted)
        kept = {**found.labels, **{label.key: label.description for label in wanted.labels}}
        if (kept, found.unit, found.proto.description) == (found.labels, wanted.unit, wanted.description):
            return found
        return self._create(_descriptor(found.type, kind, value_type, unit, kept, description))

    def of(self, name: str) -> Metric:
        """The metric to write to; those of gcpmlops itself are made. Raises NotFound."""
        short = name.removeprefix(CUSTOM)
        if short in STANDARD and metric_type(short) not in self._known:
            spec = STANDARD[short]
            return self.ensure(
                short,
                kind=spec.kind,
                value_type=spec.value_type,
                unit=spec.unit,
                labels=spec.labels,
                description=spec.description,
            )
        return self.get(name)

    def get(self, name: str) -> Metric:
        """The metric (GetMetricDescriptor). Raises NotFound."""
        full = metric_type(name)
        if full not in self._known:
            resource = f"{self._project}/metricDescriptors/{full}"
            with translated(f"metric {full}", next_step=f"Make it with `gcpmlops monitoring ensure-metric {name}`."):
                self._known[full] = Metric(
                    self._clients.metrics.get_metric_descriptor(name=resource, **self._clients.idempotent)
                )
        return self._known[full]

    def list(self, prefix: str = CUSTOM) -> list[Metric]:
        """The metrics whose types start so (ListMetricDescriptors)."""
        request: Any = {"name": self._project, "filter": f'metric.type = starts_with("{prefix}")'}
        with translated(f"metrics of {self._project}"):
            found = self._clients.metrics.list_metric_descriptors(request=request, **self._clients.idempotent)
            return [Metric(each) for each in found]

    def delete(self, name: str) -> None:
        """Delete the metric with its time series (DeleteMetricDescriptor). Raises NotFound."""
        full = metric_type(name)
        self._known.pop(full, None)
        resource = f"{self._project}/metricDescriptors/{full}"
        with translated(f"metric {full}"):
            self._clients.metrics.delete_metric_descriptor(name=resource, **self._clients.idempotent)

    @property
    def _project(self) -> str:
        return f"projects/{self._clients.config.require('project')}"

    def _create(self, descriptor: Any) -> Metric:
        with translated(f"metric {descriptor.type}"):
            made = self._clients.metrics.create_metric_descriptor(
                name=self._project, metric_descriptor=descriptor, **self._clients.idempotent
            )
        metric = self._known[descriptor.type] = Metric(made)
        return metric

    @staticmethod
    def _check_same(found: Metric, wanted: Any) -> None:
        new = Metric(wanted)
        if (found.kind, found.value_type) == (new.kind, new.value_type):
            return
        raise FailedPrecondition(
            f"{found.type} is a {found.kind} of {found.value_type}, not a {new.kind} of {new.value_type}",
            resource=found.name,
            next_step="Kind and value type can't change: take another name, or delete the metric with all its data.",
        )


def _descriptor(full: str, kind: str, value_type: str, unit: str, labels: Mapping[str, str], description: str) -> Any:
    from google.api import label_pb2, metric_pb2

    if not full.startswith(("custom.googleapis.com/", "external.googleapis.com/", "workload.googleapis.com/")):
        raise InvalidArgument(
            f"{full} is not yours to make", field="name", value=full, allowed=f"a name alone is {CUSTOM}NAME"
        )
    for key in labels:
        if not _LABEL.fullmatch(key):
            raise InvalidArgument(
                f"label {key!r}", field="labels", value=key, allowed="a letter, then letters, digits and '_'"
            )
    return metric_pb2.MetricDescriptor(
        type=full,
        metric_kind=one_of(kind, KINDS, field="kind"),
        value_type=one_of(value_type, VALUE_TYPES, field="value_type"),
        unit=unit,
        description=description,
        display_name=full.rpartition("gcpmlops/")[2],
        labels=[label_pb2.LabelDescriptor(key=key, description=text) for key, text in labels.items()],
    )


def project_of(clients: Clients) -> str:
    """projects/PROJECT. Raises ConfigError without a project."""
    return f"projects/{clients.config.require('project')}"


def quoted(value: str) -> str:
    """A text in a Monitoring filter."""
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def all_of(*terms: str) -> str:
    """A filter of these."""
    return " AND ".join(term for term in terms if term)


def labels_are(labels: Mapping[str, str], *, of: str = "metric") -> str:
    """A filter for labels of the metric or of the resource."""
    return all_of(*(f"{of}.labels.{key} = {quoted(value)}" for key, value in labels.items()))


def aggregation(*, align: str | None, reduce: str | None, by: tuple[str, ...] = (), every: float = 60) -> Any:
    """Google's Aggregation: "mean", "rate", "p95" and the like; `every` in seconds. Raises InvalidArgument."""
    kinds = _google.monitoring_common.Aggregation
    if align is None:
        if reduce or by:
            raise InvalidArgument(
                "time series are reduced when they are aligned", field="align", allowed="mean, sum, max, rate, p95, ..."
            )
        return None
    return kinds(
        alignment_period={"seconds": max(60, round(every))},
        per_series_aligner=_named(align, "ALIGN", kinds.Aligner, field="align"),
        cross_series_reducer=_named(reduce or "none", "REDUCE", kinds.Reducer, field="reduce"),
        group_by_fields=[field if "." in field or field == "project" else f"metric.labels.{field}" for field in by],
    )


def _named(name: str, prefix: str, enum: Any, *, field: str) -> Any:
    short = {each.name.removeprefix(f"{prefix}_"): each for each in enum}
    wanted = name.upper().removeprefix(f"{prefix}_").replace("-", "_")
    wanted = f"PERCENTILE_{wanted[1:].zfill(2)}" if re.fullmatch(r"P\d+", wanted) else wanted
    return short[one_of(wanted, short, field=field)]
