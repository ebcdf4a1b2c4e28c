"""google.monitoring.v3.MetricService: descriptors of metrics and resources, points that are written, and queries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from google.api import metric_pb2, monitored_resource_pb2
from google.api_core import exceptions
from google.cloud.monitoring_v3 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import names, paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.monitoring import messages, metric_types, resource_types, selection
from gcpmlops.emulator.services.monitoring.messages import Columns
from gcpmlops.emulator.services.monitoring.metric_types import MetricTypes
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import Series, micros
from gcpmlops.emulator.services.monitoring.writing import Writing

PROJECT = "projects/{project}"
_LARGEST = 100_000  # points, or headers, on a page
_DESCRIPTORS = 10_000


class MetricService(Service):
    """Metrics of projects; those of folders and organisations are not built."""

    proto = "google.monitoring.v3.MetricService"

    def __init__(self, context: Context, points: Points, metrics: MetricTypes, reading: Reading) -> None:
        super().__init__(context)
        self._points = points
        self._metrics = metrics
        self._reading = reading
        self._writing = Writing(points, metrics, context.clock)

    def list_time_series(self, request: types.ListTimeSeriesRequest) -> types.ListTimeSeriesResponse:
        """Time series with a point that ends in (start, end] of the interval; the points newest first."""
        project = _project(request.name)
        if request.order_by:
            raise validate.invalid("order_by", "has to be empty.")
        start, end = _interval(request.interval)
        metric = selection.metric_type(selection.parse(request.filter))
        if metric and self._metrics.find(project, metric) is None:
            raise exceptions.NotFound(f'Cannot find metric(s) that match type = "{metric}".')
        fields = ("aggregation", "secondary_aggregation")
        steps = [(field, getattr(request, field)) for field in fields]
        found = self._reading.frames(project, request.filter, start, end, steps)
        page, token = _page(found, request)
        response = types.ListTimeSeriesResponse()
        units = self._units(project, page)
        written = messages.encoded((series, units.get(series.metric, ""), columns) for series, columns in page)
        raw(response).MergeFromString(written)
        response.next_page_token = token
        return response

    def create_time_series(self, request: types.CreateTimeSeriesRequest) -> empty_pb2.Empty:
        """A point each of up to 200 time series; what can be written is, and the error tells of the rest."""
        self._writing.write(_project(request.name), raw(request).time_series)
        return empty_pb2.Empty()

    def create_service_time_series(self, request: types.CreateTimeSeriesRequest) -> empty_pb2.Empty:
        """For Google's own services; who calls here is none."""
        _project(request.name)
        for series in raw(request).time_series:
            if metric_types.is_users(series.metric.type):
                raise exceptions.InvalidArgument(
                    f"{series.metric.type} is a user-defined metric: write it by CreateTimeSeries."
                )
        raise exceptions.PermissionDenied("Time series of Google's services are written by these services alone.")

    def list_metric_descriptors(
        self, request: types.ListMetricDescriptorsRequest
    ) -> types.ListMetricDescriptorsResponse:
        """What the emulator's services measure, and users' own; `active_only`: what there are points of."""
        project = _project(request.name)
        wanted, found = selection.parse(request.filter), self._metrics.list(project)
        active = self._active(project) if request.active_only else None
        chosen = [each for each in found if _is_wanted(wanted, each) and (active is None or each.type in active)]
        page, token = paging.page(chosen, request, default=_DESCRIPTORS, maximum=_DESCRIPTORS)
        return types.ListMetricDescriptorsResponse(metric_descriptors=page, next_page_token=token)

    def get_metric_descriptor(self, request: types.GetMetricDescriptorRequest) -> metric_pb2.MetricDescriptor:
        """One of them."""
        project, kind = _descriptor_name(request.name)
        found = self._metrics.find(project, kind)
        if found is None:
            raise exceptions.NotFound(f"Could not find descriptor for metric {kind!r}.")
        return found

    def create_metric_descriptor(self, request: types.CreateMetricDescriptorRequest) -> metric_pb2.MetricDescriptor:
        """A user's own, or more labels and other texts for one that is there."""
        project = _project(request.name)
        metric_types.check(request.metric_descriptor)
        return self._metrics.put(project, request.metric_descriptor)

    def delete_metric_descriptor(self, request: types.DeleteMetricDescriptorRequest) -> empty_pb2.Empty:
        """Of a user's own, with all its points."""
        project, kind = _descriptor_name(request.name)
        if not metric_types.is_users(kind):
            raise exceptions.PermissionDenied(f"{kind} is not user-defined: it can't be deleted.")
        self._metrics.delete(project, kind)
        self._points.remove(project, kind)
        return empty_pb2.Empty()

    def list_monitored_resource_descriptors(
        self, request: types.ListMonitoredResourceDescriptorsRequest
    ) -> types.ListMonitoredResourceDescriptorsResponse:
        """What has metrics; the filter is over `resource.type`."""
        project = _project(request.name)
        wanted = selection.parse(request.filter)
        chosen = [each for each in resource_types.descriptors(project) if wanted(_about(resource=each.type))]
        page, token = paging.page(chosen, request, default=_DESCRIPTORS, maximum=_DESCRIPTORS)
        return types.ListMonitoredResourceDescriptorsResponse(resource_descriptors=page, next_page_token=token)

    def get_monitored_resource_descriptor(
        self, request: types.GetMonitoredResourceDescriptorRequest
    ) -> monitored_resource_pb2.MonitoredResourceDescriptor:
        """One of them."""
        for descriptor in resource_types.descriptors(names.project_of(request.name)):
            if descriptor.name == request.name:
                return descriptor
        raise exceptions.NotFound(f"Cannot find monitored resource descriptor {request.name!r}.")

    def _units(self, project: str, found: Sequence[tuple[Series, Columns]]) -> dict[str, str]:
        """Of each metric."""
        some = {series.metric for series, _ in found if series.value_type not in ("BOOL", "STRING")}
        known = {metric: self._metrics.find(project, metric) for metric in some}
        return {metric: descriptor.unit for metric, descriptor in known.items() if descriptor}

    def _active(self, project: str) -> set[str]:
        self._points.gather()
        return self._points.metrics(project)


def _project(name: str) -> str:
    """The id in `projects/P`. Raises MethodNotImplemented for a folder or an organisation, InvalidArgument."""
    if name.startswith(("folders/", "organizations/")):
        raise exceptions.MethodNotImplemented(f"Metrics of {name} are not built in this emulator: ask for a project's.")
    return names.parse(PROJECT, name)["project"]


def _descriptor_name(name: str) -> tuple[str, str]:
    """Project and metric type. Raises InvalidArgument."""
    parent, found, kind = name.partition("/metricDescriptors/")
    if not found or not kind:
        raise exceptions.InvalidArgument(
            f"Invalid resource name {name!r}: expected projects/{{project}}/metricDescriptors/{{type}}."
        )
    return _project(parent), kind


def _interval(interval: Any) -> tuple[int, int]:
    """Start, which is excluded, and end in microseconds. Raises InvalidArgument."""
    if not interval.end_time:
        raise validate.invalid("interval.end_time", "required, but missing.")
    end = micros(interval.end_time)
    start = micros(interval.start_time) if interval.start_time else end - 1
    if start > end:
        raise validate.invalid("interval.start_time", "must not be later than the end time.")
    return min(start, end - 1), end


def _page(found: Sequence[Any], request: types.ListTimeSeriesRequest) -> tuple[list[tuple[Series, Columns]], str]:
    """Whole time series, or as many points as a page holds: one whose points don't fit goes on on the next page."""
    limits = {"default": _LARGEST, "maximum": _LARGEST}
    if request.view == types.ListTimeSeriesRequest.TimeSeriesView.HEADERS:
        heads = [series for frame in found for series, _ in frame.lines()]
        page, token = paging.page(heads, request, **limits)
        return [(series, ([], [], [])) for series in page], token
    window, token = paging.page(range(sum(len(frame.ends) for frame in found)), request, **limits)
    return list(_parts(found, window[0], window[-1] + 1)) if window else [], token


def _parts(found: Sequence[Any], first: int, last: int) -> Iterator[tuple[Series, Columns]]:
    """The points of a window over all of them, each series newest first."""
    before = 0
    for frame in found:
        for series, part in frame.lines():
            size = part.stop - part.start
            begin, end = max(first - before, 0), min(last - before, size)
            if begin < end:
                yield series, frame.columns(slice(part.stop - end, part.stop - begin))
            before += size


def _is_wanted(wanted: Any, descriptor: metric_pb2.MetricDescriptor) -> bool:
    resources: Iterable[str] = descriptor.monitored_resource_types or [""]
    return any(wanted(_about(metric=descriptor.type, resource=kind)) for kind in resources)


def _about(*, metric: str = "", resource: str = "") -> Any:
    """What a filter over descriptors is asked about."""
    message = types.TimeSeries.pb()()
    message.metric.type, message.resource.type = metric, resource
    return message
