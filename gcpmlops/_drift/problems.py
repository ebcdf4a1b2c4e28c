"""What a broken feed looks like, told apart from a world that changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gcpmlops._drift.result import DataProblem, Distribution
from gcpmlops._drift.sides import MOST_CATEGORIES, Kind, Profile

_CHANCE = 0.001  # how unlikely one value alone must be before it is called a fault
_FEWEST = 10  # rows that say something


@dataclass(frozen=True)
class Limits:
    """From where on a change of the data counts as a fault.

    Attributes:
        volume: least rows of the current side as a share of the baseline's; 0: no rows at all are the only fault.
        missing: largest rise of the share of missing values.
        unseen: largest share of rows in categories that the baseline does not have.
    """

    volume: float = 0.01
    missing: float = 0.5
    unseen: float = 0.5


def of_volume(baseline: int, current: int, limits: Limits) -> Iterator[DataProblem]:
    """Rows that did not come."""
    if not current:
        yield DataProblem("", "no_rows", "there are no current rows")
    elif not baseline:
        yield DataProblem("", "no_rows", "there are no baseline rows")
    elif current < limits.volume * baseline:
        yield DataProblem("", "volume", f"{current:,} rows, {current / baseline:.2%} of the baseline's {baseline:,}")


def of_kind(name: str, baseline: Kind | str, current: Kind | str | None) -> Iterator[DataProblem]:
    """A column that is gone or has become something else."""
    if current is None:
        yield DataProblem(name, "missing_column", "the column is missing")
    elif current != baseline and "none" not in (baseline, current):
        yield DataProblem(name, "type_changed", f"was {baseline}, is {current}")


def of_values(
    name: str, baseline: Profile, current: Profile, counts: Distribution | None, constant: str | None, limits: Limits
) -> Iterator[DataProblem]:
    """Values that are missing, stand still, or were never seen. `constant` is the one value where there is but one."""
    if not current.rows:
        return
    if not current.present and baseline.present:
        yield DataProblem(name, "all_missing", "all values are missing")
    elif current.missing_rate - baseline.missing_rate > limits.missing:
        rates = f"{current.missing_rate:.1%} of the values are missing, {baseline.missing_rate:.1%} before"
        yield DataProblem(name, "missing_values", rates)
    if counts is None or current.present < _FEWEST or not baseline.present:
        return
    unseen = sum(now for was, now in zip(counts.baseline, counts.current, strict=True) if not was)
    if counts.labels and unseen > limits.unseen * current.present and not _is_key(counts, baseline):
        share = unseen / current.present
        yield DataProblem(name, "new_categories", f"{share:.1%} of the rows have categories never seen before")
    elif constant is not None and _is_strange(counts, current.present):
        yield DataProblem(name, "constant", f"all {current.present:,} values are {constant}")


def _is_key(counts: Distribution, baseline: Profile) -> bool:
    """Many rows have a value of their own: new ones are no news."""
    known = sum(1 for was in counts.baseline if was)
    return known > baseline.present / 2 or known >= MOST_CATEGORIES


def _is_strange(counts: Distribution, rows: int) -> bool:
    """Whether that many rows of the baseline would hardly ever all be alike."""
    place = max(range(len(counts.current)), key=lambda n: counts.current[n])
    whole = sum(counts.baseline)
    share = counts.baseline[place] / whole if whole else 1.0
    return bool(share**rows < _CHANCE)


def constant_of(kind: Kind, profile: Profile, labels: Mapping[str, int] | None) -> str | None:
    """The value, where all are alike."""
    if kind == "category":
        return next(iter(labels)) if labels and len(labels) == 1 else None
    alike = profile.low is not None and profile.low == profile.high and not profile.infinite
    return f"{profile.low:g}" if alike else None
