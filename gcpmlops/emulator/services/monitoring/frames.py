"""Many time series of one kind and value type with their points, as columns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
from google.api.distribution_pb2 import Distribution

from gcpmlops.emulator.services.monitoring.chunks import NUMBERS
from gcpmlops.emulator.services.monitoring.series import Kind, Point, Series, ValueType

Array = Any  # of NumPy
T = TypeVar("T")
Columns = tuple[list[int], list[int], list[Any]]
_POINT = partial(tuple.__new__, Point)  # a third of the time of Point(...)
Piece = tuple[int, Array, Array, Array]  # place of the series, ends, starts, values
_TYPES: dict[ValueType, Any] = {"INT64": np.int64, "DOUBLE": np.float64, "BOOL": np.int64}


@dataclass(frozen=True)
class Frame:
    """Points of several series.

    Attributes:
        series: their identities, kind and value type.
        kind: of all of them.
        value_type: of all of them.
        row: which series each point is of, as a place in `series`; rising.
        starts: microseconds since 1970.
        ends: microseconds since 1970; rising within a series.
        values: int64, float64, or objects (DISTRIBUTION, STRING).
    """

    series: Sequence[Series]
    kind: Kind
    value_type: ValueType
    row: Array
    starts: Array
    ends: Array
    values: Array

    @property
    def is_plain(self) -> bool:
        """Whether its values are numbers."""
        return self.value_type in NUMBERS

    def within(self, start: int, end: int) -> Frame:
        """The points that end in (`start`, `end`]."""
        inside = (self.ends > start) & (self.ends <= end)
        return self if inside.all() else self.only(inside)

    def only(self, chosen: Array) -> Frame:
        """The points of a mask, or of places."""
        return replace(
            self, row=self.row[chosen], starts=self.starts[chosen], ends=self.ends[chosen], values=self.values[chosen]
        )

    def lines(self) -> Iterator[tuple[Series, slice]]:
        """Each series that has points, as it is now, and where its points are."""
        cuts = np.searchsorted(self.row, np.arange(len(self.series) + 1)).tolist()
        for series, begin, end in zip(self.series, cuts, cuts[1:], strict=False):
            if end > begin:
                yield replace(series, kind=self.kind, value_type=self.value_type), slice(begin, end)

    def columns(self, part: slice) -> Columns:
        """Starts, ends and values of points, newest first."""
        starts, ends, values = (each[part][::-1].tolist() for each in (self.starts, self.ends, self.values))
        return starts, ends, [bool(value) for value in values] if self.value_type == "BOOL" else values

    def points(self, part: slice) -> list[Point]:
        """Points newest first."""
        return list(map(_POINT, zip(*self.columns(part), strict=True)))


def stored(
    chosen: Sequence[tuple[int, Series]], read: Callable[[Sequence[int]], tuple[list[Any], list[Any]]]
) -> list[Frame]:
    """The stored points of some series: one frame for each kind and value type.

    Args:
        chosen: ids and series.
        read: their chunks and rows, by ids: see `Points.columns`.
    """
    found = [_stored(members, read) for members in _alike(chosen, lambda pair: pair[1])]
    return [frame for frame in found if len(frame.row)]  # of a metric that was another kind once, nothing is left


def of_points(lines: Sequence[tuple[Series, Sequence[Point]]]) -> list[Frame]:
    """Series with their points, newest first, as one frame for each kind and value type."""
    found = []
    for members in _alike(lines, lambda line: line[0]):
        value_type = members[0][0].value_type
        pieces = []
        for place, (_, points) in enumerate(members):
            if points:
                starts, ends, values = zip(*reversed(points), strict=True)
                whole = np.array(ends, np.int64), np.array(starts, np.int64), _values(value_type, values)
                pieces.append((place, *whole))
        found.append(_frame([series for series, _ in members], pieces))
    return found


def _alike(items: Iterable[T], series: Callable[[T], Series]) -> Iterable[list[T]]:
    """By kind and value type."""
    groups: dict[tuple[Kind, ValueType], list[T]] = {}
    for item in items:
        groups.setdefault((series(item).kind, series(item).value_type), []).append(item)
    return groups.values()


def _stored(members: Sequence[tuple[int, Series]], read: Any) -> Frame:
    keys = [key for key, _ in members]
    chunks, rows = read(keys)
    places = {key: index for index, key in enumerate(keys)}
    pieces = _pieces(members[0][1].value_type, places, chunks, rows)
    pieces.sort(key=lambda piece: piece[0])  # what is new stays after what is old
    frame = _frame([series for _, series in members], pieces)
    return frame if _is_sorted(frame) else frame.only(np.lexsort((frame.ends, frame.row)))


def _frame(series: list[Series], pieces: Sequence[Piece]) -> Frame:
    kind, value_type = series[0].kind, series[0].value_type
    row = np.repeat(np.array([piece[0] for piece in pieces], np.int64), [len(piece[1]) for piece in pieces])
    ends = _joined([piece[1] for piece in pieces], np.int64)
    moments = all(piece[1] is piece[2] for piece in pieces)
    starts = ends if moments else _joined([piece[2] for piece in pieces], np.int64)
    values = _joined([piece[3] for piece in pieces], _TYPES.get(value_type, object))
    return Frame(series, kind, value_type, row, starts, ends, values)


def _pieces(
    value_type: ValueType, places: Mapping[int, int], chunks: Sequence[Any], rows: Sequence[Any]
) -> list[Piece]:
    """Of every chunk, and of the rows of every series."""
    pieces: list[Piece] = []
    number = np.dtype(_TYPES.get(value_type, np.float64)).newbyteorder("<")
    for key, ends, starts, numbers in chunks:
        until = np.frombuffer(ends, "<i8")
        since = until if starts is None else np.frombuffer(starts, "<i8")
        pieces.append((places[key], until, since, np.frombuffer(numbers, number)))
    for key, group in groupby(rows, key=lambda each: each[0]):
        _, last, first, values = zip(*group, strict=True)
        found = _values(value_type, [_decoded(value_type, value) for value in values])
        until = np.array(last, np.int64)
        pieces.append((places[key], until, until if first == last else np.array(first, np.int64), found))
    return pieces


def _decoded(value_type: ValueType, value: Any) -> Any:
    if value_type == "DISTRIBUTION":
        return Distribution.FromString(value)
    return math.nan if value is None else value  # what SQLite makes of NaN


def _values(value_type: ValueType, values: Sequence[Any]) -> Array:
    if value_type in _TYPES:
        return np.array(values, _TYPES[value_type])
    objects = np.empty(len(values), object)
    objects[:] = values
    return objects


def _joined(arrays: Sequence[Array], dtype: Any) -> Array:
    return np.concatenate(arrays) if arrays else np.empty(0, dtype)


def _is_sorted(frame: Frame) -> bool:
    same = frame.row[1:] == frame.row[:-1]
    return not bool(np.any(same & (frame.ends[1:] <= frame.ends[:-1])))
