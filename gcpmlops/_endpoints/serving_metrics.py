"""What deployed models did in a time: Vertex AI's metrics `prediction/online/*`, read from Cloud Monitoring.

API: MetricService.ListTimeSeries. Google samples these metrics each minute and shows them some minutes later; a local
Google Cloud shows every request at once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import zip_longest
from typing import Any

from gcpmlops import _google
from gcpmlops.clients import Clients
from gcpmlops.exceptions import translated

_ONLINE = "aiplatform.googleapis.com/prediction/online/"
_SHORTEST = timedelta(seconds=60)  # that Monitoring aligns to
_LOOKS = 50  # parts that a time is cut into to find the last request,
_SHORT = timedelta(minutes=5)  # unless it is so short


@dataclass(frozen=True)
class Served:
    """Requests to one deployed model.

    Attributes:
        requests: how many were answered, with errors too.
        errors: how many of these with a 4xx or 5xx.
        latency_p50_s: half of them took at most so many seconds; None without requests.
        latency_p95_s: 95 of 100 did.
        latency_p99_s: 99 of 100 did.
    """

    requests: int
    errors: int
    latency_p50_s: float | None = None
    latency_p95_s: float | None = None
    latency_p99_s: float | None = None

    @property
    def error_rate(self) -> float:
        """Errors per request; 0 without requests."""
        return self.errors / self.requests if self.requests else 0.0


class ServingMetrics:
    """Reads the metrics of endpoints."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def window(self, endpoint: str, *, start: datetime, end: datetime) -> dict[str, Served]:
        """What the models of an endpoint did.

        Args:
            endpoint: its full name.
            start: requests after this moment count,
            end: and until this one.

        Returns:
            By deployed model id; one without requests is missing.

        Raises: PermissionDenied, NotFound, Unavailable.
        """
        counts: dict[str, dict[str, int]] = {}
        for series in self._series(endpoint, "response_count", start, end):
            model = counts.setdefault(series.metric.labels["deployed_model_id"], {})
            code = series.metric.labels["response_code"]
            model[code] = model.get(code, 0) + sum(point.value.int64_value for point in series.points)
        latencies = self._latencies(endpoint, start, end)
        return {model: _served(codes, latencies.get(model, ())) for model, codes in counts.items()}

    def last_request(self, endpoint: str, since: datetime) -> datetime | None:
        """When an endpoint last answered a request, to the second at best; None: not since then."""
        start, end = since, self._clients.now() + timedelta(seconds=1)
        while start < end:
            parts = _LOOKS if end - start > _SHORT else 0
            ends = self._last_ends(endpoint, start, end, parts)
            if not ends or not parts:
                return max(ends, default=None)
            end, period = max(ends), _period(end - start, parts)
            start = max(start, end - period)
        return None

    def _last_ends(self, endpoint: str, start: datetime, end: datetime, parts: int) -> list[datetime]:
        """The ends of all points that count a request."""
        found = self._series(endpoint, "response_count", start, end, parts=parts)
        points = (point for series in found for point in series.points if point.value.int64_value)
        return [point.interval.end_time.ToDatetime(tzinfo=UTC) for point in points]

    def _latencies(self, endpoint: str, start: datetime, end: datetime) -> dict[str, list[Any]]:
        """Distributions by deployed model id."""
        found: dict[str, list[Any]] = {}
        total = ' AND metric.labels.latency_type = "total"'
        for series in self._series(endpoint, "prediction_latencies", start, end, more=total):
            model = found.setdefault(series.metric.labels["deployed_model_id"], [])
            model.extend(point.value.distribution_value for point in series.points)
        return found

    def _series(
        self, endpoint: str, metric: str, start: datetime, end: datetime, *, more: str = "", parts: int = 1
    ) -> Iterator[Any]:
        """Time series (protobuf): as they are where `parts` is 0 or the time too short, else that many points each."""
        _, project, _, location, _, name = endpoint.split("/")
        request: dict[str, Any] = {
            "name": f"projects/{project}",
            "filter": f'metric.type = "{_ONLINE}{metric}" AND resource.type = "aiplatform.googleapis.com/Endpoint"'
            f' AND resource.labels.location = "{location}" AND resource.labels.endpoint_id = "{name}"{more}',
            "interval": {"start_time": start, "end_time": end},
        }
        if parts and end - start >= _SHORTEST:
            aligner = _google.monitoring_common.Aggregation.Aligner.ALIGN_DELTA
            period = _period(end - start, parts)
            request["aggregation"] = {"alignment_period": period, "per_series_aligner": aligner}
        with translated(f"metrics of {endpoint}"):
            for series in self._clients.metrics.list_time_series(
                _google.metric_service.ListTimeSeriesRequest(request), **self._clients.idempotent
            ):
                yield type(series).pb(series)


def _period(time: timedelta, parts: int) -> timedelta:
    """Whole seconds, at least as many as are allowed."""
    return max(_SHORTEST, timedelta(seconds=math.ceil(time.total_seconds() / parts)))


def _served(codes: dict[str, int], latencies: Sequence[Any]) -> Served:
    errors = sum(count for code, count in codes.items() if code[:1] in "45")
    quantiles = (_quantile(latencies, share) for share in (0.5, 0.95, 0.99))
    return Served(sum(codes.values()), errors, *quantiles)


def _quantile(latencies: Sequence[Any], share: float) -> float | None:
    """In seconds: by linear interpolation in the bucket of `google.api.Distribution` (ms) that it falls into."""
    counts = [sum(column) for column in _columns([value.bucket_counts for value in latencies])]
    rank, before = share * sum(counts), 0
    for bucket, count in enumerate(counts):
        if count and before + count >= rank:
            lower, upper = _bounds(latencies[0].bucket_options, bucket)
            return (lower + (upper - lower) * (rank - before) / count) / 1000
        before += count
    return None


def _columns(rows: Sequence[Sequence[int]]) -> Iterable[tuple[int, ...]]:
    return zip_longest(*rows, fillvalue=0)


def _bounds(options: Any, bucket: int) -> tuple[float, float]:
    """A bucket's ends; the first begins at 0, the last has no end and counts as its beginning."""
    ends = _ends(options)
    return 0.0 if bucket == 0 else ends[bucket - 1], ends[min(bucket, len(ends) - 1)]


def _ends(options: Any) -> list[float]:
    if options.HasField("exponential_buckets"):
        spec = options.exponential_buckets
        return [spec.scale * spec.growth_factor**index for index in range(spec.num_finite_buckets + 1)]
    if options.HasField("linear_buckets"):
        linear = options.linear_buckets
        return [linear.offset + linear.width * index for index in range(linear.num_finite_buckets + 1)]
    return list(options.explicit_buckets.bounds)
