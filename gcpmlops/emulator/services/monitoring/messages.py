"""Time series as the API's messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

from google.api import metric_pb2
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.services.monitoring.series import FIELDS, Point, Series

_KINDS, _TYPES = metric_pb2.MetricDescriptor.MetricKind, metric_pb2.MetricDescriptor.ValueType
# Tags of protobuf's wire format: (field number << 3) | form of the value.
_SERIES, _POINT, _INTERVAL, _VALUE = b"\n", b"*", b"\n", b"\x12"
_IN_INT64, _IN_BOOL = b"\x10", b"\x08"


def time_series(series: Series, points: Sequence[Point] = ()) -> Any:
    """A `TimeSeries` (protobuf)."""
    message = types.TimeSeries.pb()(metric_kind=_KINDS.Value(series.kind), value_type=_TYPES.Value(series.value_type))
    message.metric.type = series.metric
    message.metric.labels.update(series.metric_labels)
    message.resource.type = series.resource
    message.resource.labels.update(series.resource_labels)
    field = FIELDS[series.value_type]
    for point in points:
        added = message.points.add()
        added.interval.start_time.FromMicroseconds(point.start)
        added.interval.end_time.FromMicroseconds(point.end)
        if field == "distribution_value":
            added.value.distribution_value.CopyFrom(point.value)
        else:
            setattr(added.value, field, point.value)
    return message


def encoded(found: Sequence[tuple[Series, str, Sequence[Point]]]) -> bytes:
    """Time series, with their units, as the bytes of a `ListTimeSeriesResponse`.

    Written by hand: points of many series at the same times are the most of an answer, and as messages they would cost
    an order of magnitude more.
    """
    intervals = _Intervals()
    parts = []
    for series, unit, points in found:
        head = time_series(series)
        head.unit = unit
        body = head.SerializeToString() + b"".join(_points(series.value_type, points, intervals))
        parts += (_SERIES, _varint(len(body)), body)
    return b"".join(parts)


class _Intervals(dict[tuple[int, int], bytes]):
    """`TimeInterval`s in bytes, with their tag, each made once."""

    def __missing__(self, key: tuple[int, int]) -> bytes:
        interval = types.TimeInterval.pb()()
        interval.start_time.FromMicroseconds(key[0])
        interval.end_time.FromMicroseconds(key[1])
        data = interval.SerializeToString()
        made = self[key] = _INTERVAL + _varint(len(data)) + data
        return made


def _points(value_type: str, points: Sequence[Point], intervals: _Intervals) -> Iterator[bytes]:
    for start, end, value in points:
        interval = intervals[start, end]
        if value_type == "DOUBLE":
            number = b"\x12\x09\x19" + struct.pack("<d", value)
        elif value_type in ("INT64", "BOOL"):
            text = (_IN_INT64 if value_type == "INT64" else _IN_BOOL) + _varint(int(value) & 0xFFFFFFFFFFFFFFFF)
            number = _VALUE + _varint(len(text)) + text
        else:
            typed: Any = types.TypedValue.pb()
            text = typed(**{FIELDS[value_type]: value}).SerializeToString()  # type: ignore[index]  # STRING or DISTRIBUTION
            number = _VALUE + _varint(len(text)) + text
        yield _POINT + _varint(len(interval) + len(number)) + interval + number


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    parts = []
    while number >= 0x80:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
