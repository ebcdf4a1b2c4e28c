"""Sums and quantiles of `google.api.Distribution` values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from google.api.distribution_pb2 import Distribution
from google.api_core import exceptions

from gcpmlops.emulator.kernel import validate

_MOST_BUCKETS = 200


def total(values: Sequence[Distribution]) -> Distribution:
    """All values as one, which have the same buckets. Raises InvalidArgument where they haven't."""
    filled = [value for value in values if value.count] or list(values[:1])
    options = filled[0].bucket_options
    if any(value.bucket_options != options for value in filled):
        raise exceptions.InvalidArgument("Distributions with different buckets cannot be combined.")
    count = sum(value.count for value in filled)
    mean = sum(value.count * value.mean for value in filled) / count if count else 0.0
    squares = sum(value.sum_of_squared_deviation + value.count * (value.mean - mean) ** 2 for value in filled)
    counts = [0] * max(len(value.bucket_counts) for value in filled)
    for value in filled:
        for bucket, number in enumerate(value.bucket_counts):
            counts[bucket] += number
    return Distribution(
        count=count, mean=mean, sum_of_squared_deviation=squares, bucket_options=options, bucket_counts=counts
    )


def difference(value: Distribution, before: Distribution) -> Distribution:
    """What came to a distribution that goes on from an earlier one. Raises InvalidArgument: other buckets."""
    if value.bucket_options != before.bucket_options:
        raise exceptions.InvalidArgument("Distributions with different buckets cannot be compared.")
    count = value.count - before.count
    mean = (value.count * value.mean - before.count * before.mean) / count if count else 0.0
    squares = value.sum_of_squared_deviation + value.count * (value.mean - mean) ** 2
    squares -= before.sum_of_squared_deviation + before.count * (before.mean - mean) ** 2
    counts = list(value.bucket_counts)
    for bucket, number in enumerate(before.bucket_counts):
        counts[bucket] -= number
    return Distribution(
        count=count,
        mean=mean,
        sum_of_squared_deviation=max(0.0, squares) if count else 0.0,
        bucket_options=value.bucket_options,
        bucket_counts=counts,
    )


def check(value: Distribution, field: str) -> None:
    """What a written one has to fulfil. Raises InvalidArgument."""
    ends = _ends(value.bucket_options)
    if not value.HasField("bucket_options"):
        if value.bucket_counts:
            raise validate.invalid(f"{field}.bucket_options", "required with bucket_counts.")
        return
    if any(lower >= upper for lower, upper in pairwise(ends)) or not ends:
        raise validate.invalid(f"{field}.bucket_options", "the bounds have to rise.")
    if len(ends) + 1 > _MOST_BUCKETS:
        raise validate.invalid(f"{field}.bucket_options", f"{len(ends) + 1} buckets: {_MOST_BUCKETS} at most.")
    if len(value.bucket_counts) > len(ends) + 1:
        raise validate.invalid(f"{field}.bucket_counts", f"{len(value.bucket_counts)} for {len(ends) + 1} buckets.")
    if sum(value.bucket_counts) != value.count or min(value.bucket_counts, default=0) < 0:
        raise validate.invalid(f"{field}.count", "it has to be the sum of bucket_counts.")


def percentile(value: Distribution, per_cent: float) -> float:
    """A quantile, by linear interpolation in the bucket that it falls into; NaN of nothing."""
    rank, before = value.count * per_cent / 100, 0
    ends = _ends(value.bucket_options)
    for bucket, number in enumerate(value.bucket_counts):
        if number and before + number >= rank:
            lower, upper = _bounds(ends, bucket)
            return float(lower + (upper - lower) * max(0.0, rank - before) / number)
        before += number
    return float(value.mean) if value.count else math.nan


def deviation(value: Distribution) -> float:
    """The standard deviation."""
    return math.sqrt(value.sum_of_squared_deviation / value.count) if value.count else math.nan


def _bounds(ends: Sequence[float], bucket: int) -> tuple[float, float]:
    """Of a bucket; the outer two are open: there the known end, or 0, has to do."""
    if not ends:
        return 0.0, 0.0
    lower = ends[bucket - 1] if bucket else min(0.0, ends[0])
    return lower, ends[bucket] if bucket < len(ends) else ends[-1]


def _ends(options: Distribution.BucketOptions) -> Sequence[float]:
    if options.HasField("exponential_buckets"):
        spec = options.exponential_buckets
        return [spec.scale * spec.growth_factor**index for index in range(spec.num_finite_buckets + 1)]
    if options.HasField("linear_buckets"):
        linear = options.linear_buckets
        return [linear.offset + linear.width * index for index in range(linear.num_finite_buckets + 1)]
    return list(options.explicit_buckets.bounds)
