"""Time series as the API's messages."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

from google.api import metric_pb2
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.services.monitoring.series import FIELDS, Point, Series

Columns = tuple[list[int], list[int], list[Any]]  # starts, ends, values

_KINDS, _TYPES = metric_pb2.MetricDescriptor.MetricKind, metric_pb2.MetricDescriptor.ValueType
# Tags of protobuf's wire format: (field number << 3) | form of the value.
_SERIES, _POINT, _INTERVAL, _VALUE = b"\n", b"*", b"\n", b"\x12"
_IN_VARINT = {"INT64": b"\x10", "BOOL": b"\x08"}
_IN_DOUBLE = b"\x12\x09\x19"  # a value of nine bytes: its tag, and the number


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


def encoded(found: Iterable[tuple[Series, str, Columns]]) -> bytes:
    """Time series, with their units and the starts, ends and values of their points, as a `ListTimeSeriesResponse`.

    Written by hand: points of many series at the same times are the most of an answer, and as messages they would cost
    an order of magnitude more.
    """
    intervals = _Intervals()
    parts: list[bytes] = []
    for series, unit, columns in found:
        head = time_series(series)
        head.unit = unit
        points = _doubles(columns, intervals) if series.value_type == "DOUBLE" else _points(series, columns, intervals)
        body = head.SerializeToString() + b"".join(points)
        parts += (_SERIES, _varint(len(body)), body)
    return b"".join(parts)


class _Intervals(dict[tuple[int, int], bytes]):
    """`TimeInterval`s in bytes, with their tag, each made once."""

    def __init__(self) -> None:
        super().__init__()
        self.of_doubles: dict[tuple[int, int], bytes] = {}  # all of a point but the number

    def __missing__(self, key: tuple[int, int]) -> bytes:
        interval = types.TimeInterval.pb()()
        interval.start_time.FromMicroseconds(key[0])
        interval.end_time.FromMicroseconds(key[1])
        data: bytes = interval.SerializeToString()
        made = self[key] = _INTERVAL + _varint(len(data)) + data
        return made

    def of_double(self, key: tuple[int, int]) -> bytes:
        """A point, up to its number."""
        known: bytes | None = self.of_doubles.get(key)
        if known is None:
            interval = self[key]
            known = self.of_doubles[key] = _POINT + _varint(len(interval) + len(_IN_DOUBLE) + 8) + interval + _IN_DOUBLE
        return known


def _doubles(columns: Columns, intervals: _Intervals) -> Iterable[bytes]:
    starts, ends, values = columns
    data = struct.pack(f"<{len(values)}d", *values)
    heads = map(intervals.of_double, zip(starts, ends, strict=True))
    return [head + data[at : at + 8] for head, at in zip(heads, range(0, len(data), 8), strict=True)]


def _points(series: Series, columns: Columns, intervals: _Intervals) -> Iterable[bytes]:
    field = FIELDS[series.value_type]
    for start, end, value in zip(*columns, strict=True):
        interval = intervals[start, end]
        if series.value_type in _IN_VARINT:
            text = _IN_VARINT[series.value_type] + _varint(int(value) & 0xFFFFFFFFFFFFFFFF)
        else:
            text = types.TypedValue.pb()(**{field: value}).SerializeToString()
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
