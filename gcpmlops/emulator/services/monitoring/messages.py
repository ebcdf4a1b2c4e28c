"""Time series as the API's messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.api import metric_pb2
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.services.monitoring.series import Point, Series

_FIELDS = {
    "BOOL": "bool_value",
    "INT64": "int64_value",
    "DOUBLE": "double_value",
    "STRING": "string_value",
    "DISTRIBUTION": "distribution_value",
}


def time_series(series: Series, points: Sequence[Point] = ()) -> Any:
    """A `TimeSeries` (protobuf)."""
    message = types.TimeSeries.pb()(
        metric_kind=metric_pb2.MetricDescriptor.MetricKind.Value(series.kind),
        value_type=metric_pb2.MetricDescriptor.ValueType.Value(series.value_type),
    )
    message.metric.type = series.metric
    message.metric.labels.update(series.metric_labels)
    message.resource.type = series.resource
    message.resource.labels.update(series.resource_labels)
    field = _FIELDS[series.value_type]
    for point in points:
        added = message.points.add()
        added.interval.start_time.FromMicroseconds(point.start)
        added.interval.end_time.FromMicroseconds(point.end)
        if field == "distribution_value":
            added.value.distribution_value.CopyFrom(point.value)
        else:
            setattr(added.value, field, point.value)
    return message
