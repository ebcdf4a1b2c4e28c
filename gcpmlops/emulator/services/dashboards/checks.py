"""What a dashboard has to fulfil."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.monitoring import selection

_MOST_COLUMNS = 48
_MOST_WIDGETS = 100
_FILTERED = ("TimeSeriesFilter", "RatioPart")
_SHORTEST_S = 60
_VARIABLE = re.compile(r"\$\{[^}]*\}")  # of the dashboard: a value, or a whole condition
_ANYTHING = "resource.type:*"


def check(dashboard: Any) -> None:
    """A `Dashboard` (protobuf). Raises InvalidArgument naming the field."""
    if not dashboard.display_name:
        raise validate.invalid("dashboard.display_name", "required, but missing.")
    if dashboard.WhichOneof("layout") is None:
        layouts = "gridLayout, mosaicLayout, rowLayout or columnLayout"
        raise validate.invalid("dashboard.layout", f"required, but missing: one of {layouts}.")
    _check_mosaic(dashboard.mosaic_layout)
    widgets = [
        (path, part) for path, part in _parts(dashboard, "dashboard") if part.DESCRIPTOR.name in ("Widget", *_FILTERED)
    ]
    shown = [path for path, part in widgets if part.DESCRIPTOR.name == "Widget"]
    if len(shown) > _MOST_WIDGETS:
        raise validate.invalid("dashboard.layout", f"{len(shown)} widgets: {_MOST_WIDGETS} at most.")
    for path, part in widgets:
        if part.DESCRIPTOR.name == "Widget":
            _check_widget(part, path)
        else:
            _check_filter(part, path)


def _check_mosaic(layout: Any) -> None:
    field = "dashboard.mosaic_layout"
    if layout.tiles and not 1 <= layout.columns <= _MOST_COLUMNS:
        raise validate.invalid(f"{field}.columns", f"{layout.columns}: 1 to {_MOST_COLUMNS} are possible.")
    for index, tile in enumerate(layout.tiles):
        if tile.width < 1 or tile.height < 1 or tile.x_pos < 0 or tile.y_pos < 0:
            raise validate.invalid(f"{field}.tiles[{index}]", "width and height are 1 at least, positions 0.")
        if tile.x_pos + tile.width > layout.columns:
            raise validate.invalid(f"{field}.tiles[{index}]", f"it goes beyond the {layout.columns} columns.")
    grouping = {"collapsible_group", "single_view_group"}
    placed = [each for each in enumerate(layout.tiles) if each[1].widget.WhichOneof("content") not in grouping]
    for (first, one), (second, other) in combinations(placed, 2):
        if _overlap(one, other):
            raise validate.invalid(f"{field}.tiles[{second}]", f"it overlaps tile {first}.")


def _overlap(one: Any, other: Any) -> bool:
    across = one.x_pos < other.x_pos + other.width and other.x_pos < one.x_pos + one.width
    return bool(across and one.y_pos < other.y_pos + other.height and other.y_pos < one.y_pos + one.height)


def _check_widget(widget: Any, path: str) -> None:
    if widget.WhichOneof("content") == "xy_chart" and not widget.xy_chart.data_sets:
        raise validate.invalid(f"{path}.xy_chart.data_sets", "required, but missing.")
    for index, each in enumerate(widget.xy_chart.data_sets):
        if each.time_series_query.WhichOneof("source") is None:
            raise validate.invalid(f"{path}.xy_chart.data_sets[{index}].time_series_query", "it has no source.")


def _check_filter(part: Any, path: str) -> None:
    """Syntax; a metric that is not there yet may come."""
    if not part.filter:
        raise validate.invalid(f"{path}.filter", "required, but missing.")
    selection.metric_type(selection.parse(_VARIABLE.sub(_ANYTHING, part.filter)))
    aggregation = part.aggregation
    if aggregation.per_series_aligner and aggregation.alignment_period.seconds < _SHORTEST_S:
        raise validate.invalid(f"{path}.aggregation.alignment_period", f"at least {_SHORTEST_S} s are required.")


def _parts(message: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every message in a message, with its path."""
    yield path, message
    for field, value in message.ListFields():
        if field.message_type is not None and not field.message_type.GetOptions().map_entry:
            items: Sequence[Any] = value if field.is_repeated else [value]
            for index, item in enumerate(items):
                yield from _parts(item, f"{path}.{field.name}" + (f"[{index}]" if field.is_repeated else ""))
