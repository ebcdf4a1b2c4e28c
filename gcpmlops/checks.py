"""Data checks: what a table must satisfy before it is trained on. All checks of one call are one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Protocol

from gcpmlops import _html
from gcpmlops.exceptions import InvalidArgument


class Check(Protocol):
    """One expectation: an SQL aggregate that measures, and a judgement of what it measured."""

    @property
    def title(self) -> str:
        """What is expected, in words."""

    def sql(self) -> str:
        """An aggregate expression over the table."""

    def passes(self, found: Any) -> bool:
        """Whether the value that `sql` gave is as expected."""


def column(name: str) -> str:
    """The column quoted for GoogleSQL; `a.b` is field b of a. Raises InvalidArgument for a quote in it."""
    if not name or "`" in name or "\\" in name:
        raise InvalidArgument(
            f"{name!r} is not a column name", field="column", value=name, allowed="a name without quotes"
        )
    return ".".join(f"`{part}`" for part in name.split("."))


def literal(value: Any) -> str:
    """A GoogleSQL literal for a bool, number, text, date or datetime."""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, (int, float)):
        return repr(value)
    text = str(value).replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"'{text}'"


@dataclass(frozen=True)
class RowCount:
    """Between `minimum` and `maximum` rows."""

    minimum: int = 1
    maximum: int | None = None

    @property
    def title(self) -> str:
        """What is expected, in words."""
        return f"at least {self.minimum:,} rows" + (f", at most {self.maximum:,}" if self.maximum is not None else "")

    def sql(self) -> str:
        """Rows."""
        return "COUNT(*)"

    def passes(self, found: Any) -> bool:
        """Whether it is between the two."""
        return self.minimum <= found and (self.maximum is None or found <= self.maximum)


@dataclass(frozen=True)
class NotNull:
    """At most `max_fraction` (0 to 1) of the column is NULL."""

    column: str
    max_fraction: float = 0.0

    @property
    def title(self) -> str:
        """What is expected, in words."""
        return f"{self.column}: at most {self.max_fraction:.2%} NULL"

    def sql(self) -> str:
        """The fraction that is NULL; NULL for an empty table."""
        return f"SAFE_DIVIDE(COUNTIF({column(self.column)} IS NULL), COUNT(*))"

    def passes(self, found: Any) -> bool:
        """Whether the fraction is small enough; an empty table has none."""
        return found is None or found <= self.max_fraction


@dataclass(frozen=True)
class Unique:
    """No two rows have the same values in these columns."""

    columns: str | Sequence[str]

    def _names(self) -> list[str]:
        return [self.columns] if isinstance(self.columns, str) else list(self.columns)

    @property
    def title(self) -> str:
        """What is expected, in words."""
        return f"{', '.join(self._names())}: unique"

    def sql(self) -> str:
        """Rows too many."""
        names = self._names()
        key = column(names[0]) if len(names) == 1 else f"TO_JSON_STRING([{', '.join(_text(n) for n in names)}])"
        return f"COUNT({key}) - COUNT(DISTINCT {key})"

    def passes(self, found: Any) -> bool:
        """Whether there are none."""
        return bool(found == 0)


def _text(name: str) -> str:
    return f"CAST({column(name)} AS STRING)"


@dataclass(frozen=True)
class InRange:
    """Every value that is not NULL lies between `minimum` and `maximum`, both included."""

    column: str
    minimum: Any = None
    maximum: Any = None

    @property
    def title(self) -> str:
        """What is expected, in words."""
        low = "" if self.minimum is None else f"{self.minimum} <= "
        high = "" if self.maximum is None else f" <= {self.maximum}"
        return f"{low}{self.column}{high}"

    def sql(self) -> str:
        """Values outside."""
        name = column(self.column)
        outside = [f"{name} < {literal(self.minimum)}"] if self.minimum is not None else []
        outside += [f"{name} > {literal(self.maximum)}"] if self.maximum is not None else []
        if not outside:
            raise InvalidArgument(
                f"InRange({self.column!r}) has no bound", field="minimum", allowed="minimum, maximum or both"
            )
        return f"COUNTIF({' OR '.join(outside)})"

    def passes(self, found: Any) -> bool:
        """Whether there are none."""
        return bool(found == 0)


@dataclass(frozen=True)
class Accepted:
    """Every value that is not NULL is one of `values`."""

    column: str
    values: Sequence[Any]

    @property
    def title(self) -> str:
        """What is expected, in words."""
        return f"{self.column}: one of {', '.join(map(str, self.values))}"

    def sql(self) -> str:
        """Values that are none of them."""
        return f"COUNTIF({column(self.column)} NOT IN ({', '.join(map(literal, self.values))}))"

    def passes(self, found: Any) -> bool:
        """Whether there are none."""
        return bool(found == 0)


@dataclass(frozen=True)
class Fresh:
    """The newest value of a TIMESTAMP, DATETIME or DATE column is at most `max_age` old."""

    column: str
    max_age: timedelta

    @property
    def title(self) -> str:
        """What is expected, in words."""
        return f"{self.column}: newest at most {self.max_age} old"

    def sql(self) -> str:
        """Age of the newest value in seconds."""
        return f"TIMESTAMP_DIFF(CURRENT_TIMESTAMP(), MAX(CAST({column(self.column)} AS TIMESTAMP)), SECOND)"

    def passes(self, found: Any) -> bool:
        """Whether there is a value, and it is new enough."""
        return found is not None and found <= self.max_age.total_seconds()


@dataclass(frozen=True)
class CheckResult:
    """One check with what was found."""

    title: str
    passed: bool
    found: Any


@dataclass(frozen=True)
class CheckReport:
    """All checks of a table."""

    table: str
    results: tuple[CheckResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(result.passed for result in self.results)

    @property
    def failures(self) -> list[CheckResult]:
        """The checks that failed."""
        return [result for result in self.results if not result.passed]

    def __str__(self) -> str:
        lines = [f"{'ok  ' if r.passed else 'FAIL'} {r.title} (found {r.found})" for r in self.results]
        return "\n".join(
            [f"{self.table}: {len(self.results) - len(self.failures)}/{len(self.results)} checks passed", *lines]
        )

    def _repr_html_(self) -> str:
        rows = [("ok" if r.passed else "FAIL", r.title, r.found) for r in self.results]
        return _html.grid(self.table, ("", "check", "found"), rows)
