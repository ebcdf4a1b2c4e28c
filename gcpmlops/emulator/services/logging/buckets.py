"""Distributions of log-based metrics: one of a single value, with the metric's buckets."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from google.api.distribution_pb2 import Distribution

from gcpmlops.emulator.kernel import validate

_MOST = 200


def default() -> Distribution.BucketOptions:
    """What Cloud Logging takes where a metric says nothing."""
    exponential = Distribution.BucketOptions.Exponential(num_finite_buckets=64, growth_factor=2.0, scale=0.01)
    return Distribution.BucketOptions(exponential_buckets=exponential)


def check(options: Distribution.BucketOptions) -> None:
    """Raises InvalidArgument for buckets that can't be."""
    ends = bounds(options.SerializeToString())
    if not ends or len(ends) > _MOST:
        raise validate.invalid("metric.bucket_options", f"1 to {_MOST} bounds are allowed, and there are {len(ends)}.")
    if any(one >= other for one, other in pairwise(ends)):
        raise validate.invalid("metric.bucket_options", "bounds must rise.")


@lru_cache(maxsize=64)
def bounds(options: bytes) -> Sequence[float]:
    """The ends of the buckets of serialized options: below the first is the underflow's."""
    given = Distribution.BucketOptions.FromString(options)
    linear, exponential = given.linear_buckets, given.exponential_buckets
    if given.HasField("linear_buckets"):
        return [linear.offset + linear.width * number for number in range(linear.num_finite_buckets + 1)]
    if given.HasField("exponential_buckets"):
        growth, count = exponential.growth_factor, exponential.num_finite_buckets
        return [exponential.scale * growth**number for number in range(count + 1)]
    return list(given.explicit_buckets.bounds)


def of_values(values: Sequence[float], options: Distribution.BucketOptions) -> Distribution:
    """All of them."""
    ends = bounds(options.SerializeToString())
    counts = [0] * (len(ends) + 1)
    for value in values:
        counts[bisect_right(ends, value)] += 1
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return Distribution(
        count=len(values),
        mean=mean,
        sum_of_squared_deviation=squares,
        bucket_options=options,
        bucket_counts=counts,
    )
