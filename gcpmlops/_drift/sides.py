"""What a comparison asks of each side, wherever its rows are: kinds of columns, profiles, counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from gcpmlops.statistics import Floats

Kind = Literal["number", "category", "time", "none"]
"""time is a number: seconds since 1970; none has no values that tell its kind."""

MOST_CATEGORIES = 10_000  # of a feature: the rarer ones count in the total alone


@dataclass(frozen=True)
class Profile:
    """A column at a first look.

    Attributes:
        rows: all of them.
        missing: NULL, None, NaN or NaT.
        low: smallest finite number; None for categories, and where there is none.
        high: largest one.
        infinite: values without end.
    """

    rows: int
    missing: int
    low: float | None = None
    high: float | None = None
    infinite: int = 0

    @property
    def present(self) -> int:
        """Rows that have a value."""
        return self.rows - self.missing

    @property
    def missing_rate(self) -> float:
        """0 to 1; 0 where there are no rows."""
        return self.missing / self.rows if self.rows else 0.0


class Side(Protocol):
    """Rows that are compared."""

    def kinds(self) -> Mapping[str, Kind | str]:
        """Columns in their order; what cannot be compared has its type's name instead of a kind."""

    def rows(self) -> int:
        """How many there are."""

    def profiles(self, kinds: Mapping[str, Kind]) -> Mapping[str, Profile]:
        """Of these columns, read as these kinds."""

    def quantile_edges(self, kinds: Mapping[str, Kind], bins: int) -> Mapping[str, Floats]:
        """Edges of numbers and times between which their values lie in equal numbers."""

    def histograms(self, edges: Mapping[str, Floats], kinds: Mapping[str, Kind]) -> Mapping[str, list[int]]:
        """Values in each interval."""

    def categories(self, names: list[str]) -> Mapping[str, Mapping[str, int]]:
        """Rows of each category as text, the most frequent first, missing ones left out."""
