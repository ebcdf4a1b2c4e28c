"""Whether what a new model did speaks against it: limits, and the old model's figures."""

from __future__ import annotations

import math
from statistics import NormalDist

from gcpmlops._endpoints.rollout import Figures, percent, seconds
from gcpmlops._endpoints.strategies import Quality, Watched

_CHANCE = 0.05  # more errors than the old model's count only where chance alone would rarely make so many
_NOISE_S = 0.01  # differences of latency below this are never held against a model


def violations(limits: Watched, new: Figures | None, old: Figures | None) -> tuple[str, ...]:
    """Why the new model fails, with figures; empty while nothing speaks against it.

    Errors that break the limit whatever else comes until `min_requests` count at once; all else counts from there.
    """
    if new is None or not new.requests:
        return ()
    errors, latency = _error_limit(limits, new), ""
    if new.requests >= limits.min_requests:
        latency = _latency_limit(limits, new)
        if old is not None and old.requests >= max(1, limits.min_requests):
            errors = errors or _more_errors(limits, new, old)
            latency = latency or _slower(limits, new, old)
    return tuple(filter(None, [errors, latency]))


def quality_violation(quality: Quality, value: float) -> str:
    """Why this quality fails; empty where it does not."""
    low = quality.minimum is not None and not value >= quality.minimum
    high = quality.maximum is not None and not value <= quality.maximum
    if low:
        return f"{quality.name} {value:.4g} is below {quality.minimum:.4g}"
    return f"{quality.name} {value:.4g} is above {quality.maximum:.4g}" if high else ""


def _error_limit(limits: Watched, new: Figures) -> str:
    if limits.max_error_rate is None or new.errors <= limits.max_error_rate * max(new.requests, limits.min_requests):
        return ""
    return (
        f"error rate {percent(new.error_rate)} ({new.errors} of {new.requests} requests) "
        f"is above {percent(limits.max_error_rate)}"
    )


def _latency_limit(limits: Watched, new: Figures) -> str:
    p95, most = new.latency_p95_s, limits.max_latency_p95
    return f"p95 latency {seconds(p95)} is above {seconds(most)}" if p95 and most is not None and p95 > most else ""


def _more_errors(limits: Watched, new: Figures, old: Figures) -> str:
    if limits.tolerance is None or new.error_rate <= old.error_rate:
        return ""
    expected = max(old.error_rate, 1 / (old.requests + 2)) * (1 + limits.tolerance)
    if _at_least(new.errors, new.requests, min(1.0, expected)) >= _CHANCE:
        return ""
    return (
        f"error rate {percent(new.error_rate)} ({new.errors} of {new.requests} requests) "
        f"is more than {percent(limits.tolerance)} above the old model's {percent(old.error_rate)}"
    )


def _slower(limits: Watched, new: Figures, old: Figures) -> str:
    p95, before = new.latency_p95_s, old.latency_p95_s
    if limits.tolerance is None or p95 is None or before is None:
        return ""
    if _surely(new, p95) <= before * (1 + limits.tolerance) + _NOISE_S:
        return ""
    return (
        f"p95 latency {seconds(p95)} is more than {percent(limits.tolerance)} above the old model's {seconds(before)}"
    )


def _surely(new: Figures, p95: float) -> float:
    """The lower end of the interval in which the true p95 lies, for latencies that are spread lognormally.

    Of 50 requests the 45th longest may well be as long as the true p95's; a shift of all of them shows all the same.
    """
    p50 = new.latency_p50_s
    if not p50 or p50 >= p95:
        return p95
    normal = NormalDist()
    lower = max(0.5, 0.95 - normal.inv_cdf(1 - _CHANCE) * math.sqrt(0.95 * 0.05 / new.requests))
    return float(p50 * (p95 / p50) ** (normal.inv_cdf(lower) / normal.inv_cdf(0.95)))


def _at_least(errors: int, requests: int, rate: float) -> float:
    """The probability of so many errors or more in so many requests, each failing at `rate` (binomial)."""
    if errors <= 0 or rate >= 1:
        return 1.0
    less = sum(_exactly(k, requests, rate) for k in range(errors))
    return max(0.0, 1.0 - less)


def _exactly(errors: int, requests: int, rate: float) -> float:
    ways = math.lgamma(requests + 1) - math.lgamma(errors + 1) - math.lgamma(requests - errors + 1)
    return math.exp(ways + errors * math.log(rate) + (requests - errors) * math.log1p(-rate))
