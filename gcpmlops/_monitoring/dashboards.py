"""Dashboards: made, brought up to date, found, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from gcpmlops import _google, _html
from gcpmlops._durations import Duration
from gcpmlops._handle import Named
from gcpmlops._monitoring.descriptors import project_of
from gcpmlops._monitoring.incidents import Incidents
from gcpmlops._monitoring.life_cycle import LifeCycle
from gcpmlops._monitoring.policies import Policies, Policy
from gcpmlops._monitoring.readings import Reading
from gcpmlops.clients import Clients
from gcpmlops.exceptions import InvalidArgument, NotFound, translated

_HINT = "See them with `gcpmlops monitoring list-dashboards`."


@dataclass(frozen=True)
class Dashboard(Named):
    """A dashboard as it was when asked for; `proto` is Google's Dashboard."""

    proto: Any = field(repr=False)

    @property
    def widgets(self) -> tuple[str, ...]:
        """The titles of its widgets, in order."""
        return tuple(tile.widget.title for tile in self.proto.mosaic_layout.tiles)

    def __repr__(self) -> str:
        return f"Dashboard({self.display_name!r}, {len(self.widgets)} widgets)"

    def _repr_html_(self) -> str:
        return _html.card(self.display_name, {"name": self.name, "widgets": ", ".join(filter(None, self.widgets))})


class Dashboards:
    """API: DashboardsService."""

    def __init__(self, clients: Clients, reading: Reading, policies: Policies, incidents: Incidents) -> None:
        self._clients = clients
        self._reading = reading
        self._policies = policies
        self._incidents = incidents

    def ensure(
        self,
        name: str,
        *,
        endpoint: str | None,
        model: str | None,
        metrics: tuple[str, ...],
        policies: Sequence[Policy],
        drift_above: float,
        logs: str,
    ) -> Dashboard:
        """The dashboard of this display name, made or changed."""
        if not name.strip():
            raise InvalidArgument("a dashboard has a name", field="name", value=name, allowed="such as 'flights'")
        if not endpoint and not model:
            raise InvalidArgument("there is nothing to show", field="endpoint", allowed="endpoint, model, or both")
        wanted = LifeCycle(
            endpoint=self._policies.endpoint(endpoint) if endpoint else "",
            model=model or "",
            metrics=metrics,
            policies=[(each.display_name, each.name) for each in policies],
            project=project_of(self._clients),
            drift_above=drift_above,
            logs=logs,
        ).dashboard(name)
        found = sorted((each for each in self.list() if each.display_name == name), key=lambda each: each.name)
        if not found:
            with translated(f"dashboard {name}"):
                request: Any = {"parent": project_of(self._clients), "dashboard": wanted}
                return Dashboard(self._clients.dashboards.create_dashboard(request=request, **self._clients.once))
        return self._updated(found[0], wanted)

    def get(self, name: str) -> Dashboard:
        """By display name, id or full name (GetDashboard). Raises NotFound, InvalidArgument where several fit."""
        full = name
        if not name.startswith("projects/"):
            found = [each for each in self.list() if name in (each.display_name, each.id)]
            if len(found) > 1:
                allowed = ", ".join(each.id for each in found)
                raise InvalidArgument(
                    f"{len(found)} dashboards are called {name}", field="name", value=name, allowed=f"one of {allowed}"
                )
            if not found:
                raise NotFound(f"there is no dashboard {name}", resource=name, next_step=_HINT)
            full = found[0].name
        with translated(f"dashboard {name}", next_step=_HINT):
            return Dashboard(self._clients.dashboards.get_dashboard(request={"name": full}, **self._clients.idempotent))

    def list(self) -> list[Dashboard]:
        """The project's dashboards (ListDashboards)."""
        request: Any = {"parent": project_of(self._clients)}
        with translated("dashboards"):
            found = self._clients.dashboards.list_dashboards(request=request, **self._clients.idempotent)
            return [Dashboard(each) for each in found]

    def delete(self, name: str) -> None:
        """Delete it (DeleteDashboard). Raises NotFound."""
        full = self.get(name).name
        with translated(f"dashboard {name}", next_step=_HINT):
            self._clients.dashboards.delete_dashboard(request={"name": full}, **self._clients.idempotent)

    def render(self, name: str, path: Path, *, since: Duration | datetime) -> Path:
        """As one HTML page."""
        from gcpmlops._monitoring.rendering import Page

        start, end = self._reading.interval(since, None)
        found = self.get(name)
        return Page(self._clients, self._reading, self._policies, self._incidents, start, end).write(found.proto, path)

    def _updated(self, found: Dashboard, wanted: Any) -> Dashboard:
        """Changed where it differs (UpdateDashboard, by its etag: nobody's change in between is lost)."""
        kind = _google.dashboard.Dashboard
        if kind.to_dict(found.proto)["mosaic_layout"] == kind.to_dict(wanted)["mosaic_layout"]:
            return found
        wanted.name, wanted.etag = found.name, found.proto.etag
        wanted.labels.update(dict(found.proto.labels))
        with translated(f"dashboard {wanted.display_name}"):
            request: Any = {"dashboard": wanted}
            return Dashboard(self._clients.dashboards.update_dashboard(request=request, **self._clients.idempotent))
