"""Which row goes into which set: training, validation, test, or none.

A split is the same each time it is made of the same rows, whatever their order: rows are ranked by a hash of what they
hold. https://cloud.google.com/vertex-ai/docs/training/using-managed-datasets
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gcpmlops.emulator.kernel import validate

SETS = ("training", "validation", "test")
DEFAULT = (0.8, 0.1, 0.1)
IGNORED = -1
# What PredefinedSplit names, and what the page on splits of tabular data does.
WORDS = {"training": 0, "train": 0, "validation": 1, "validate": 1, "test": 2}
TOP_VALUES = 500  # a stratified split looks at so many values of its column,
FEWEST_ROWS = 3  # each in so many rows
_TOLERANCE = 1e-6

Shares = tuple[float, float, float]


@dataclass(frozen=True)
class Split:
    """`kind` is fraction, predefined, timestamp or stratified; `key` is a column; the shares sum to 1."""

    kind: str
    shares: Shares = DEFAULT
    key: str = ""


def of_config(config: Any, field: str) -> Split:
    """The split that an InputDataConfig or ExportDataConfig declares: without one, 80/10/10.

    Raises: InvalidArgument naming the field, also for a filter split, which rows don't have.
    """
    kind = type(config).pb(config).WhichOneof("split") or "fraction_split"
    if kind == "filter_split":
        raise validate.invalid(f"{field}.filter_split", "a split by filters is for datasets with data items only.")
    declared = getattr(config, kind)
    path = f"{field}.{kind}"
    if kind != "fraction_split" and not declared.key:
        raise validate.invalid(f"{path}.key", "required, but missing.")
    if kind == "predefined_split":
        return Split("predefined", key=declared.key)
    return Split(kind.removesuffix("_split"), _shares(declared, path), getattr(declared, "key", ""))


def _shares(declared: Any, path: str) -> Shares:
    given = [getattr(declared, f"{name}_fraction") for name in SETS]
    for name, share in zip(SETS, given, strict=True):
        if not 0 <= share <= 1:
            raise validate.invalid(f"{path}.{name}_fraction", f"{share:g} is not between 0 and 1.")
    total = sum(given)
    if total > 1 + _TOLERANCE:
        raise validate.invalid(path, f"the fractions sum to {total:g}; they must sum to 1 at most.")
    if total == 0:
        return DEFAULT
    return _completed(given, 1 - total)


def _completed(given: list[float], rest: float) -> Shares:
    """What is left of the data goes to the sets without a fraction, else to training."""
    if rest > _TOLERANCE:
        open_sets = [at for at, share in enumerate(given) if share == 0] or [0]
        for at in open_sets:
            given[at] += rest / len(open_sets)
    return given[0], given[1], given[2]


def counts(total: int, shares: Shares) -> tuple[int, int, int]:
    """So many rows for each set: they sum to `total`, and differ from the exact shares by less than one."""
    exact = [total * share for share in shares]
    whole = [int(part + _TOLERANCE) for part in exact]
    by_rest = sorted(range(3), key=lambda at: (whole[at] - exact[at], at))
    for at in by_rest[: total - sum(whole)]:
        whole[at] += 1
    return whole[0], whole[1], whole[2]


def fingerprint(values: Sequence[str]) -> int:
    """A number of 64 bits that stands for a row."""
    text = "\x1f".join(values).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def assign(split: Split, prints: Sequence[int], keys: Sequence[str]) -> list[int]:
    """The set of each row, by its fingerprint and by its value in the key column (unless the split is by fraction)."""
    if split.kind == "predefined":
        return [WORDS.get(key.strip().lower(), IGNORED) for key in keys]
    if split.kind == "timestamp":
        times = [moment(key) for key in keys]
        dated = [at for at, time in enumerate(times) if time is not None]
        return _ranked(sorted(dated, key=lambda at: (times[at], prints[at])), split.shares, len(prints))
    if split.kind == "stratified":
        return _stratified(split.shares, prints, keys)
    return _ranked(sorted(range(len(prints)), key=prints.__getitem__), split.shares, len(prints))


def moment(text: str) -> datetime | None:
    """An RFC 3339 time, or BigQuery's way to write one; None for anything else."""
    try:
        found = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _ranked(order: Sequence[int], shares: Shares, total: int) -> list[int]:
    """The first rows of an order are for training, the next for validation, the last for test."""
    sets = [IGNORED] * total
    training, validation, _ = counts(len(order), shares)
    for rank, at in enumerate(order):
        sets[at] = int(rank >= training) + int(rank >= training + validation)
    return sets


def _stratified(shares: Shares, prints: Sequence[int], keys: Sequence[str]) -> list[int]:
    """Each value's rows in the same shares; rare values share one lot.

    Walks over the rows value by value and gives each to the set that is furthest behind, so that both the whole and
    every value come out within a row or two of the shares.
    """
    common = {key for key, number in Counter(keys).most_common(TOP_VALUES) if number >= FEWEST_ROWS}
    order = sorted(range(len(keys)), key=lambda at: (keys[at] in common, keys[at] * (keys[at] in common), prints[at]))
    sets, given = [IGNORED] * len(keys), [0, 0, 0]
    for rank, at in enumerate(order, 1):
        sets[at] = max(range(3), key=lambda which: (shares[which] * rank - given[which], -which))
        given[sets[at]] += 1
    return sets
