"""Runs side by side: a table, and a picture of it."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _extras, _html, _plots
from gcpmlops._experiments.runs import Run
from gcpmlops._experiments.series import Point
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument
from gcpmlops.types import Path_

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects

_READERS = 8
_PURPOSE = "a plot of runs"


@dataclass(frozen=True)
class Comparison:
    """The runs of an experiment, and the metrics that are looked at."""

    experiment: str
    runs: Sequence[Run]
    metrics: tuple[str, ...] = ()
    """Those asked for; all where none were."""
    with_series: bool = field(default=True, repr=False)

    @cached_property
    def series(self) -> dict[str, dict[str, list[Point]]]:
        """Run → metric → points of what was logged by step; read once, several runs at a time."""
        if not self.with_series or not self.runs:
            return {}
        with ThreadPoolExecutor(min(_READERS, len(self.runs))) as pool:
            read = list(pool.map(lambda run: run.time_series, self.runs))
        return {run.name: self._wanted(found) for run, found in zip(self.runs, read, strict=True) if found}

    def rows(self) -> list[dict[str, Any]]:
        """One a run, with the columns of Google's get_experiment_df."""
        return [self._row(run) for run in self.runs]

    def to_dataframe(self) -> pandas.DataFrame:
        """One row a run: experiment_name, run_name, run_type, state, param.*, metric.*, time_series_metric.* (last)."""
        make = _extras.need("pandas", extra="plots", purpose="to_dataframe()").DataFrame
        frame: pandas.DataFrame = make(self.rows(), columns=self._columns())
        return frame

    def plot(self) -> plotly.graph_objects.Figure:
        """Parallel coordinates (bars for one or two runs) over parameters and metrics, and the time series overlaid.

        Raises MissingExtra, FailedPrecondition where no run has a number to show.
        """
        return _Picture(self).figure()

    def report(self, path: Path_) -> Path:
        """One HTML file that needs no network: the picture and the table. Raises as `plot`."""
        title = f"Experiment {self.experiment}"
        return _plots.page(Path(path), title, [self.plot(), self._repr_html_()])

    def _row(self, run: Run) -> dict[str, Any]:
        last = {name: points[-1].value for name, points in self.series.get(run.name, {}).items()}
        return {
            "experiment_name": self.experiment,
            "run_name": run.name,
            "run_type": str(run.proto.schema_title),
            "state": run.state,
            **{f"param.{name}": value for name, value in run.params.items()},
            **{f"metric.{name}": value for name, value in self._wanted(run.metrics).items()},
            **{f"time_series_metric.{name}": value for name, value in last.items()},
        }

    def _columns(self) -> list[str]:
        """What all have first, then parameters, metrics, time series."""
        names = list(dict.fromkeys(name for row in self.rows() for name in row))
        kinds = ("param.", "metric.", "time_series_metric.")
        return sorted(names, key=lambda name: next((n for n, kind in enumerate(kinds, 1) if name.startswith(kind)), 0))

    def _wanted(self, found: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in found.items() if not self.metrics or name in self.metrics}

    def check(self) -> Comparison:
        """Itself. Raises InvalidArgument for a metric that no run has."""
        known = {name for run in self.runs for name in run.metrics}
        missing = [name for name in self.metrics if name not in known]
        if missing:
            known |= {name for found in self.series.values() for name in found}
            missing = [name for name in missing if name not in known]
        if missing and self.runs:
            everything = {name for run in self.runs for name in (*run.metrics, *run.time_series)}
            raise InvalidArgument(
                f"no run of {self.experiment} has the metric {missing[0]!r}",
                field="metrics",
                value=missing[0],
                allowed=", ".join(sorted(everything)) or "none: nothing was logged",
            )
        return self

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def _repr_html_(self) -> str:
        columns = [name for name in self._columns() if name not in ("experiment_name", "run_type")]
        cells = [[_cell(row.get(name)) for name in columns] for row in self.rows()]
        return _html.grid(f"{self.experiment}: {len(self.runs)} runs", columns, cells)


class _Picture:
    """The figure: one panel for parameters and metrics, one for each time series."""

    def __init__(self, comparison: Comparison) -> None:
        self._go = _extras.need("plotly.graph_objects", extra="plots", purpose=_PURPOSE)
        self._subplots = _extras.need("plotly.subplots", extra="plots", purpose=_PURPOSE)
        self._comparison = comparison
        rows = [{k: v for k, v in row.items() if k.startswith(("param.", "metric."))} for row in comparison.rows()]
        self._values = rows
        self._numeric = [name for name in _names(rows) if name.startswith("metric.") and _numbers(rows, name)]
        self._series = sorted({name for found in comparison.series.values() for name in found})

    def figure(self) -> Any:
        """Raises FailedPrecondition where nothing can be drawn."""
        if not self._numeric and not self._series:
            raise FailedPrecondition(
                f"no run of {self._comparison.experiment} has a metric that is a number",
                resource=self._comparison.experiment,
                next_step="Log some with run.log_metrics({...}) or run.log_metric(NAME, VALUE, step=N).",
            )
        parallel = len(self._complete()) > 2
        upper = [self._coordinates() if parallel else self._bars()] if self._numeric else []
        rows = len(upper) + len(self._series)
        figure = self._subplots.make_subplots(
            rows=rows,
            cols=1,
            specs=[
                *([{"type": "domain" if parallel else "xy"}] for _ in upper),
                *([{"type": "xy"}] for _ in self._series),
            ],
            subplot_titles=[*("" for _ in upper), *map(html.escape, self._series)],
        )
        for traces in upper:
            figure.add_traces(traces, rows=1, cols=1)
        self._lines(figure, len(upper))
        if parallel and upper:  # the colours' scale beside the first panel, the runs' names beside the others
            figure.data[0].line.colorbar.update(len=0.8 / rows, y=1, yanchor="top")
            figure.update_layout(legend={"y": 1 - 1 / rows, "yanchor": "top"})
        title = html.escape(f"Experiment {self._comparison.experiment}")
        margin = {"t": 120, "l": 80}
        return figure.update_layout(
            title=title, template=_plots.TEMPLATE, height=160 + 340 * rows, barmode="group", margin=margin
        )

    def _complete(self) -> list[dict[str, Any]]:
        """Rows with a number for the first metric: what parallel coordinates are coloured by."""
        return [row for row in self._values if self._numeric and _is_number(row.get(self._numeric[0]))]

    def _coordinates(self) -> list[Any]:
        rows = self._complete()
        metric = self._numeric[0]
        names = [name for name in _names(rows) if name.startswith("param.") and len(_distinct(rows, name)) > 1]
        dimensions = [_dimension(name, rows) for name in (*names, *self._numeric)]
        line = {"color": [row[metric] for row in rows], "colorscale": "Viridis", "showscale": True}
        line["colorbar"] = {"title": metric.partition(".")[2]}
        return [self._go.Parcoords(dimensions=dimensions, line=line)]

    def _bars(self) -> list[Any]:
        runs = [run.name for run in self._comparison.runs]
        return [
            self._go.Bar(name=name.partition(".")[2], x=runs, y=[_number(row.get(name)) for row in self._values])
            for name in self._numeric
        ]

    def _lines(self, figure: Any, above: int) -> None:
        shown: set[str] = set()
        for row, name in enumerate(self._series, above + 1):
            for number, run in enumerate(self._comparison.runs):
                points = self._comparison.series.get(run.name, {}).get(name, [])
                if points:
                    trace = self._go.Scatter(
                        x=[p.step for p in points],
                        y=[p.value for p in points],
                        mode="lines+markers" if len(points) < 50 else "lines",
                        name=run.name,
                        legendgroup=run.name,
                        showlegend=run.name not in shown,
                        line={"color": _COLOURS[number % len(_COLOURS)]},
                    )
                    figure.add_trace(trace, row=row, col=1)
                    shown.add(run.name)
            figure.update_xaxes(title_text="step", row=row, col=1)


_COLOURS = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#d62728",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#7f7f7f",
    "#bcbd22",
    "#17becf",
)


def _names(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _distinct(rows: Sequence[Mapping[str, Any]], name: str) -> set[str]:
    return {str(row.get(name, "")) for row in rows}


def _numbers(rows: Sequence[Mapping[str, Any]], name: str) -> bool:
    return any(_is_number(row.get(name)) for row in rows)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _number(value: Any) -> float | None:
    return float(value) if _is_number(value) else None


def _dimension(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """An axis: numbers as they are, anything else by its place among the values."""
    label = html.escape(name.partition(".")[2])
    given = [row[name] for row in rows if name in row]
    if all(map(_is_number, given)):
        return {"label": label, **_scale(given, [row.get(name) for row in rows])}
    texts = sorted(_distinct(rows, name))
    places = [texts.index(str(row.get(name, ""))) for row in rows]
    return {"label": label, "values": places, "tickvals": list(range(len(texts))), "ticktext": texts}


def _scale(given: Sequence[float], values: Sequence[float | None]) -> dict[str, Any]:
    """Rows without a number stand below all others, at a mark of their own."""
    if len(given) == len(values):
        return {"values": list(values)}
    low, high = min(given), max(given)
    none = low - ((high - low) or abs(low) or 1) / 5
    marks = {none: "none", low: f"{low:.4g}", high: f"{high:.4g}"}
    places = [none if value is None else value for value in values]
    return {"values": places, "tickvals": list(marks), "ticktext": list(marks.values())}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)
