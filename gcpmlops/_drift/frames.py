"""Rows in a DataFrame, counted by NumPy and pandas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gcpmlops import statistics
from gcpmlops._drift.sides import MOST_CATEGORIES, Kind, Profile
from gcpmlops.exceptions import InvalidArgument

if TYPE_CHECKING:
    import pandas

_INFERRED: dict[str, Kind] = {  # pandas' words for what a column of objects holds
    **dict.fromkeys(("integer", "floating", "mixed-integer-float", "decimal"), "number"),
    **dict.fromkeys(("datetime", "datetime64", "date"), "time"),
    "empty": "none",
}


class Frame:
    """One DataFrame; columns are read once."""

    def __init__(self, frame: pandas.DataFrame) -> None:
        double = frame.columns[frame.columns.duplicated()]
        if len(double):
            raise InvalidArgument(f"column {double[0]!r} is there twice", field="data", value=str(double[0]))
        self._columns: dict[str, Any] = {str(name): column for name, column in frame.items()}
        self._rows = len(frame)
        self._numbers: dict[str, statistics.Floats] = {}
        self._counts: dict[str, Any] = {}

    def kinds(self) -> Mapping[str, Kind | str]:
        return {name: _kind(column) for name, column in self._columns.items()}

    def rows(self) -> int:
        return self._rows

    def profiles(self, kinds: Mapping[str, Kind]) -> Mapping[str, Profile]:
        return {name: self._profile(name, kind) for name, kind in kinds.items()}

    def quantile_edges(self, kinds: Mapping[str, Kind], bins: int) -> Mapping[str, statistics.Floats]:
        return {name: statistics.quantile_edges(self._values(name, kind), bins) for name, kind in kinds.items()}

    def histograms(self, edges: Mapping[str, statistics.Floats], kinds: Mapping[str, Kind]) -> Mapping[str, list[int]]:
        return {n: statistics.histogram(self._values(n, kinds[n]), each).tolist() for n, each in edges.items()}

    def categories(self, names: list[str]) -> Mapping[str, Mapping[str, int]]:
        return {name: _labelled(self._counted(name)) for name in names}

    def _profile(self, name: str, kind: Kind) -> Profile:
        if kind == "category":
            return Profile(self._rows, self._rows - int(self._counted(name).sum()))
        if kind == "none":
            return Profile(self._rows, self._rows)
        values = self._values(name, kind)
        low, high = (float(values.min()), float(values.max())) if values.size else (np.nan, np.nan)
        if np.isfinite(low) and np.isfinite(high):
            return Profile(self._rows, 0, low, high)
        ends = statistics.finite_range(values)
        missing = int(np.count_nonzero(np.isnan(values)))
        infinite = int(np.count_nonzero(np.isinf(values)))
        low_high = ends or (None, None)
        return Profile(self._rows, missing, low_high[0], low_high[1], infinite)

    def _values(self, name: str, kind: Kind) -> statistics.Floats:
        if name not in self._numbers:
            column = self._columns[name]
            self._numbers[name] = _seconds(column) if kind == "time" else _floats(column)
        return self._numbers[name]

    def _counted(self, name: str) -> pandas.Series:
        if name not in self._counts:
            self._counts[name] = self._columns[name].value_counts()
        found: pandas.Series = self._counts[name]
        return found


def _kind(column: pandas.Series) -> Kind | str:
    import pandas

    types = pandas.api.types
    if types.is_bool_dtype(column.dtype):
        return "category"
    if types.is_complex_dtype(column.dtype):
        return str(column.dtype)
    if types.is_numeric_dtype(column.dtype):
        return "number"
    if types.is_datetime64_any_dtype(column.dtype):
        return "time"
    if column.dtype.kind == "m":
        return "timedelta"
    if isinstance(column.dtype, pandas.CategoricalDtype):
        return "category"
    return _held(column, types.infer_dtype(column, skipna=True))


def _held(column: pandas.Series, inferred: str) -> Kind | str:
    """Of a column of objects; lists, dicts and arrays are none of ours."""
    if inferred == "mixed" and column.map(lambda value: isinstance(value, list | dict | set | np.ndarray)).any():
        return "nested"
    if inferred in ("bytes", "timedelta", "timedelta64", "period", "interval", "complex"):
        return inferred
    return _INFERRED.get(inferred, "category")


def _floats(column: pandas.Series) -> statistics.Floats:
    if isinstance(column.dtype, np.dtype) and column.dtype.kind != "O":
        return statistics.numbers(column.to_numpy())
    found: statistics.Floats = column.to_numpy(dtype=np.float64, na_value=np.nan)  # pandas' own types, objects
    return found


def _seconds(column: pandas.Series) -> statistics.Floats:
    import pandas

    times = column if column.dtype.kind == "M" else pandas.to_datetime(column, utc=True)
    plain = times.dt.tz_convert(None) if getattr(times.dtype, "tz", None) is not None else times
    return statistics.numbers(plain.to_numpy(dtype="datetime64[us]"))


def _labelled(counted: pandas.Series) -> dict[str, int]:
    """Texts and their rows; values that read alike are one category."""
    found: dict[str, int] = {}
    for value, rows in counted.items():
        if rows and len(found) < MOST_CATEGORIES:
            label = _label(value)
            found[label] = found.get(label, 0) + int(rows)
    return found


def _label(value: Any) -> str:
    """As BigQuery writes it; a whole number without its point, since missing values turn integers into floats."""
    if isinstance(value, bool | np.bool_):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
