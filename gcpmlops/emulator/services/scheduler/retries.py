"""When a failed attempt is followed by another one."""

from __future__ import annotations

from datetime import datetime, timedelta

from google.cloud.scheduler_v1 import types


def next_attempt(config: types.RetryConfig, attempts: int, *, begun: datetime, now: datetime) -> datetime | None:
    """The time of the next attempt of an execution; None where there is none.

    Attempts go on until both limits are reached, where both are set: their count, and the time since the first one.

    Args:
        config: the limits and pauses.
        attempts: how many there were, 1 at least.
        begun: when the first one began.
        now: when the last one ended.
    """
    again = now + pause(config, attempts - 1)
    limit = config.max_retry_duration
    if attempts <= config.retry_count or (limit and again - begun <= limit):
        return again
    return None


def pause(config: types.RetryConfig, number: int) -> timedelta:
    """How long retry ``number`` (from 0) waits: doubled `max_doublings` times, then longer by the same step."""
    least, doublings = config.min_backoff_duration, config.max_doublings
    factor = 2**number if number <= doublings else 2**doublings * (number - doublings + 1)
    return timedelta(seconds=min(least.total_seconds() * factor, config.max_backoff_duration.total_seconds()))
