"""The metric file of a trial, as `cloudml-hypertune` writes it."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ABOUT = {"timestamp", "trial", "global_step", "checkpoint_path"}
_REMEMBERED = 1000  # lines; the file never holds more than the last 100 reports


@dataclass(frozen=True)
class Report:
    """One report of metrics. `timestamp` in seconds since the epoch, 0 where there is none."""

    metrics: dict[str, float]
    step: int
    timestamp: float


class MetricFile:
    """Follows one file that is written anew, all lines of it, at each report: a look may find it cut anywhere."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._looked: tuple[int, int] | None = None
        self._seen: OrderedDict[bytes, None] = OrderedDict()

    def new(self) -> list[Report]:
        """The reports since the last look."""
        try:
            status = self.path.stat()
            if self._looked == (status.st_mtime_ns, status.st_size):
                return []
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        self._looked = status.st_mtime_ns, status.st_size
        return [report for line in lines if line not in self._seen and (report := self._parsed(line)) is not None]

    def _parsed(self, line: bytes) -> Report | None:
        """None for what is not a whole report (yet)."""
        try:
            body = json.loads(line)
            report = _report(body)
        except (ValueError, TypeError, AttributeError):
            return None
        self._seen[line] = None
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return report


def _report(body: Any) -> Report:
    metrics = {name: _number(value) for name, value in body.items() if name not in _ABOUT}
    return Report(metrics, int(body.get("global_step") or 0), float(body.get("timestamp") or 0))


def _number(value: Any) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan
