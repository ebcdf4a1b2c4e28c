"""Durations counted by exponential buckets, as Cloud Monitoring's distributions hold them."""

from __future__ import annotations

from bisect import bisect_right

from google.api.distribution_pb2 import Distribution

SCALE = 0.1  # ms: below is the underflow bucket
GROWTH = 1.2  # each bucket's end over its start: a quantile is at most so far off
FINITE = 90  # buckets: the last one ends at 22 minutes

_ENDS = [SCALE * GROWTH**index for index in range(FINITE + 1)]


class Latencies:
    """Gathers durations; cheap to add to."""

    __slots__ = ("_counts", "_squares", "_sum", "count")

    def __init__(self) -> None:
        self.count = 0
        self._sum = 0.0
        self._squares = 0.0
        self._counts = [0] * (FINITE + 2)

    def add(self, ms: float) -> None:
        """One duration in milliseconds."""
        self.count += 1
        self._sum += ms
        self._squares += ms * ms
        self._counts[bisect_right(_ENDS, ms)] += 1

    def distribution(self) -> Distribution:
        """What was gathered."""
        mean = self._sum / self.count if self.count else 0.0
        filled = max((index for index, count in enumerate(self._counts) if count), default=-1) + 1
        buckets = Distribution.BucketOptions.Exponential(num_finite_buckets=FINITE, growth_factor=GROWTH, scale=SCALE)
        return Distribution(
            count=self.count,
            mean=mean,
            sum_of_squared_deviation=max(0.0, self._squares - self.count * mean * mean),
            bucket_options=Distribution.BucketOptions(exponential_buckets=buckets),
            bucket_counts=self._counts[:filled],  # trailing zeros are left out, as the API has it
        )
