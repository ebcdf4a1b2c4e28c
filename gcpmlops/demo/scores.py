"""How good the answers were, beside what guessing would have given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Scores:
    """Shares are 0 to 1."""

    flights: int
    base_rate: float
    """Share of the flights that were late."""
    auc: float
    """Chance that a late flight was given the higher risk than one on time; 0.5 is guessing."""
    accuracy: float
    """Share of right answers when a chance above one half counts as "late"."""
    always_on_time: float
    """The accuracy of saying "on time" to everyone."""
    riskiest: float
    """Share of late flights among the tenth that was given the highest chance."""


def scores(truth: Sequence[bool], chances: Sequence[float]) -> Scores:
    """Judge the chances by what happened. Both kinds of flights must occur."""
    late = sum(truth)
    right = sum((chance > 0.5) == was for chance, was in zip(chances, truth, strict=True))
    by_risk = sorted(zip(chances, truth, strict=True), reverse=True)
    top = by_risk[: max(1, len(by_risk) // 10)]
    return Scores(
        flights=len(truth),
        base_rate=late / len(truth),
        auc=auc(truth, chances),
        accuracy=right / len(truth),
        always_on_time=1 - late / len(truth),
        riskiest=sum(was for _, was in top) / len(top),
    )


def auc(truth: Sequence[bool], chances: Sequence[float]) -> float:
    """Area under the ROC curve, by ranks; equal chances share their rank."""
    positive = sum(truth)
    order = sorted(range(len(truth)), key=lambda index: chances[index])
    total, start = 0.0, 0
    while start < len(order):
        end = start
        while end < len(order) and chances[order[end]] == chances[order[start]]:
            end += 1
        total += (start + 1 + end) / 2 * sum(truth[index] for index in order[start:end])
        start = end
    return (total - positive * (positive + 1) / 2) / (positive * (len(truth) - positive))
