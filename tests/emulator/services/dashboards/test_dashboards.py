"""Dashboards: made, listed, changed by etag, deleted; what is refused."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import monitoring_dashboard_v1
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.dashboards.service import DashboardsService
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

PARENT = "projects/p1"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[DashboardsService]:
    clock = TravelClock(frozen=datetime(2026, 5, 1, tzinfo=UTC))
    store = Store(tmp_path / "state.db", now=clock.now)
    pool = ThreadPoolExecutor(1)
    operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
    yield DashboardsService(
        Context(store, clock, operations, Locks(), Settings(data_dir=tmp_path), Agenda(clock, pool))
    )
    pool.shutdown()
    store.close()


def chart(text: str = 'metric.type = "custom.googleapis.com/auc"', seconds: int = 60) -> dict[str, Any]:
    aggregation = {"alignment_period": {"seconds": seconds}, "per_series_aligner": "ALIGN_MEAN"}
    query = {"time_series_filter": {"filter": text, "aggregation": aggregation}}
    return {"title": "AUC", "xy_chart": {"data_sets": [{"time_series_query": query, "plot_type": "LINE"}]}}


def tiles(*places: tuple[int, int, int, int], columns: int = 12) -> dict[str, Any]:
    made = [
        {"x_pos": x, "y_pos": y, "width": width, "height": height, "widget": chart()} for x, y, width, height in places
    ]
    return {"mosaic_layout": {"columns": columns, "tiles": made}}


def create(service: DashboardsService, validate_only: bool = False, **fields: Any) -> Any:
    dashboard = {"display_name": "Flights", "grid_layout": {"columns": 2, "widgets": [chart()]}} | fields
    if "mosaic_layout" in dashboard:
        del dashboard["grid_layout"]
    return service.create_dashboard(
        monitoring_dashboard_v1.CreateDashboardRequest(parent=PARENT, dashboard=dashboard, validate_only=validate_only)
    )


def test_a_dashboards_life(service: DashboardsService) -> None:
    first, named = create(service), create(service, name=f"{PARENT}/dashboards/flights", labels={"team": ""})
    assert named.name == f"{PARENT}/dashboards/flights"
    listed = service.list_dashboards(monitoring_dashboard_v1.ListDashboardsRequest(parent=PARENT)).dashboards
    assert list(listed) == [first, named]
    with pytest.raises(exceptions.AlreadyExists):
        create(service, name=named.name)
    assert create(service, validate_only=True).display_name == "Flights"
    assert len(service.list_dashboards(monitoring_dashboard_v1.ListDashboardsRequest(parent=PARENT)).dashboards) == 2
    service.delete_dashboard(monitoring_dashboard_v1.DeleteDashboardRequest(name=first.name))
    with pytest.raises(exceptions.NotFound):
        service.get_dashboard(monitoring_dashboard_v1.GetDashboardRequest(name=first.name))


def test_an_old_etag_overwrites_nothing(service: DashboardsService) -> None:
    made = create(service)
    first = monitoring_dashboard_v1.Dashboard(made)
    first.display_name = "Flights by month"
    updated = service.update_dashboard(monitoring_dashboard_v1.UpdateDashboardRequest(dashboard=first))
    assert updated.etag != made.etag
    with pytest.raises(exceptions.Aborted, match="changed meanwhile"):
        service.update_dashboard(monitoring_dashboard_v1.UpdateDashboardRequest(dashboard=made))
    made.etag = ""
    again = service.update_dashboard(monitoring_dashboard_v1.UpdateDashboardRequest(dashboard=made))
    assert again == service.get_dashboard(monitoring_dashboard_v1.GetDashboardRequest(name=made.name))
    assert again.display_name == "Flights"


@pytest.mark.parametrize("text", ["AND ${team}", 'AND resource.labels.project_id = "${project.value}"', "${a} ${b}"])
def test_variables_in_filters(service: DashboardsService, text: str) -> None:
    made = create(service, grid_layout={"widgets": [chart(f'metric.type = "custom.googleapis.com/auc" {text}')]})
    query = made.grid_layout.widgets[0].xy_chart.data_sets[0].time_series_query
    assert query.time_series_filter.filter.endswith(text)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"display_name": ""}, "display_name"),
        ({"grid_layout": None}, "layout: required"),
        (tiles((0, 0, 6, 4), (5, 3, 6, 4)), "overlaps tile 0"),
        (tiles((8, 0, 6, 4)), "beyond the 12 columns"),
        (tiles((0, 0, 0, 4)), "1 at least"),
        (tiles((0, 0, 1, 1), columns=60), "60: 1 to 48"),
        ({"grid_layout": {"widgets": [{"xy_chart": {}}]}}, "data_sets: required"),
        ({"grid_layout": {"widgets": [chart("metric.type =")]}}, "ends too early"),
        ({"grid_layout": {"widgets": [chart('resource.type = "global"')]}}, "metric type"),
        ({"grid_layout": {"widgets": [chart(seconds=30)]}}, "at least 60 s"),
        ({"name": "projects/p2/dashboards/a"}, "expected projects/p1"),
    ],
)
def test_what_is_refused(service: DashboardsService, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=text):
        create(service, **fields)
