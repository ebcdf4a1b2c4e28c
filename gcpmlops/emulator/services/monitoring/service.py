"""google.monitoring.v3.MetricService: descriptors of the emulator's metrics, and queries over their time series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

from google.api import metric_pb2, monitored_resource_pb2
from google.api_core import exceptions
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.kernel import names, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.monitoring import descriptors, messages, selection
from gcpmlops.emulator.services.monitoring.lines import Line
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.reading import Reading
from gcpmlops.emulator.services.monitoring.series import Point, micros

PROJECT = "projects/{project}"
_LARGEST = 100_000  # points, or headers, on a page
_DESCRIPTORS = 10_000


class MetricService(Service):
    """Metrics of projects; folders and organisations, and writing one's own metrics, are not built."""

    proto = "google.monitoring.v3.MetricService"

    def __init__(self, context: Context, points: Points) -> None:
        super().__init__(context)
        self._points = points
        self._reading = Reading(points)

    def list_time_series(self, request: types.ListTimeSeriesRequest) -> types.ListTimeSeriesResponse:
        """Time series with a point that ends in (start, end] of the interval; the points newest first."""
        project = _project(request.name)
        if request.order_by:
            raise validate.invalid("order_by", "has to be empty.")
        start, end = _interval(request.interval)
        metric = selection.metric_type(selection.parse(request.filter))
        if metric and metric not in descriptors.METRICS:
            raise exceptions.NotFound(f'Cannot find metric(s) that match type = "{metric}".')
        fields = ("aggregation", "secondary_aggregation")
        steps = [(field, getattr(request, field)) for field in fields]
        found = self._reading.lines(project, request.filter, start, end, steps)
        page, token = _page(found, request)
        response = types.ListTimeSeriesResponse(next_page_token=token)
        types.ListTimeSeriesResponse.pb(response).time_series.extend(page)
        return response

    def list_metric_descriptors(
        self, request: types.ListMetricDescriptorsRequest
    ) -> types.ListMetricDescriptorsResponse:
        """What the emulator's services measure; `active_only`: what there are points of."""
        project = _project(request.name)
        wanted, found = selection.parse(request.filter), descriptors.metrics(project)
        active = {series.metric for _, series in self._points.series(project)} if request.active_only else None
        chosen = [each for each in found if wanted(_about_metric(each)) and (active is None or each.type in active)]
        page, token = paging.page(chosen, request, default=_DESCRIPTORS, maximum=_DESCRIPTORS)
        return types.ListMetricDescriptorsResponse(metric_descriptors=page, next_page_token=token)

    def get_metric_descriptor(self, request: types.GetMetricDescriptorRequest) -> metric_pb2.MetricDescriptor:
        """One of them."""
        found = descriptors.metrics(names.project_of(request.name))
        return _named(found, request.name, "metric")

    def list_monitored_resource_descriptors(
        self, request: types.ListMonitoredResourceDescriptorsRequest
    ) -> types.ListMonitoredResourceDescriptorsResponse:
        """What has metrics; the filter is over `resource.type`."""
        project = _project(request.name)
        wanted = selection.parse(request.filter)
        chosen = [each for each in descriptors.monitored_resources(project) if wanted(_about_resource(each.type))]
        page, token = paging.page(chosen, request, default=_DESCRIPTORS, maximum=_DESCRIPTORS)
        return types.ListMonitoredResourceDescriptorsResponse(resource_descriptors=page, next_page_token=token)

    def get_monitored_resource_descriptor(
        self, request: types.GetMonitoredResourceDescriptorRequest
    ) -> monitored_resource_pb2.MonitoredResourceDescriptor:
        """One of them."""
        found = descriptors.monitored_resources(names.project_of(request.name))
        return _named(found, request.name, "monitored resource")


def _project(name: str) -> str:
    """The id in `projects/P`. Raises MethodNotImplemented for a folder or an organisation, InvalidArgument."""
    if name.startswith(("folders/", "organizations/")):
        raise exceptions.MethodNotImplemented(f"Metrics of {name} are not built in this emulator: ask for a project's.")
    return names.parse(PROJECT, name)["project"]


def _interval(interval: Any) -> tuple[int, int]:
    """Start, which is excluded, and end in microseconds. Raises InvalidArgument."""
    if not interval.end_time:
        raise validate.invalid("interval.end_time", "required, but missing.")
    end = micros(interval.end_time)
    start = micros(interval.start_time) if interval.start_time else end - 1
    if start > end:
        raise validate.invalid("interval.start_time", "must not be later than the end time.")
    return min(start, end - 1), end


def _page(found: Sequence[Line], request: types.ListTimeSeriesRequest) -> tuple[list[Any], str]:
    """Whole time series, or as many points as a page holds: one whose points don't fit goes on on the next page."""
    limits = {"default": _LARGEST, "maximum": _LARGEST}
    if request.view == types.ListTimeSeriesRequest.TimeSeriesView.HEADERS:
        headers, token = paging.page(found, request, **limits)
        return [messages.time_series(line.series) for line in headers], token
    pairs = [(index, point) for index, line in enumerate(found) for point in line.points]
    page, token = paging.page(pairs, request, **limits)
    return [_part(found, index, group) for index, group in groupby(page, key=lambda pair: pair[0])], token


def _part(found: Sequence[Line], index: int, pairs: Iterable[tuple[int, Point]]) -> Any:
    return messages.time_series(found[index].series, [point for _, point in pairs])


def _about_metric(descriptor: metric_pb2.MetricDescriptor) -> Any:
    """What a filter over metric descriptors is asked about."""
    message = _about_resource(descriptor.monitored_resource_types[0])
    message.metric.type = descriptor.type
    return message


def _about_resource(kind: str) -> Any:
    message = types.TimeSeries.pb()()
    message.resource.type = kind
    return message


def _named(found: Iterable[Any], name: str, what: str) -> Any:
    for descriptor in found:
        if descriptor.name == name:
            return descriptor
    raise exceptions.NotFound(f"Cannot find {what} descriptor {name!r}.")
