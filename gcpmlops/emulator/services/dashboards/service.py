"""google.monitoring.dashboard.v1.DashboardsService: dashboards are kept as they are given."""

from __future__ import annotations

import hashlib
import re
import uuid
from typing import Any

from google.api_core import exceptions
from google.cloud.monitoring_dashboard_v1 import types
from google.protobuf import empty_pb2

from gcpmlops.emulator.kernel import names, paging, validate
from gcpmlops.emulator.kernel.masks import raw
from gcpmlops.emulator.kernel.service import Context, Service
from gcpmlops.emulator.services.dashboards import checks

_NAME = "projects/{project}/dashboards/{dashboard}"
_ID = re.compile(r"[a-zA-Z0-9-]{1,80}")
_PAGE = 1000


class DashboardsService(Service):
    """Dashboards of projects."""

    proto = "google.monitoring.dashboard.v1.DashboardsService"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._dashboards: Any = context.store.collection(types.Dashboard)

    def create_dashboard(self, request: types.CreateDashboardRequest) -> types.Dashboard:
        """A new one, with an id of its own or the one in its name."""
        project = names.parse("projects/{project}", request.parent)["project"]
        dashboard = _copied(request.dashboard)
        checks.check(raw(dashboard))
        dashboard.name = _name(project, dashboard.name)
        dashboard.etag = _etag(dashboard)
        if request.validate_only:
            return dashboard
        created: types.Dashboard = self._dashboards.insert(dashboard.name, dashboard)
        return created

    def list_dashboards(self, request: types.ListDashboardsRequest) -> types.ListDashboardsResponse:
        """Those of a project in the order in which they were made."""
        names.parse("projects/{project}", request.parent)
        page, token = paging.page(self._dashboards.below(request.parent), request, default=_PAGE, maximum=_PAGE)
        return types.ListDashboardsResponse(dashboards=page, next_page_token=token)

    def get_dashboard(self, request: types.GetDashboardRequest) -> types.Dashboard:
        """One of them."""
        names.parse(_NAME, request.name)
        found: types.Dashboard = self._dashboards.get(request.name)
        return found

    def update_dashboard(self, request: types.UpdateDashboardRequest) -> types.Dashboard:
        """Replaces one; with an etag, only as long as it is the one that this is of."""
        new = _copied(request.dashboard)
        names.parse(_NAME, new.name)
        checks.check(raw(new))

        def change(known: types.Dashboard) -> types.Dashboard:
            if new.etag and new.etag != known.etag:
                raise exceptions.Aborted(
                    f"{new.name} was changed meanwhile: its etag is {known.etag!r}, not {new.etag!r}. Get it again."
                )
            new.etag = _etag(new)
            return new

        if request.validate_only:
            return change(self._dashboards.get(new.name))
        updated: types.Dashboard = self._dashboards.update(new.name, change)
        return updated

    def delete_dashboard(self, request: types.DeleteDashboardRequest) -> empty_pb2.Empty:
        """For good."""
        names.parse(_NAME, request.name)
        self._dashboards.delete(request.name)
        return empty_pb2.Empty()


def _copied(dashboard: types.Dashboard) -> types.Dashboard:
    copy = types.Dashboard()
    raw(copy).CopyFrom(raw(dashboard))
    return copy


def _name(project: str, wanted: str) -> str:
    """Of a new one."""
    if not wanted:
        return f"projects/{project}/dashboards/{uuid.uuid4()}"
    found = names.parse(_NAME, wanted)
    if found["project"] != project or not _ID.fullmatch(found["dashboard"]):
        rule = f"projects/{project}/dashboards/ID, where ID is of letters, digits and -, 80 at most"
        raise validate.invalid("dashboard.name", f"{wanted!r}: expected {rule}.")
    return wanted


def _etag(dashboard: types.Dashboard) -> str:
    """Of what it holds."""
    bare = _copied(dashboard)
    bare.etag = ""
    return hashlib.sha256(raw(bare).SerializeToString(deterministic=True)).hexdigest()[:32]
