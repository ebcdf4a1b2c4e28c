"""google.monitoring.v3.GroupService: filters over monitored resources, and what they find among the time series."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from google.api import monitored_resource_pb2
from google.api_core import exceptions
from google.cloud.monitoring_v3 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import names, paging, validate
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.monitoring import messages, selection
from gcpmlops.emulator.services.monitoring.points import Points
from gcpmlops.emulator.services.monitoring.series import Series, micros

_PARENT = "projects/{project}"
_NAME = "projects/{project}/groups/{group}"
_RECENT = timedelta(hours=25)  # members without an interval: as far back as points can be written


class GroupService(Service):
    """Groups of a project's monitored resources.

    Args:
        context: of all services.
        points: tell which resources there are.
    """

    proto = "google.monitoring.v3.GroupService"

    def __init__(self, context: Context, points: Points) -> None:
        super().__init__(context)
        self._points = points
        self._groups: Any = context.store.collection(types.Group)

    def create_group(self, request: types.CreateGroupRequest) -> types.Group:
        """A new one, below another or not."""
        names.parse(_PARENT, request.name)
        group = types.Group(request.group)
        group.name = f"{request.name}/groups/{secrets.randbelow(10**18) + 10**17}"
        self._check(group)
        if not request.validate_only:
            self._groups.insert(group.name, group)
        return group

    def list_groups(self, request: types.ListGroupsRequest) -> types.ListGroupsResponse:
        """All, or those around one: its children, its ancestors from the nearest, all below it."""
        names.parse(_PARENT, request.name)
        found = self._groups.list(request.name)
        kind = types.ListGroupsRequest.pb(request).WhichOneof("filter")
        if kind:
            around = self._groups.get(getattr(request, kind))
            chosen = {
                "children_of_group": lambda: _children(found, around.name),
                "ancestors_of_group": lambda: list(self._ancestors(around)),
                "descendants_of_group": lambda: list(_below(found, around.name)),
            }
            found = chosen[kind]()
        page, token = paging.page(found, request)
        return types.ListGroupsResponse(group=page, next_page_token=token)

    def get_group(self, request: types.GetGroupRequest) -> types.Group:
        """One of them."""
        names.parse(_NAME, request.name)
        found: types.Group = self._groups.get(request.name)
        return found

    def update_group(self, request: types.UpdateGroupRequest) -> types.Group:
        """Replaces all of one but its name."""
        group = types.Group(request.group)
        names.parse(_NAME, group.name)
        self._groups.get(group.name)
        self._check(group)
        if request.validate_only:
            return group
        updated: types.Group = self._groups.update(group.name, lambda _: group)
        return updated

    def delete_group(self, request: types.DeleteGroupRequest) -> empty_pb2.Empty:
        """One, with all below it where that is said."""
        parts = names.parse(_NAME, request.name)
        self._groups.get(request.name)
        below = list(_below(self._groups.list(f"projects/{parts['project']}"), request.name))
        if below and not request.recursive:
            raise exceptions.FailedPrecondition(
                f"{request.name} has {len(below)} groups below it: delete them first, or all with recursive."
            )
        for group in [*reversed(below), self._groups.get(request.name)]:
            self._groups.delete(group.name)
        return empty_pb2.Empty()

    def list_group_members(self, request: types.ListGroupMembersRequest) -> types.ListGroupMembersResponse:
        """The resources with points in the interval that the group, and all above it, want."""
        parts = names.parse(_NAME, request.name)
        group = self._groups.get(request.name)
        texts = [each.filter for each in (group, *self._ancestors(group))] + [request.filter]
        wanted = [selection.parse(text) for text in texts if text]
        found: dict[tuple[str, Any], Series] = {}
        for series in self._active(parts["project"], request.interval):
            key = (series.resource, series.resource_labels)
            if key not in found and all(each(messages.time_series(series)) for each in wanted):
                found[key] = series
        page, token = paging.page(list(found.values()), request)
        members = [
            monitored_resource_pb2.MonitoredResource(type=each.resource, labels=dict(each.resource_labels))
            for each in page
        ]
        return types.ListGroupMembersResponse(members=members, next_page_token=token, total_size=len(found))

    def _check(self, group: types.Group) -> None:
        if not group.display_name:
            raise validate.invalid("group.display_name", "required, but missing.")
        if not group.filter:
            raise validate.invalid("group.filter", "required, but missing.")
        for path, _, _ in selection.parse(group.filter).comparisons:
            if path[0] not in ("resource", "metadata"):
                raise validate.invalid("group.filter", f"{'.'.join(path)}: groups are of resources and their metadata.")
        if group.parent_name:
            parent = self._groups.find(group.parent_name)
            if parent is None:
                raise validate.invalid("group.parent_name", f"there is no {group.parent_name}.")
            if group.name in (group.parent_name, *(each.name for each in self._ancestors(parent))):
                raise validate.invalid("group.parent_name", "a group can't be below itself.")

    def _ancestors(self, group: types.Group) -> Iterator[types.Group]:
        """From the nearest."""
        while group.parent_name and (group := self._groups.find(group.parent_name)):
            yield group

    def _active(self, project: str, interval: Any) -> Iterator[Series]:
        end = micros(interval.end_time) if interval.end_time else micros(self.clock.now())
        start = micros(interval.start_time) if interval.start_time else end - _RECENT // timedelta(microseconds=1)
        self._points.gather()
        series = self._points.series(project)
        chunks, rows = self._points.columns([key for key, _ in series], start, end)
        there = {row[0] for row in (*chunks, *rows)}
        return (each for key, each in series if key in there)


def _children(groups: Sequence[types.Group], name: str) -> list[types.Group]:
    return [group for group in groups if group.parent_name == name]


def _below(groups: Sequence[types.Group], name: str) -> Iterator[types.Group]:
    """Each before those below it."""
    for child in _children(groups, name):
        yield child
        yield from _below(groups, child.name)
