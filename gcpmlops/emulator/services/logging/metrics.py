"""google.logging.v2.MetricsServiceV2: log-based metrics, whose descriptors Cloud Monitoring shows."""

from __future__ import annotations

import re
from urllib.parse import quote

from google.api import metric_pb2
from google.api_core import exceptions
from google.cloud.logging_v2 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.logging import buckets, log_metrics
from gcpmlops.emulator.services.logging.log_metrics import PREFIX, LogMetrics
from gcpmlops.emulator.services.logging.names import Names
from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes

_NAME = re.compile(r"[A-Za-z0-9_.,+!*',()%-][A-Za-z0-9_.,+!*',()%/-]{0,99}")
_MOST_LABELS = 10
_Kind, _Value = metric_pb2.MetricDescriptor.MetricKind, metric_pb2.MetricDescriptor.ValueType


class MetricsServiceV2(Service):
    """Counters and distributions of entries."""

    proto = "google.logging.v2.MetricsServiceV2"

    def __init__(self, context: Context, metrics: LogMetrics, descriptors: MetricTypes) -> None:
        super().__init__(context)
        self._metrics = metrics
        self._descriptors = descriptors
        self._rows = context.store.collection(types.LogMetric)
        self._names = Names(context.settings)

    def create_log_metric(self, request: types.CreateLogMetricRequest) -> types.LogMetric:
        validate.require(request, "parent", "metric.name", "metric.filter")
        parent = self._names.parent(request.parent)
        metric = _complete(types.LogMetric(request.metric), parent)
        metric.create_time = metric.update_time = self.clock.now()
        with self.locks(f"{parent}/metrics/{metric.name}"):
            self._rows.insert(f"{parent}/metrics/{metric.name}", metric, parent=parent)
            return self._made(parent, metric)

    def get_log_metric(self, request: types.GetLogMetricRequest) -> types.LogMetric:
        found: types.LogMetric = self._rows.get(self._names.child(request.metric_name, "metrics"))
        return found

    def list_log_metrics(self, request: types.ListLogMetricsRequest) -> types.ListLogMetricsResponse:
        page, token = paging.page(self._rows.list(self._names.parent(request.parent)), request)
        return types.ListLogMetricsResponse(metrics=page, next_page_token=token)

    def update_log_metric(self, request: types.UpdateLogMetricRequest) -> types.LogMetric:
        """Replaces it, or makes it."""
        validate.require(request, "metric_name", "metric.filter")
        name = self._names.child(request.metric_name, "metrics")
        parent, _, key = name.partition("/metrics/")
        metric = types.LogMetric(request.metric)
        metric.name = key
        with self.locks(name):
            before = self._rows.find(name)
            metric = _complete(metric, parent)
            if before is not None:
                _check_change(before, metric)
            metric.create_time = before.create_time if before is not None else self.clock.now()
            metric.update_time = self.clock.now()
            self._rows.put(name, metric, parent=parent)
            return self._made(parent, metric)

    def delete_log_metric(self, request: types.DeleteLogMetricRequest) -> empty_pb2.Empty:
        name = self._names.child(request.metric_name, "metrics")
        parent, _, key = name.partition("/metrics/")
        with self.locks(name):
            self._rows.delete(name)
            self._metrics.refresh()
        try:
            self._descriptors.delete(parent.removeprefix("projects/"), PREFIX + key)
        except exceptions.NotFound:  # Monitoring's own call has removed it
            return empty_pb2.Empty()
        return empty_pb2.Empty()

    def _made(self, parent: str, metric: types.LogMetric) -> types.LogMetric:
        self._descriptors.put(parent.removeprefix("projects/"), raw(metric).metric_descriptor)
        self._metrics.refresh()
        return metric


def _complete(metric: types.LogMetric, parent: str) -> types.LogMetric:
    """With the descriptor that Cloud Logging makes of it. Raises InvalidArgument."""
    if not _NAME.fullmatch(metric.name):
        raise validate.invalid("metric.name", f"{metric.name!r}: up to 100 letters, digits and _-.,+!*',()%/.")
    message = raw(metric)
    descriptor = message.metric_descriptor
    descriptor.metric_kind = descriptor.metric_kind or _Kind.Value("DELTA")
    descriptor.value_type = descriptor.value_type or _Value.Value("INT64")
    descriptor.unit = descriptor.unit or "1"
    descriptor.type = PREFIX + metric.name
    descriptor.name = f"{parent}/metricDescriptors/{quote(descriptor.type, safe='')}"
    descriptor.description = metric.description
    _check_descriptor(message)
    log_metrics.compiled(metric)
    return metric


def _check_descriptor(message: object) -> None:
    metric = raw(message)
    descriptor = metric.metric_descriptor
    is_distribution = descriptor.value_type == _Value.Value("DISTRIBUTION")
    if descriptor.metric_kind != _Kind.Value("DELTA") or descriptor.value_type not in (
        _Value.Value("INT64"),
        _Value.Value("DISTRIBUTION"),
    ):
        raise validate.invalid("metric.metric_descriptor", "log-based metrics are DELTA, INT64 or DISTRIBUTION.")
    if is_distribution != bool(metric.value_extractor):
        rule = "required for" if is_distribution else "only allowed for"
        raise validate.invalid("metric.value_extractor", f"{rule} a DISTRIBUTION.")
    if is_distribution and not metric.HasField("bucket_options"):
        metric.bucket_options.CopyFrom(buckets.default())
    if metric.HasField("bucket_options"):
        buckets.check(metric.bucket_options)
    keys = {label.key for label in descriptor.labels}
    if keys != set(metric.label_extractors) or len(keys) > _MOST_LABELS:
        rule = f"an extractor for each label of the descriptor, {_MOST_LABELS} at most"
        raise validate.invalid("metric.label_extractors", f"{sorted(metric.label_extractors)}: expected {rule}.")


def _check_change(before: types.LogMetric, after: types.LogMetric) -> None:
    old, new = raw(before).metric_descriptor, raw(after).metric_descriptor
    if (old.metric_kind, old.value_type) != (new.metric_kind, new.value_type):
        raise validate.invalid("metric.metric_descriptor", "kind and value type can't be changed: make a new metric.")
    kinds = {label.key: label.value_type for label in new.labels}
    gone = [label.key for label in old.labels if kinds.get(label.key) != label.value_type]
    if gone:
        raise validate.invalid("metric.metric_descriptor.labels", f"{gone}: labels can't be removed or changed.")
