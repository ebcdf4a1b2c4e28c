"""Plots as inline SVG: text that follows the page's colours, prints, and needs neither script nor network."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TypeAlias

from gcpmlops.evaluation.values import Estimate, number

COLOURS = 8  # classes c0 to c7 of the style sheet
_LETTER = 6.4  # width of one, of the 12 units that text is high
Points: TypeAlias = Sequence[tuple[float, float]]
Known: TypeAlias = Sequence[tuple[float | None, float | None]]


@dataclass(frozen=True)
class Axis:
    """From `low` to `high`, with a label."""

    label: str
    low: float = 0.0
    high: float = 1.0

    @classmethod
    def of(cls, label: str, values: Iterable[float | None], *, zero: bool = False) -> Axis:
        """Wide enough for the values, with some air."""
        known = [value for value in values if value is not None and math.isfinite(value)] + ([0.0] if zero else [])
        low, high = min(known, default=0.0), max(known, default=1.0)
        air = (high / 20 - low / 20) or abs(high) / 20 or 0.5
        most = sys.float_info.max
        return cls(label, low if zero and low == 0 else max(low - air, -most), min(high + air, most))

    def share(self, value: float) -> float:
        """Where it lies, from 0 to 1; halves first, as the range of huge numbers is endless."""
        return (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)

    def ticks(self, most: int = 6) -> list[float]:
        """Round numbers within."""
        raw = (self.high / most) - (self.low / most)
        power = 10.0 ** math.floor(math.log10(raw))
        step = next((each * power for each in (1, 2, 2.5, 5) if each * power >= raw * 0.999), 10 * power)
        first = math.ceil(self.low / step - 1e-9)
        return [(first + n) * step for n in range(most + 2) if (first + n) * step <= self.high + step * 1e-9]


@dataclass(frozen=True)
class Area:
    """Where the data is drawn: axes, and the margins for what stands around."""

    x: Axis
    y: Axis
    width: int = 390
    height: int = 300
    left: int = 62
    bottom: int = 48

    def at(self, x: float, y: float) -> tuple[float, float]:
        """In the picture's units."""
        return (
            self.left + self.x.share(x) * (self.width - self.left - 14),
            self.height - self.bottom - self.y.share(y) * (self.height - self.bottom - 12),
        )

    def place(self, x: float, y: float) -> str:
        """As a path has it."""
        return "{:.1f},{:.1f}".format(*self.at(x, y))

    def svg(self, title: str, parts: Iterable[str], *, names: bool = True) -> str:
        """The picture: grid, axes, and on them the parts. Without `names` the rows stand for themselves."""
        inside = "".join([*self._grid_x(), *(self._grid_y() if names else ()), *parts])
        middle = (self.left + self.width - 14) / 2
        labels = _text(middle, self.height - 8, self.x.label, "middle", "label")
        if names and self.y.label:
            turn = f'transform="rotate(-90 14 {(self.height - self.bottom) / 2:.0f})"'
            labels += _text(14, (self.height - self.bottom) / 2, self.y.label, "middle", "label", turn)
        box = f'viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{escape(title)}"'
        return f"<svg {box}>{inside}{labels}</svg>"

    def _grid_x(self) -> Iterator[str]:
        for tick in self.x.ticks():
            place, floor = self.at(tick, self.y.low)
            yield f'<path class="grid" d="M{place:.1f},{floor:.1f}V12"/>'
            yield _text(place, floor + 16, number(round(tick, 12)), "middle")

    def _grid_y(self) -> Iterator[str]:
        for tick in self.y.ticks():
            left, place = self.at(self.x.low, tick)
            yield f'<path class="grid" d="M{left:.1f},{place:.1f}H{self.width - 14}"/>'
            yield _text(left - 6, place + 4, number(round(tick, 12)), "end")

    def line(self, points: Points, css: str, title: str = "") -> str:
        """A line through the points."""
        path = "M" + "L".join(self.place(x, y) for x, y in points)
        return f'<path class="line {css}" d="{path}">{_title(title)}</path>' if points else ""

    def dot(self, x: float, y: float, css: str, title: str = "") -> str:
        """One dot."""
        across, down = self.at(x, y)
        return f'<circle class="dot {css}" cx="{across:.1f}" cy="{down:.1f}" r="4">{_title(title)}</circle>'

    def cloud(self, points: Known, css: str) -> str:
        """Many dots in one path; what overflowed is left out."""
        known = [(x, y) for x, y in points if x is not None and y is not None]
        return f'<path class="cloud {css}" d="{"".join(f"M{self.place(x, y)}h0" for x, y in known)}"/>'

    def bar(self, low: float, high: float, value: float, css: str, title: str) -> str:
        """From the floor to the value."""
        (left, top), (right, floor) = self.at(low, value), self.at(high, self.y.low)
        size = f'x="{left + 0.5:.1f}" y="{top:.1f}" width="{max(right - left - 1, 1):.1f}" height="{floor - top:.1f}"'
        return f'<rect class="bar {css}" {size}>{_title(title)}</rect>'


def figure(
    title: str, picture: str, legend: Mapping[str, str] | None = None, note: str = "", *, wide: bool = False
) -> str:
    """A picture with its title, legend (name → class of its colour) and a note; `wide` over all columns."""
    keys = "".join(f'<span><i class="key {css}"></i>{escape(name)}</span>' for name, css in (legend or {}).items())
    shown = f'<div class="legend">{keys}</div>' if keys else ""
    said = f"<p>{escape(note)}</p>" if note else ""
    start = "<figure class='span'>" if wide else "<figure>"
    return f"{start}<figcaption>{escape(title)}</figcaption>{shown}{picture}{said}</figure>"


def intervals(
    title: str, label: str, rows: Sequence[tuple[str, Sequence[Estimate], str]], *, whole: float | None = None
) -> str:
    """A row for each name, with a dot and an interval for each estimate, and a line where the whole lies."""
    ends = [end for _, each, _ in rows for e in each for end in (e.value, e.low, e.high)]
    step = 14 + 9 * max((len(each) for _, each, _ in rows), default=1)
    left = min(250, 24 + int(_LETTER * max((len(_short(name)) for name, _, _ in rows), default=0)))
    y = Axis("", 0, max(len(rows), 1))
    x = Axis.of(label, [*ends, whole])
    area = Area(x, y, width=1080, height=60 + step * len(rows), left=left)
    parts = [] if whole is None else [area.line([(whole, 0), (whole, y.high)], "whole", f"all rows: {number(whole)}")]
    for row, (name, each, tip) in enumerate(rows):
        middle = len(rows) - row - 0.5
        parts.append(_text(left - 8, area.at(0, middle)[1] + 4, _short(name), "end", more=_title(f"{name}: {tip}")))
        for n, estimate in enumerate(each):
            offset = ((len(each) - 1) / 2 - n) * 9 / step
            parts.append(_interval(area, estimate, middle + offset, f"c{n % COLOURS}", f"{name}: {estimate}; {tip}"))
    return area.svg(title, parts, names=False)


def _interval(area: Area, estimate: Estimate, y: float, css: str, tip: str) -> str:
    if estimate.value is None:
        return ""
    arm = ""
    if estimate.low is not None and estimate.high is not None:
        arm = area.line([(estimate.low, y), (estimate.high, y)], f"arm {css}", tip)
    return arm + area.dot(estimate.value, y, css, tip)


def _short(name: str) -> str:
    return name if len(name) <= 34 else f"{name[:33]}…"


def _text(x: float, y: float, text: str, anchor: str, css: str = "tick", attributes: str = "", more: str = "") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{css}" {place} {attributes}>{escape(text)}{more}</text>'


def _title(text: str) -> str:
    return f"<title>{escape(text)}</title>" if text else ""
