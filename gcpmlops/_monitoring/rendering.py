"""A dashboard as one HTML page: its own definition, drawn with the data that it names."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from gcpmlops import _google
from gcpmlops._durations import spoken
from gcpmlops._monitoring import figures, html_page
from gcpmlops._monitoring.descriptors import project_of
from gcpmlops._monitoring.incidents import Incident, Incidents
from gcpmlops._monitoring.markdown import to_html
from gcpmlops._monitoring.policies import Policies
from gcpmlops._monitoring.queries import Line, Queries
from gcpmlops._monitoring.readings import Reading
from gcpmlops.clients import Clients
from gcpmlops.exceptions import GcpMlopsError, translated

_ROW = 20  # pixels
_ENTRIES = 30


class Page:
    """Draws dashboards of one time."""

    def __init__(
        self,
        clients: Clients,
        reading: Reading,
        policies: Policies,
        incidents: Incidents,
        start: datetime,
        end: datetime,
    ) -> None:
        self._clients = clients
        self._policies = policies
        self._incidents = incidents
        self._queries = Queries(reading, start, end)
        self._time = (start, end)
        self._draw: dict[str, Callable[[Any], str]] = {
            "xy_chart": self._chart,
            "scorecard": self._scorecard,
            "text": lambda widget: to_html(widget.text.content),
            "alert_chart": self._alert_chart,
            "incident_list": self._incident_list,
            "logs_panel": self._logs,
        }

    def write(self, dashboard: Any, path: Path) -> Path:
        """Raises MissingExtra, InvalidArgument where the file can't be written."""
        start, end = self._time
        when = f"{start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, {spoken((end - start).total_seconds())}"
        body = "<main>\n{}\n</main>".format("\n".join(self._tiles(dashboard)))
        project = project_of(self._clients).partition("/")[2]
        return html_page.write(path, title=dashboard.display_name, subtitle=f"{project} · {when}", body=body)

    def _tiles(self, dashboard: Any) -> Iterator[str]:
        for tile in _tiles(dashboard):
            place = (
                f"grid-column: {tile.x_pos + 1} / span {tile.width}; "
                f"grid-row: {tile.y_pos + 1} / span {tile.height}; min-height: {tile.height * _ROW - 12}px"
            )
            kind = type(tile.widget).pb(tile.widget).WhichOneof("content") or "blank"
            title = html.escape(tile.widget.title)
            if kind == "section_header":
                subtitle = html.escape(tile.widget.section_header.subtitle)
                yield f'<section class="heading" style="{place}"><h2>{title}</h2><p>{subtitle}</p></section>'
            else:
                inner = self._content(kind, tile.widget)
                yield f'<section class="tile {kind}" style="{place}"><h3>{title}</h3><div>{inner}</div></section>'

    def _content(self, kind: str, widget: Any) -> str:
        """What can't be drawn says why, and the rest of the page is still there."""
        draw = self._draw.get(kind)
        if draw is None:
            return html_page.note(f"{kind} is not drawn here")
        try:
            return draw(widget)
        except GcpMlopsError as exc:
            return html_page.note(exc.message)

    def _chart(self, widget: Any) -> str:
        chart = widget.xy_chart
        lines = [
            (line.renamed(self._deployed), data.plot_type.name)
            for data in chart.data_sets
            for line in self._queries.lines(data)
        ]
        lines.sort(key=lambda each: each[0].name)
        limits = [(each.label, each.value) for each in chart.thresholds]
        return figures.over_time(lines, unit=chart.y_axis.label, limits=limits, time=self._time)

    @cached_property
    def _deployed(self) -> dict[str, str]:
        """Id of a deployed model → its name and version; of models that are gone nothing."""
        try:
            with translated("endpoints"):
                found = [
                    *self._clients.endpoints.list_endpoints(parent=self._clients.parent, **self._clients.idempotent)
                ]
        except GcpMlopsError:  # whoever may see dashboards may not see endpoints: ids are names, too
            return {}
        return {
            each.id: f"{each.display_name or each.model.rpartition('/')[2]} v{each.model_version_id}"
            for endpoint in found
            for each in endpoint.deployed_models
        }

    def _scorecard(self, widget: Any) -> str:
        card = widget.scorecard
        lines = [*self._queries.lines(card)]
        limits = [(each.direction.name, each.value) for each in card.thresholds]
        return figures.card(lines[0] if lines else None, unit=card.time_series_query.unit_override, limits=limits)

    def _alert_chart(self, widget: Any) -> str:
        policy = self._policies.get(widget.alert_chart.name)
        incidents = self._incidents.list(policy=policy.name, since=self._time[0])
        for condition in policy.proto.conditions:
            kind = type(condition).pb(condition).WhichOneof("condition")
            if kind in ("condition_threshold", "condition_absent"):
                spec = getattr(condition, kind)
                found = sorted(self._queries.watched(spec), key=lambda line: line.name)
                lines: list[tuple[Line, str]] = [(line, "LINE") for line in found]
                limit = [("limit", spec.threshold_value)] if kind == "condition_threshold" else []
                open_ = [(each.opened, each.closed or self._time[1]) for each in incidents]
                said = f'<p class="said">{html.escape(condition.display_name)}</p>'
                return said + figures.over_time(lines, unit="", limits=limit, time=self._time, marked=open_)
        return html_page.note(f"{'; '.join(policy.conditions)}: {len(incidents)} incidents")

    def _incident_list(self, widget: Any) -> str:
        names = set(widget.incident_list.policy_names)
        found = [each for each in self._incidents.list(since=self._time[0]) if not names or each.policy_name in names]
        if not found:
            return html_page.note("No incidents in this time.", good=True)
        return f"<table><tr>{''.join(f'<th>{name}</th>' for name in _COLUMNS)}</tr>{''.join(map(_row, found))}</table>"

    def _logs(self, widget: Any) -> str:
        panel = widget.logs_panel
        start, end = self._time
        where = f'timestamp>="{start:%Y-%m-%dT%H:%M:%SZ}" AND timestamp<="{end:%Y-%m-%dT%H:%M:%SZ}"'
        request = _google.logging_types.ListLogEntriesRequest(
            resource_names=list(panel.resource_names) or [project_of(self._clients)],
            filter=f"({panel.filter}) AND {where}" if panel.filter else where,
            order_by="timestamp desc",
            page_size=_ENTRIES,
        )
        with translated("log entries"):
            page = next(iter(self._clients.logging.list_log_entries(request, **self._clients.idempotent).pages))
        rows = "".join(map(_entry, page.entries))
        return f"<table class='log'>{rows}</table>" if rows else html_page.note("No entries in this time.", good=True)


_SEVERITIES = {
    100: "DEBUG",
    200: "INFO",
    300: "NOTICE",
    400: "WARNING",
    500: "ERROR",
    600: "CRITICAL",
    700: "ALERT",
    800: "EMERGENCY",
}
_COLUMNS = ("", "policy", "opened", "closed", "took", "")


def _tiles(dashboard: Any) -> Iterator[Any]:
    """The mosaic's tiles; a grid's widgets as tiles."""
    if dashboard.mosaic_layout.tiles:
        scale = 48 // (dashboard.mosaic_layout.columns or 48) or 1
        for tile in dashboard.mosaic_layout.tiles:
            if scale != 1:
                tile = type(tile)(tile)
                tile.x_pos, tile.width = tile.x_pos * scale, tile.width * scale
                tile.y_pos, tile.height = tile.y_pos * scale, tile.height * scale
            yield tile
        return
    columns = dashboard.grid_layout.columns or 2
    width = 48 // columns
    for number, widget in enumerate(dashboard.grid_layout.widgets):
        place = {"x_pos": number % columns * width, "y_pos": number // columns * 15, "width": width, "height": 15}
        mosaic = type(dashboard.mosaic_layout)
        yield mosaic.Tile(widget=widget, **place)


def _row(incident: Incident) -> str:
    row = incident.row()
    open_ = incident.state == "OPEN"
    cells = [
        f'<span class="state {incident.state.lower()}">{"open" if open_ else "closed"}</span>',
        html.escape(incident.policy),
        f"{incident.opened:%b %d, %H:%M}",
        f"{incident.closed:%b %d, %H:%M}" if incident.closed else "",
        html.escape(row["took"] or ""),
        html.escape(", ".join(f"{key}={value}" for key, value in incident.labels.items())),
    ]
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _entry(entry: Any) -> str:
    from gcpmlops._jobs.logs import raw

    message = raw(entry)
    payload = message.json_payload.fields if message.HasField("json_payload") else {}
    text = payload["message"].string_value if "message" in payload else ""
    text = text or message.text_payload or ", ".join(f"{key}={_shown(value)}" for key, value in payload.items())
    severity = _SEVERITIES.get(int(entry.severity), "DEFAULT")
    return (
        f'<tr class="{severity.lower()}"><td>{entry.timestamp:%b %d, %H:%M:%S}</td><td>{html.escape(severity)}</td>'
        f"<td>{html.escape(text)}</td></tr>"
    )


def _shown(value: Any) -> str:
    kind = value.WhichOneof("kind")
    found = getattr(value, kind) if kind else ""
    return f"{found:g}" if isinstance(found, float) else str(found).replace("\n", " ")
