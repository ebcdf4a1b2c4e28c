"""Optuna's distributions as columns of a unit cube: one for a number, one for each choice of a categorical."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from gcpmlops.emulator.runtimes.search.descent import Array

_ENUMERATED = 32  # a number with more steps is searched like a continuous one and rounded in the end
_CHOSEN = math.sqrt(0.5)  # puts two categories at distance 1


@dataclass(frozen=True)
class Number:
    """A float or an integer; with ``step`` each value is the middle of an interval of its own."""

    low: float
    high: float
    step: float
    log: bool
    integer: bool

    columns = 1

    @classmethod
    def of(cls, distribution: FloatDistribution | IntDistribution) -> Number:
        integer = isinstance(distribution, IntDistribution)
        return cls(distribution.low, distribution.high, distribution.step or 0.0, distribution.log, integer)

    def encode(self, value: Any) -> Array:
        low, high = self._ends()
        halves = 0.5 * self._scaled(np.array([float(value)])) - 0.5 * low  # the whole range may be beyond floats
        return np.clip(halves / (0.5 * high - 0.5 * low), 0.0, 1.0)

    def decode(self, cells: Array) -> float | int:
        value = float(self._value(cells)[0])
        return min(max(round(value), int(self.low)), int(self.high)) if self.integer else value

    def snap(self, cells: Array) -> Array:
        """Rows of cells, each at the nearest value that exists."""
        if not self.step:
            return cells
        low, high = self._ends()
        return (self._scaled(self._value(cells)) - low) / (high - low)

    def values(self) -> Array | None:
        """All cells (values, 1), where they are few."""
        if not self.step or (count := round((self.high - self.low) / self.step) + 1) > _ENUMERATED:
            return None
        return np.stack([self.encode(min(self.low + self.step * i, self.high)) for i in range(count)])

    def _value(self, cells: Array) -> Array:
        low, high = self._ends()
        value = low * (1.0 - cells) + high * cells
        value = np.exp(value) if self.log else value
        if self.step:
            value = self.low + np.round((value - self.low) / self.step) * self.step
        return np.clip(value, self.low, self.high)

    def _ends(self) -> tuple[float, float]:
        low, high = self.low - 0.5 * self.step, self.high + 0.5 * self.step
        return (math.log(low), math.log(high)) if self.log else (low, high)

    def _scaled(self, value: Array) -> Array:
        return np.log(value) if self.log else value


@dataclass(frozen=True)
class Choice:
    """A categorical: the chosen column holds `_CHOSEN`, the others 0."""

    distribution: CategoricalDistribution

    @property
    def columns(self) -> int:
        return len(self.distribution.choices)

    def encode(self, value: Any) -> Array:
        cells: Array = self.values()[int(self.distribution.to_internal_repr(value))]
        return cells

    def decode(self, cells: Array) -> Any:
        return self.distribution.to_external_repr(int(np.argmax(cells)))

    def snap(self, cells: Array) -> Array:
        """Rows of uniform cells become uniform choices."""
        snapped: Array = self.values()[np.argmax(cells, axis=1)]
        return snapped

    def values(self) -> Array:
        return np.eye(self.columns) * _CHOSEN


class Coding:
    """Parameter values as rows of a matrix and back; ``groups`` says which parameter each column belongs to."""

    def __init__(self, space: Mapping[str, BaseDistribution]) -> None:
        self._names = list(space)
        self._parts = [_part(distribution) for distribution in space.values()]
        widths = [part.columns for part in self._parts]
        self._ends = np.cumsum(widths)[:-1]
        self.groups = np.repeat(np.arange(len(widths)), widths)
        listed = [part.values() for part in self._parts]
        self._listed = {number: values for number, values in enumerate(listed) if values is not None}
        self.continuous = np.flatnonzero(~np.isin(self.groups, list(self._listed)))

    def __len__(self) -> int:
        return len(self._parts)

    def encode(self, params: Mapping[str, Any]) -> Array:
        cells = [part.encode(params[name]) for name, part in zip(self._names, self._parts, strict=True)]
        return np.concatenate(cells)

    def decode(self, row: Array) -> dict[str, Any]:
        return {
            name: part.decode(cells)
            for name, part, cells in zip(self._names, self._parts, np.split(row, self._ends), strict=True)
        }

    def snap(self, rows: Array) -> Array:
        """The nearest rows that stand for values."""
        pieces = zip(self._parts, np.split(rows, self._ends, axis=1), strict=True)
        return np.concatenate([part.snap(cells) for part, cells in pieces], axis=1)

    def spread(self, count: int, rng: np.random.Generator) -> Array:
        """Rows all over the space, more even than random ones (Kronecker's sequence, shifted at random)."""
        columns = len(self.groups)
        root = 2.0
        for _ in range(40):
            root = (1.0 + root) ** (1.0 / (columns + 1))
        steps = root ** -np.arange(1.0, columns + 1)
        cells = (rng.random(columns) + np.arange(count)[:, None] * steps) % 1.0
        return self.snap(cells)

    def near(self, row: Array, deviations: Array, rng: np.random.Generator) -> Array:
        """A row for each of ``deviations``: numbers moved by about it, every fifth enumerated value drawn anew."""
        rows = np.clip(row + rng.normal(size=(len(deviations), len(row))) * deviations[:, None], 0.0, 1.0)
        for number, values in self._listed.items():
            own = self.groups == number
            drawn = values[rng.integers(len(values), size=len(rows))]
            rows[:, own] = np.where(rng.random((len(rows), 1)) < 0.2, drawn, row[own])
        return self.snap(rows)

    def neighbours(self, row: Array) -> Array | None:
        """The rows that differ in one enumerated parameter, with ``row`` itself; None without such parameters."""
        return np.concatenate([*self._changed(row)]) if self._listed else None

    def _changed(self, row: Array) -> Iterator[Array]:
        for number, values in self._listed.items():
            rows = np.repeat(row[None], len(values), axis=0)
            rows[:, self.groups == number] = values
            yield rows


def _part(distribution: BaseDistribution) -> Number | Choice:
    if isinstance(distribution, CategoricalDistribution):
        return Choice(distribution)
    assert isinstance(distribution, FloatDistribution | IntDistribution)  # noqa: S101 - Optuna has no other kinds
    return Number.of(distribution)
