"""Widgets of dashboards, and the rows that they stand in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gcpmlops import _google

COLUMNS = 48


class Mosaic:
    """Fills a mosaic of 48 columns row by row."""

    def __init__(self) -> None:
        self._tiles: list[dict[str, Any]] = []
        self._y = 0

    def row(self, *widgets: dict[str, Any], height: int) -> None:
        """Widgets of the same width beside one another; the last one gets what is left."""
        width = COLUMNS // len(widgets)
        for number, widget in enumerate(widgets):
            x = number * width
            wide = COLUMNS - x if number == len(widgets) - 1 else width
            self._tiles.append({"x_pos": x, "y_pos": self._y, "width": wide, "height": height, "widget": widget})
        self._y += height

    def section(self, title: str, subtitle: str) -> None:
        """A heading."""
        self.row({"title": title, "section_header": {"subtitle": subtitle, "divider_below": True}}, height=3)

    def layout(self) -> dict[str, Any]:
        """As a Dashboard has it."""
        return {"columns": COLUMNS, "tiles": self._tiles}


def series(where: str, *steps: Any) -> dict[str, Any]:
    """A query of time series: a filter and one or two aggregations."""
    first, *second = map(_step, steps)
    more = {"secondary_aggregation": second[0]} if second else {}
    return {"time_series_filter": {"filter": where, "aggregation": first, **more}}


def ratio(upper: str, lower: str, step: Any) -> dict[str, Any]:
    """A query of one metric divided by another."""
    parts = {"numerator": upper, "denominator": lower}
    return {
        "time_series_filter_ratio": {
            part: {"filter": where, "aggregation": _step(step)} for part, where in parts.items()
        }
    }


def _step(aggregation: Any) -> dict[str, Any]:
    """Monitoring's aggregation as dashboards have it: they have a message of their own."""
    return {
        "alignment_period": {"seconds": int(aggregation.alignment_period.total_seconds())},
        "per_series_aligner": aggregation.per_series_aligner.name,
        "cross_series_reducer": aggregation.cross_series_reducer.name,
        "group_by_fields": list(aggregation.group_by_fields),
    }


def chart(
    title: str,
    *data: tuple[dict[str, Any], str],
    unit: str,
    plot: str = "LINE",
    limits: Sequence[tuple[str, float]] = (),
) -> dict[str, Any]:
    """A chart over time; each of `data` is (query, legend)."""
    sets = [
        {
            "time_series_query": query,
            "plot_type": plot,
            "legend_template": legend,
            "min_alignment_period": {"seconds": 60},
        }
        for query, legend in data
    ]
    lines = [{"label": label, "value": value} for label, value in limits]
    axis = {"label": unit, "scale": "LINEAR"}
    return {"title": title, "xy_chart": {"data_sets": sets, "thresholds": lines, "y_axis": axis}}


def scorecard(
    title: str, query: dict[str, Any], *, unit: str = "", above: float | None = None, below: float | None = None
) -> dict[str, Any]:
    """The newest value, large, with its line; red beyond the limit."""
    query = {**query, **({"unit_override": unit} if unit else {})}
    limits = [
        {"value": value, "color": "RED", "direction": direction}
        for value, direction in ((above, "ABOVE"), (below, "BELOW"))
        if value is not None
    ]
    view = {"spark_chart_type": "SPARK_LINE", "min_alignment_period": {"seconds": 60}}
    return {"title": title, "scorecard": {"time_series_query": query, "spark_chart_view": view, "thresholds": limits}}


def text(title: str, content: str) -> dict[str, Any]:
    """Markdown."""
    return {"title": title, "text": {"content": content, "format_": "MARKDOWN"}}


def alert_chart(title: str, policy: str) -> dict[str, Any]:
    """A policy with its limit and incidents."""
    return {"title": title, "alert_chart": {"name": policy}}


def incidents(title: str, policies: Sequence[str]) -> dict[str, Any]:
    """Open incidents of these policies; of all where none is named."""
    return {"title": title, "incident_list": {"policy_names": list(policies)}}


def logs(title: str, where: str, project: str) -> dict[str, Any]:
    """Log entries."""
    return {"title": title, "logs_panel": {"filter": where, "resource_names": [project]}}


def dashboard(name: str, mosaic: Mosaic, labels: dict[str, str]) -> Any:
    """Google's Dashboard."""
    return _google.dashboard.Dashboard(display_name=name, mosaic_layout=mosaic.layout(), labels=labels)
