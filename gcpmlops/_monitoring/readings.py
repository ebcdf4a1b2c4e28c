"""Time series that are read: as rows, as a frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gcpmlops import _extras, _google, _html
from gcpmlops._durations import Duration, seconds_of
from gcpmlops._monitoring.descriptors import (
    CUSTOM,
    STANDARD,
    aggregation,
    all_of,
    labels_are,
    metric_type,
    project_of,
    quoted,
)
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, NotFound, translated

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Series:
    """One time series: its points are (time, value), oldest first."""

    metric: str
    labels: Mapping[str, str]
    resource: str
    resource_labels: Mapping[str, str]
    points: Sequence[tuple[datetime, Any]]
    unit: str = ""

    @property
    def last(self) -> Any:
        """The newest value; None without points."""
        return self.points[-1][1] if self.points else None


@dataclass(frozen=True)
class Readings(Sequence[Series]):
    """What a query gave."""

    metric: str
    series: tuple[Series, ...]

    def rows(self) -> list[dict[str, Any]]:
        """One a point: time, value, then the labels that the time series have."""
        return [
            {"time": at, "value": plain(value), **each.resource_labels, **each.labels}
            for each in self.series
            for at, value in each.points
        ]

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a DataFrame; needs pandas."""
        make = _extras.need("pandas", extra="plots", purpose="to_dataframe()").DataFrame
        frame: pandas.DataFrame = make(self.rows())
        return frame

    def __getitem__(self, index: Any) -> Any:
        return self.series[index]

    def __len__(self) -> int:
        return len(self.series)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def _repr_html_(self) -> str:
        rows = [(dict(each.labels), len(each.points), plain(each.last)) for each in self.series]
        return _html.grid(self.metric, ("labels", "points", "last"), rows)


class Reading:
    """API: MetricService.ListTimeSeries."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def read(
        self,
        metric: str,
        *,
        since: Duration | datetime,
        until: datetime | None = None,
        align: str | None = None,
        reduce: str | None = None,
        by: Sequence[str] = (),
        every: Duration = 60,
        labels: Mapping[str, str] | None = None,
        resource: Mapping[str, str] | None = None,
    ) -> Readings:
        """The time series of one metric in a time; see `Monitoring.read`."""
        full = metric_type(metric)
        start, end = self.interval(since, until)
        where = all_of(
            f"metric.type = {quoted(full)}", labels_are(labels or {}), labels_are(resource or {}, of="resource")
        )
        wanted = aggregation(align=align, reduce=reduce, by=tuple(by), every=seconds_of(every, field="every"))
        try:
            return Readings(full, tuple(self.list(where, start=start, end=end, aggregation=wanted)))
        except NotFound:
            if full.removeprefix(CUSTOM) not in STANDARD:
                raise
            return Readings(full, ())  # one of gcpmlops itself, which nobody has written yet

    def interval(self, since: Duration | datetime, until: datetime | None) -> tuple[datetime, datetime]:
        """(start, end). Raises InvalidArgument where it is none."""
        end = until or self._clients.now() + timedelta(seconds=1)  # the service's time is known to the second
        start = since if isinstance(since, datetime) else end - timedelta(seconds=seconds_of(since, field="since"))
        if start.tzinfo is None or end.tzinfo is None or start >= end:
            raise InvalidArgument(
                f"{start} to {end} is no time", field="since", value=since, allowed="24h, or a datetime with time zone"
            )
        return start, end

    def list(
        self, where: str, *, start: datetime, end: datetime, aggregation: Any = None, secondary: Any = None
    ) -> Iterator[Series]:
        """The time series that a filter selects, aggregated."""
        request: dict[str, Any] = {
            "name": project_of(self._clients),
            "filter": where,
            "interval": {"start_time": start, "end_time": end},
        }
        request |= {"aggregation": aggregation} if aggregation else {}
        request |= {"secondary_aggregation": secondary} if secondary else {}
        with translated(f"time series {where}"):
            for each in self._clients.metrics.list_time_series(
                _google.metric_service.ListTimeSeriesRequest(request), **self._clients.idempotent
            ):
                yield series_of(type(each).pb(each))


def series_of(message: Any) -> Series:
    """From Google's TimeSeries (protobuf), whose points are newest first."""
    points = [
        (point.interval.end_time.ToDatetime(tzinfo=UTC), getattr(point.value, point.value.WhichOneof("value")))
        for point in reversed(message.points)
    ]
    return Series(
        message.metric.type,
        dict(message.metric.labels),
        message.resource.type,
        dict(message.resource.labels),
        points,
        message.unit,
    )


def plain(value: Any) -> Any:
    """Numbers and texts as they are, distributions as their mean."""
    return value.mean if hasattr(value, "bucket_counts") else value
