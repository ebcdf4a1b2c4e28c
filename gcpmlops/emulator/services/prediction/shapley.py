"""Sampled Shapley values: how players share what a game pays, from the pay of some coalitions.

A coalition is an int: bit i is set where player i takes part.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Pay = Callable[[int], float]
_SEED = 0  # the same request has the same answer


@dataclass(frozen=True)
class Shares:
    """Who gets how much; `error` is the standard error's length beside the shares' own, 0 where they are exact."""

    values: tuple[float, ...]
    error: float


class Game:
    """Which coalitions must be asked for, and what follows from their pay. The shares add up to the whole pay.

    Where all coalitions are no more than the paths would ask for, the values are exact.

    Args:
        players: how many there are.
        path_count: how many orders, in which the players join one by one, are looked at.
    """

    def __init__(self, players: int, path_count: int) -> None:
        self._players = players
        self._exact = 2**players <= max(path_count * (players - 1) + 2, 4)
        self._paths = [] if self._exact else orders(players, path_count)
        found = range(2**players) if self._exact else {step for path in self._paths for step in joining(path)}
        self.coalitions: tuple[int, ...] = tuple(sorted(found))

    @property
    def everybody(self) -> int:
        """The coalition of all players."""
        return (1 << self._players) - 1

    def shares(self, pay: Pay) -> Shares:
        """The Shapley values of the players, by the pay of each of the `coalitions`."""
        if self._exact:
            return Shares(tuple(self._value(player, pay) for player in range(self._players)), 0.0)
        return average([self._gains(path, pay) for path in self._paths])

    def _value(self, player: int, pay: Pay) -> float:
        """The exact one: the mean of what the player adds, over all coalitions of others."""
        bit, count = 1 << player, self._players
        return sum(
            (pay(others | bit) - pay(others)) / (count * math.comb(count - 1, others.bit_count()))
            for others in self.coalitions
            if not others & bit
        )

    def _gains(self, path: Sequence[int], pay: Pay) -> list[float]:
        """What each player adds when they join in this order."""
        gains = [0.0] * self._players
        paid = [pay(step) for step in joining(path)]
        for place, player in enumerate(path):
            gains[player] = paid[place + 1] - paid[place]
        return gains


def orders(players: int, count: int) -> list[tuple[int, ...]]:
    """Random orders, each followed by its reverse: what one has too much, the other has too little."""
    chance = random.Random(_SEED)  # noqa: S311 - no secret
    found: list[tuple[int, ...]] = []
    while len(found) < count:
        order = tuple(chance.sample(range(players), players))
        found += [order, order[::-1]]
    return found[:count]


def joining(path: Sequence[int]) -> Iterator[int]:
    """The coalitions on the way from nobody to everybody."""
    coalition = 0
    yield coalition
    for player in path:
        coalition |= 1 << player
        yield coalition


def average(gains: Sequence[Sequence[float]]) -> Shares:
    """The mean over paths, with the error that is to be expected of it (1 where there is nothing to compare)."""
    means = tuple(math.fsum(column) / len(gains) for column in zip(*gains, strict=True))
    pairs = [list(zip(*gains[at : at + 2], strict=True)) for at in range(0, len(gains), 2)]
    if len(pairs) < 2:
        return Shares(means, 1.0)
    samples = [[math.fsum(each) / len(each) for each in pair] for pair in pairs]
    spread = sum((value - mean) ** 2 for sample in samples for value, mean in zip(sample, means, strict=True))
    size = math.hypot(*means)
    error = math.sqrt(spread / (len(samples) * (len(samples) - 1)))
    return Shares(means, error / size if size else 0.0)
