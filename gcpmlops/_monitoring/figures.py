"""Plotly's pictures of a dashboard: lines over time, and one large number."""

from __future__ import annotations

import html
import itertools
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gcpmlops import _extras
from gcpmlops._monitoring.queries import Line

COLOURS = ("#3367d6", "#e8710a", "#0b8043", "#a142f4", "#d01884", "#12858d", "#9a6700", "#607d8b")
_RED, _GREY, _INK = "#c5221f", "#e3e7ec", "#3c4043"
_FONT = {"family": "system-ui, -apple-system, Segoe UI, Roboto, sans-serif", "size": 12, "color": _INK}
_FEW = 40  # points that are worth a dot each
_numbers = itertools.count()


def over_time(
    lines: Sequence[tuple[Line, str]],
    *,
    unit: str,
    limits: Sequence[tuple[str, float]],
    time: tuple[datetime, datetime],
    marked: Sequence[tuple[datetime, datetime]] = (),
) -> str:
    """Lines with the type of their plot; limits as dashed lines, marked times shaded. HTML."""
    lines = [(line, plot) for line, plot in lines if line.points]
    if not lines:
        return '<p class="note">No data in this time.</p>'
    go = _extras.need("plotly.graph_objects", extra="plots", purpose="a drawn dashboard")
    figure = go.Figure([_trace(go, line, plot, number) for number, (line, plot) in enumerate(lines)])
    for start, end in marked:
        figure.add_vrect(x0=start, x1=end, fillcolor=_RED, opacity=0.1, line_width=0)
    for label, value in limits:
        figure.add_hline(
            y=value,
            line={"color": _RED, "dash": "dash", "width": 1.2},
            annotation={"text": html.escape(label), "font": {"color": _RED, "size": 11}, "yshift": 2},
            annotation_position="top right",
        )
    values = [value for line, _ in lines for _, value in line.points] + [value for _, value in limits]
    _lay_out(figure, unit, time, several=len(lines) > 1 or bool(lines[0][0].name), low=min(values))
    return _html(figure)


def _trace(go: Any, line: Line, plot: str, number: int) -> Any:
    colour = COLOURS[number % len(COLOURS)]
    x, y = [at for at, _ in line.points], [value for _, value in line.points]
    if plot == "STACKED_BAR":
        return go.Bar(x=x, y=y, name=html.escape(line.name), marker={"color": colour, "line": {"width": 0}})
    few = len(x) <= _FEW
    stacked: dict[str, Any] = {"stackgroup": "all", "fillcolor": _light(colour)} if plot == "STACKED_AREA" else {}
    return go.Scatter(
        x=x,
        y=y,
        name=html.escape(line.name),
        mode="lines+markers" if few and not stacked else "lines",
        line={"color": colour, "width": 2},
        marker={"size": 5},
        cliponaxis=False,
        **stacked,
    )


def _light(colour: str) -> str:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.22)"


def _lay_out(figure: Any, unit: str, time: tuple[datetime, datetime], *, several: bool, low: float) -> None:
    figure.update_layout(
        template="plotly_white",
        font=_FONT,
        margin={"l": 8, "r": 12, "t": 6, "b": 4},
        height=None,
        autosize=True,
        showlegend=several,
        legend={"orientation": "h", "traceorder": "normal", "y": -0.16, "x": 0, "yanchor": "top", "font": {"size": 11}},
        hovermode="x unified",
        barmode="stack",
        bargap=0,
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
    )
    figure.update_xaxes(range=list(time), gridcolor=_GREY, zeroline=False, automargin=True, nticks=7)
    figure.update_yaxes(
        title={"text": html.escape(unit), "font": {"size": 11}, "standoff": 6},
        gridcolor=_GREY,
        zerolinecolor=_GREY,
        automargin=True,
        rangemode="tozero" if low >= 0 and unit not in ("ROC AUC", "") else "normal",
        nticks=6,
    )


def card(line: Line | None, *, unit: str, limits: Sequence[tuple[str, float]]) -> str:
    """The newest value, with its line; red beyond a limit. HTML."""
    if line is None or not line.points:
        return '<p class="value none">&ndash;</p>'
    value = line.points[-1][1]
    bad = any(value > limit if direction != "BELOW" else value < limit for direction, limit in limits)
    text, suffix = spoken(value, unit)
    colour = _RED if bad else COLOURS[0]
    return (
        f'<p class="value{" bad" if bad else ""}">{text}<small>{html.escape(suffix)}</small></p>'
        f"{_spark([each for _, each in line.points], colour)}"
    )


def spoken(value: float, unit: str) -> tuple[str, str]:
    """A number in three digits, and its unit; shares as per cent."""
    if "%" in unit:
        return f"{value * 100:.3g}", " %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}", f" {unit}" if unit not in ("", "1") else ""


def _spark(values: Sequence[float], colour: str) -> str:
    """A line as SVG, which stretches to its place."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = 100 / (len(values) - 1)
    points = " ".join(f"{n * step:.2f},{28 - (value - low) / span * 26:.2f}" for n, value in enumerate(values))
    return (
        '<svg class="spark" viewBox="0 0 100 30" preserveAspectRatio="none">'
        f'<polygon points="0,30 {points} 100,30" fill="{colour}" opacity=".1"/>'
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6" '
        'vector-effect="non-scaling-stroke"/></svg>'
    )


def _html(figure: Any) -> str:
    found: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=f"chart-{next(_numbers)}",
        config={"displayModeBar": False, "responsive": True},
        default_height="100%",
    )
    return found
