"""Log-based metrics: counters and distributions of entries."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gcpmlops import _google
from gcpmlops.clients import Clients
from gcpmlops.exceptions import FailedPrecondition, NotFound, translated

PREFIX = "logging.googleapis.com/user/"
_CALL = re.compile(r"\s*(?:REGEXP_)?EXTRACT\(")


@dataclass(frozen=True)
class LogMetric:
    """A log-based metric; `proto` is Google's LogMetric."""

    proto: Any

    @property
    def name(self) -> str:
        """Its id."""
        return str(self.proto.name)

    @property
    def type(self) -> str:
        """As Cloud Monitoring knows it, in charts and alert policies."""
        return PREFIX + self.name

    @property
    def filter(self) -> str:
        """Which entries it counts."""
        return str(self.proto.filter)

    @property
    def is_distribution(self) -> bool:
        """Whether it gathers values; a counter otherwise."""
        return bool(self.proto.value_extractor)

    @property
    def labels(self) -> dict[str, str]:
        """Label → the expression that gets it."""
        return dict(self.proto.label_extractors)


class LogMetrics:
    """API: Cloud Logging v2 MetricsServiceV2."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def ensure(
        self,
        name: str,
        *,
        filter_: str,
        value: str | None,
        labels: Mapping[str, str],
        buckets: Sequence[float],
        unit: str,
        description: str,
        disabled: bool,
    ) -> LogMetric:
        """See `Logs.ensure_metric`."""
        wanted = _metric(name, filter_, value, labels, buckets, unit, description, disabled)
        try:
            there = self.get(name)
        except NotFound:
            with translated(f"log-based metric {name}"):
                made = self._clients.log_metrics.create_log_metric(
                    parent=self._project, metric=wanted, **self._clients.once
                )
            return LogMetric(made)
        if there.is_distribution != bool(value):
            kind = "distribution" if there.is_distribution else "counter"
            raise FailedPrecondition(
                f"the log-based metric {name} is a {kind}, and can't become the other kind",
                resource=name,
                next_step=f"Take another name, or delete it first: client.logs.delete_metric({name!r}).",
            )
        with translated(f"log-based metric {name}"):
            changed = self._clients.log_metrics.update_log_metric(
                metric_name=self._name(name), metric=wanted, **self._clients.idempotent
            )
        return LogMetric(changed)

    def get(self, name: str) -> LogMetric:
        with translated(f"log-based metric {name}"):
            return LogMetric(
                self._clients.log_metrics.get_log_metric(metric_name=self._name(name), **self._clients.idempotent)
            )

    def list(self) -> list[LogMetric]:
        with translated("log-based metrics"):
            found = self._clients.log_metrics.list_log_metrics(parent=self._project, **self._clients.idempotent)
            return [LogMetric(metric) for metric in found]

    def delete(self, name: str) -> None:
        with translated(f"log-based metric {name}"):
            self._clients.log_metrics.delete_log_metric(metric_name=self._name(name), **self._clients.idempotent)

    @property
    def _project(self) -> str:
        return f"projects/{self._clients.config.require('project')}"

    def _name(self, name: str) -> str:
        from urllib.parse import quote

        return f"{self._project}/metrics/{quote(name, safe='')}"


def _metric(
    name: str,
    filter_: str,
    value: str | None,
    labels: Mapping[str, str],
    buckets: Sequence[float],
    unit: str,
    description: str,
    disabled: bool,
) -> Any:
    metric: dict[str, Any] = {"name": name, "filter": filter_, "description": description, "disabled": disabled}
    kind = "DISTRIBUTION" if value else "INT64"
    descriptor = {"metric_kind": "DELTA", "value_type": kind, "unit": unit, "labels": [{"key": key} for key in labels]}
    metric |= {"metric_descriptor": descriptor, "label_extractors": {k: _extractor(v) for k, v in labels.items()}}
    if value:
        metric["value_extractor"] = _extractor(value)
    if buckets:
        metric["bucket_options"] = {"explicit_buckets": {"bounds": list(buckets)}}
    return _google.logging_metrics.LogMetric(metric)


def _extractor(text: str) -> str:
    """A field alone is all of it."""
    return text if _CALL.match(text) else f"EXTRACT({text})"
