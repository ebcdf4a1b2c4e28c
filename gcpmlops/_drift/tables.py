"""Rows in BigQuery, counted there: a profile, the counts by interval and those by category are what comes back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from gcpmlops._drift.sides import MOST_CATEGORIES, Kind, Profile
from gcpmlops.bigquery import BigQuery
from gcpmlops.checks import column

if TYPE_CHECKING:
    from gcpmlops.statistics import Floats

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("INTEGER", "INT64", "FLOAT", "FLOAT64", "NUMERIC", "BIGNUMERIC", "DECIMAL"), "number"),
    **dict.fromkeys(("TIMESTAMP", "DATE", "DATETIME"), "time"),
    **dict.fromkeys(("STRING", "BOOLEAN", "BOOL", "TIME"), "category"),
}


class Selected:
    """The rows of a table or of a query. Each look is one query, which reads the columns asked for once."""

    def __init__(self, bigquery: BigQuery, sql: str) -> None:
        self._bigquery = bigquery
        self._rows = f"WITH selected AS (\n{sql.strip().rstrip(';')}\n)"
        self._sql = sql
        self._floats: set[str] = set()
        self._total: int | None = None

    def kinds(self) -> Mapping[str, Kind | str]:
        """By a dry run, which costs nothing. Raises what a query raises."""
        schema = self._bigquery.query(self._sql, dry_run=True).proto.schema
        self._floats = {field.name for field in schema if field.field_type in ("FLOAT", "FLOAT64")}
        return {field.name: _kind(field) for field in schema}

    def rows(self) -> int:
        """Known once there was a profile."""
        if self._total is None:
            self._total = int(
                self._bigquery.query(f"{self._rows} SELECT COUNT(*) AS total FROM selected").rows()[0]["total"]
            )
        return self._total

    def profiles(self, kinds: Mapping[str, Kind]) -> Mapping[str, Profile]:
        if not kinds:
            return {}
        parts = ["COUNT(*) AS total"]
        for n, kind in enumerate(kinds.values()):
            parts.append(f"COUNT(v{n}) AS present{n}")
            if kind != "category":
                finite = f"IF(IS_INF(v{n}), NULL, v{n})"
                parts.append(f"MIN({finite}) AS low{n}, MAX({finite}) AS high{n}, COUNTIF(IS_INF(v{n})) AS infinite{n}")
        row = self._row(kinds, ", ".join(parts))
        self._total = row["total"]
        return {name: _profile(row, n) for n, name in enumerate(kinds)}

    def quantile_edges(self, kinds: Mapping[str, Kind], bins: int) -> Mapping[str, Floats]:
        import numpy as np

        from gcpmlops import statistics

        parts = (f"APPROX_QUANTILES(IF(IS_INF(v{n}), NULL, v{n}), {bins}) AS q{n}" for n in range(len(kinds)))
        row = self._row(kinds, ", ".join(parts)) if kinds else {}
        edges = {name: np.unique(np.array(row[f"q{n}"], dtype=np.float64)) for n, name in enumerate(kinds)}
        return {name: each if each.size > 1 else statistics.quantile_edges(each) for name, each in edges.items()}

    def histograms(self, edges: Mapping[str, Floats], kinds: Mapping[str, Kind]) -> Mapping[str, list[int]]:
        if not edges:
            return {}
        parts = [
            f"COUNTIF({condition}) AS n{n}_{place}"
            for n, each in enumerate(edges.values())
            for place, condition in enumerate(_conditions(f"v{n}", [float(edge) for edge in each[1:-1]]))
        ]
        row = self._row({name: kinds[name] for name in edges}, ", ".join(parts))
        return {name: [row[f"n{n}_{p}"] for p in range(each.size - 1)] for n, (name, each) in enumerate(edges.items())}

    def categories(self, names: list[str]) -> Mapping[str, Mapping[str, int]]:
        if not names:
            return {}
        texts = ", ".join(f"CAST({column(name)} AS STRING) AS v{n}" for n, name in enumerate(names))
        sql = (
            f"{self._rows}, texts AS (SELECT {texts} FROM selected)\n"
            f"SELECT feature, label, COUNT(*) AS n FROM texts UNPIVOT(label FOR feature IN ({_values(len(names))}))\n"
            f"GROUP BY feature, label "
            f"QUALIFY ROW_NUMBER() OVER (PARTITION BY feature ORDER BY COUNT(*) DESC, label) <= {MOST_CATEGORIES}\n"
            "ORDER BY feature, n DESC, label"
        )
        found: dict[str, dict[str, int]] = {name: {} for name in names}
        for row in self._bigquery.query(sql):
            name = names[int(row["feature"][1:])]
            found[name][row["label"].removesuffix(".0") if name in self._floats else row["label"]] = row["n"]
        return found

    def _row(self, kinds: Mapping[str, Kind], measures: str) -> dict[str, Any]:
        """The one row of aggregates over v0, v1, ...: these columns as their kinds are read."""
        values = ", ".join(f"{_read(column(name), kind)} AS v{n}" for n, (name, kind) in enumerate(kinds.items()))
        sql = f"{self._rows}, numbers AS (SELECT {values} FROM selected)\nSELECT {measures} FROM numbers"
        return self._bigquery.query(sql).rows()[0]


def _kind(field: Any) -> Kind | str:
    word = str(field.mode if field.mode == "REPEATED" else field.field_type)
    return _KINDS.get(word, word)


def _read(name: str, kind: Kind) -> str:
    """Numbers with NULL for NaN, times as seconds since 1970."""
    if kind == "time":
        return f"UNIX_MICROS(CAST({name} AS TIMESTAMP)) / 1e6"
    if kind == "category":
        return name
    return f"IF(IS_NAN(CAST({name} AS FLOAT64)), NULL, CAST({name} AS FLOAT64))"


def _profile(row: Mapping[str, Any], n: int) -> Profile:
    missing = row["total"] - row[f"present{n}"]
    return Profile(
        row["total"], missing, row.get(f"low{n}"), row.get(f"high{n}"), infinite=row.get(f"infinite{n}") or 0
    )


def _conditions(value: str, inner: list[float]) -> Iterator[str]:
    """One for each interval between the inner edges, the outer ones without an end."""
    if not inner:
        yield f"{value} IS NOT NULL"
        return
    yield f"{value} < {inner[0]!r}"
    for low, high in pairwise(inner):
        yield f"{value} >= {low!r} AND {value} < {high!r}"
    yield f"{value} >= {inner[-1]!r}"


def _values(count: int) -> str:
    return ", ".join(f"v{n}" for n in range(count))
