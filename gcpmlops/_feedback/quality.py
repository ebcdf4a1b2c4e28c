"""Quality over time: rows, a table, a picture."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcpmlops import _extras, _html, _plots
from gcpmlops._durations import spoken
from gcpmlops._feedback.windows import Window
from gcpmlops.exceptions import FailedPrecondition
from gcpmlops.types import Path_

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects

_COLOURS = ("#3367d6", "#e8710a", "#0b8043", "#a142f4", "#d01884", "#12858d", "#9a6700", "#607d8b")


@dataclass(frozen=True)
class Measured:
    """One window of one version and slice.

    Attributes:
        start: of the window; None: there are no windows.
        end: of the window; None: there are no windows.
        version: of the model; empty: all of them.
        slice: "all", or COLUMN=VALUE.
        predictions: how many.
        outcomes: how many of these have one.
        delay_s: median seconds from a prediction to its outcome; None without outcomes.
        late: outcomes that came later than was said.
        values: metric → value; None where it has none, or outcomes are too few.
    """

    start: datetime | None
    end: datetime | None
    version: str
    slice: str
    predictions: int
    outcomes: int
    delay_s: float | None
    late: int
    values: Mapping[str, float | None]

    @property
    def coverage(self) -> float:
        """Share of the predictions with an outcome."""
        return self.outcomes / self.predictions if self.predictions else 0.0

    def row(self) -> dict[str, Any]:
        """As a table has it."""
        return {
            "start": self.start,
            "version": self.version,
            "slice": self.slice,
            "predictions": self.predictions,
            "outcomes": self.outcomes,
            "coverage": self.coverage,
            "delay_s": self.delay_s,
            "late": self.late,
            **self.values,
        }


@dataclass(frozen=True)
class Quality(Sequence[Measured]):
    """What `Feedback.quality` found.

    Attributes:
        measured: the rows, by time, version and slice.
        metrics: what was measured.
        left_over: what was counted beside: predictions without_key, predicted_again (the last one counts),
            outcomes_again (the last one counts), without_prediction, unreadable outcomes, without_score, late.
        minimum: outcomes below which nothing is measured.
    """

    measured: tuple[Measured, ...]
    metrics: tuple[str, ...]
    left_over: Mapping[str, int]
    minimum: int
    window: Window = field(default_factory=Window, repr=False)

    @property
    def versions(self) -> tuple[str, ...]:
        """In the order of their first prediction."""
        return tuple(dict.fromkeys(each.version for each in self.measured))

    @property
    def slices(self) -> tuple[str, ...]:
        """All of them."""
        return tuple(dict.fromkeys(each.slice for each in self.measured))

    def of(self, *, version: str | None = None, slice: str = "all") -> list[Measured]:  # noqa: A002 - it is its name
        """The rows of a version (of all where none is named) and a slice, in order of time."""
        return [each for each in self.measured if each.slice == slice and version in (None, each.version)]

    def rows(self) -> list[dict[str, Any]]:
        """One a window, version and slice."""
        return [each.row() for each in self.measured]

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a DataFrame; needs pandas."""
        make = _extras.need("pandas", extra="plots", purpose="to_dataframe()").DataFrame
        frame: pandas.DataFrame = make(self.rows())
        return frame

    def plot(self, *, slice: str = "all") -> plotly.graph_objects.Figure:  # noqa: A002 - it is its name
        """Each metric and the coverage over time, a line a version. Raises MissingExtra, FailedPrecondition."""
        rows = [each for each in self.of(slice=slice) if each.start is not None]
        if not rows:
            raise FailedPrecondition(
                f"there is nothing over time to draw of {slice}", next_step="Measure by a window: by=('month',)."
            )
        names = [*self.metrics, "coverage"]
        subplots = _extras.need("plotly.subplots", extra="plots", purpose="a plot of quality")
        figure = subplots.make_subplots(
            rows=len(names), cols=1, shared_xaxes=True, vertical_spacing=0.06, subplot_titles=names
        )
        for place, name in enumerate(names, 1):
            for number, version in enumerate(self.versions):
                figure.add_trace(_line(self.of(version=version, slice=slice), name, version, number), place, 1)
        return figure.update_layout(
            template=_plots.TEMPLATE,
            title=html.escape(f"Quality, {slice}"),
            height=120 + 220 * len(names),
            legend={"title": "version"},
        )

    def report(self, path: Path_, *, slice: str = "all") -> Path:  # noqa: A002 - it is its name
        """One HTML file that needs no network: the picture and the table."""
        return _plots.page(Path(path), "Quality by outcomes", [self.plot(slice=slice), self._repr_html_()])

    def __getitem__(self, index: Any) -> Any:
        return self.measured[index]

    def __len__(self) -> int:
        return len(self.measured)

    def __iter__(self) -> Iterator[Measured]:
        return iter(self.measured)

    def __repr__(self) -> str:
        return f"Quality({len(self)} rows, versions={self.versions}, metrics={self.metrics})"

    def _repr_html_(self) -> str:
        columns = ["start", "version", "slice", "predictions", "outcomes", "coverage", "delay", *self.metrics]
        cells = [_cells(each, self.metrics) for each in self.measured]
        left = ", ".join(f"{key.replace('_', ' ')} {count}" for key, count in self.left_over.items() if count)
        return _html.grid(f"Quality ({left})", columns, cells)


def _cells(each: Measured, metrics: Sequence[str]) -> list[str]:
    delay = "" if each.delay_s is None else spoken(abs(each.delay_s))
    values = [each.values.get(name) for name in metrics]
    return [
        f"{each.start:%Y-%m-%d %H:%M}" if each.start else "",
        each.version,
        each.slice,
        str(each.predictions),
        str(each.outcomes),
        f"{each.coverage:.1%}",
        delay,
        *("" if value is None else f"{value:.4g}" for value in values),
    ]


def _line(rows: Sequence[Measured], name: str, version: str, number: int) -> Any:
    go = _extras.need("plotly.graph_objects", extra="plots", purpose="a plot of quality")
    return go.Scatter(
        x=[each.start for each in rows],
        y=[each.coverage if name == "coverage" else each.values.get(name) for each in rows],
        name=html.escape(version) or "all",
        legendgroup=version,
        showlegend=name == "coverage",
        mode="lines+markers",
        line={"color": _COLOURS[number % len(_COLOURS)]},
    )
