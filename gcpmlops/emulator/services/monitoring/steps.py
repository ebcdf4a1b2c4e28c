"""`Aggregation` messages, checked: what aligns and reduces, one step after the other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from gcpmlops.emulator.kernel import validate
from gcpmlops.emulator.services.monitoring.alignment import MICROS, aligned, lookback
from gcpmlops.emulator.services.monitoring.frames import Frame
from gcpmlops.emulator.services.monitoring.reduction import parsed, reduced

_SHORTEST_S = 60
_LONGEST_S = 104 * 7 * 24 * 3600


@dataclass(frozen=True)
class Step:
    """One `Aggregation` that does something.

    Attributes:
        aligner: its name.
        period: microseconds.
        reducer: its name, or REDUCE_NONE.
        fields: what groups keep.
    """

    aligner: str
    period: int
    reducer: str
    fields: Sequence[tuple[str, str]]

    def run(self, frame: Frame, start: int, end: int) -> Frame:
        """Raises InvalidArgument, MethodNotImplemented."""
        frame = aligned(frame, self.aligner, self.period, start, end)
        if self.reducer == "REDUCE_NONE":
            return frame
        return reduced(frame, self.reducer, self.fields, self.period)


def steps(aggregations: Iterable[tuple[str, Any]]) -> list[Step]:
    """Of messages with the names of their fields; one that says nothing is left out. Raises InvalidArgument."""
    return [step for field, each in aggregations if (step := _step(field, each)) is not None]


def before(wanted: Sequence[Step]) -> int:
    """How much earlier than the interval points matter, in microseconds."""
    return lookback(wanted[0].aligner, wanted[0].period) if wanted else 0


def _step(field: str, aggregation: Any) -> Step | None:
    aligner, reducer = _named(aggregation.per_series_aligner), _named(aggregation.cross_series_reducer)
    if aligner == "ALIGN_NONE":
        if reducer != "REDUCE_NONE":
            raise validate.invalid(f"{field}.per_series_aligner", f"required with {reducer}.")
        return None
    seconds = aggregation.alignment_period.total_seconds()
    if not _SHORTEST_S <= seconds <= _LONGEST_S:
        limit = f"at least {_SHORTEST_S} s are required" if seconds < _SHORTEST_S else "104 weeks at most"
        raise validate.invalid(f"{field}.alignment_period", f"{seconds:g} s: {limit}.")
    fields = [parsed(name, field) for name in aggregation.group_by_fields]
    return Step(aligner, int(seconds * MICROS), reducer, fields)


def _named(value: Any) -> str:
    """An enum's value; one that this version of the API does not have is a number."""
    return str(getattr(value, "name", value))
