"""Time series: a million points written, and queries over a month of a thousand series beside the same in bare DuckDB.

Both sides hold the same points on disk and hand back the same values as Python objects. DuckDB gets them in one table,
sorted by series and time, as good as it can be for it. What the API adds (protobuf, gRPC) is measured apart.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks._measure import Line, medians, seconds
from benchmarks._servers import PROJECT, emulator, library_client

_SERIES = 1000
_POINTS = 1000  # of each
_DAYS = 30
_ROUNDS = 7
_METRIC = "custom.googleapis.com/benchmark/value"
_FILTER = f'metric.type = "{_METRIC}"'
_START = datetime(2026, 5, 1, tzinfo=UTC)
_MICROS = 1_000_000
_CALLS, _BATCH = 100, 200
_AGREE = 1e-9  # how far apart sums of floats in another order may be


def lines() -> Iterator[Line]:
    with tempfile.TemporaryDirectory() as folder:
        yield from _stored(Path(folder))
    yield _written()


def _stored(folder: Path) -> Iterator[Line]:
    from gcpmlops.emulator.services.monitoring.points import Points
    from gcpmlops.emulator.services.monitoring.reading import Reading
    from gcpmlops.emulator.state.store import Store

    store = Store(folder / "state.db", now=lambda: _START)
    points = Points(store)
    rows = list(_rows())
    ours = _written_by(points, rows)
    database, peer = _duckdb(folder, rows)
    count = _SERIES * _POINTS
    peer_name = "DuckDB, as many by Arrow, 1,000 a transaction"
    yield Line("1,000,000 points written through Points.add, 1,000 a call", count / ours, count / peer, "points/s",
               None, at_least=True, peer_name=peer_name)  # fmt: skip
    del rows
    reading = Reading(points)
    for hours, reducer in ((24, "REDUCE_NONE"), (1, "REDUCE_NONE"), (1, "REDUCE_MEAN")):
        yield from _query(reading, database, hours, reducer)
    database.close()
    store.close()


def _rows() -> Iterator[list[tuple[Any, Any]]]:
    """A point of each series at each time, one batch a time."""
    from gcpmlops.emulator.services.monitoring.series import Point, Series, labels, micros

    own, kind = labels({"project_id": PROJECT}), ("GAUGE", "DOUBLE")
    some = [Series(PROJECT, _METRIC, labels({"number": str(n)}), "global", own, *kind) for n in range(_SERIES)]
    numbers, start = random.Random(0), micros(_START)
    for index in range(1, _POINTS + 1):
        end = start + index * _DAYS * 86400 * _MICROS // _POINTS
        yield [(series, Point(end, end, numbers.random())) for series in some]


def _written_by(points: Any, rows: list[Any]) -> float:
    """Seconds, until they are in columns."""
    return seconds(lambda: ([points.add(batch) for batch in rows], points.pack()))


def _duckdb(folder: Path, rows: list[Any]) -> tuple[Any, float]:
    import duckdb
    import pyarrow as pa

    database = duckdb.connect(str(folder / "peer.duckdb"))
    database.execute("CREATE TABLE arrived (series INTEGER, end_us BIGINT, value DOUBLE)")

    def write() -> None:
        for batch in rows:
            ends, values = [point.end for _, point in batch], [point.value for _, point in batch]
            database.register("batch", pa.table({"series": range(_SERIES), "end_us": ends, "value": values}))
            database.execute("INSERT INTO arrived SELECT * FROM batch")

    taken = seconds(write)
    database.execute("CREATE TABLE points AS SELECT * FROM arrived ORDER BY series, end_us")
    database.execute("DROP TABLE arrived")
    database.execute("CHECKPOINT")
    return database, taken


def _query(reading: Any, database: Any, hours: int, reducer: str) -> Iterator[Line]:
    from google.cloud import monitoring_v3

    from gcpmlops.emulator.services.monitoring.series import micros

    period, start = hours * 3600 * _MICROS, micros(_START)
    end = start + _DAYS * 86400 * _MICROS
    aggregation = monitoring_v3.Aggregation(
        alignment_period=timedelta(hours=hours), per_series_aligner="ALIGN_MEAN", cross_series_reducer=reducer
    )
    steps = [("aggregation", aggregation)]
    kept: dict[str, Any] = {}

    def run(name: str, query: Callable[[], Any]) -> float:
        began = time.perf_counter()
        kept[name] = query()
        return time.perf_counter() - began

    sides = {
        "ours": lambda: run("ours", lambda: reading.lines(PROJECT, _FILTER, start, end, steps)),
        "peer": lambda: run("peer", lambda: _peer_query(database, start, end, period, reducer)),
        "bytes": lambda: run("bytes", lambda: _answer(reading, start, end, steps)),
    }
    taken = medians(sides, _ROUNDS)
    _compare(kept["ours"], kept["peer"])
    what = f"ALIGN_MEAN of {hours} h" + (f", {reducer}" if reducer != "REDUCE_NONE" else "")
    name = f"30 days of 1,000 series, 1,000,000 points, {what}"
    peer = "bare DuckDB, fetchall"
    yield Line(f"{name}: Python objects", taken["ours"] * 1e3, taken["peer"] * 1e3, "ms", 3.0, peer_name=peer)
    yield Line(
        f"{name}: bytes of the API's answer", taken["bytes"] * 1e3, taken["peer"] * 1e3, "ms", 3.0, peer_name=peer
    )


def _peer_query(database: Any, start: int, end: int, period: int, reducer: str) -> list[Any]:
    aligned = """SELECT series, $last - ($last - end_us) // $period * $period AS until, avg(value) AS value FROM points
                 WHERE end_us > $first AND end_us <= $last GROUP BY ALL"""
    whole = f"SELECT 0, until, avg(value) FROM ({aligned}) GROUP BY ALL" if reducer == "REDUCE_MEAN" else aligned
    found: list[Any] = database.execute(
        f"SELECT * FROM ({whole}) ORDER BY 1, 2 DESC", {"first": start, "last": end, "period": period}
    ).fetchall()
    return found


def _answer(reading: Any, start: int, end: int, steps: Any) -> bytes:
    from gcpmlops.emulator.services.monitoring import messages

    found = reading.frames(PROJECT, _FILTER, start, end, steps)
    return messages.encoded((series, "1", frame.columns(part)) for frame in found for series, part in frame.lines())


def _compare(ours: Any, peer: Any) -> None:
    """Raises where the two sides say something else."""
    flat = [(point.end, point.value) for line in ours for point in line.points]
    other = [(until, value) for _, until, value in peer]
    if len(flat) != len(other) or any(
        a[0] != b[0] or abs(a[1] - b[1]) > _AGREE for a, b in zip(flat, other, strict=True)
    ):
        raise RuntimeError("the two sides differ")


def _written() -> Line:
    """Through Google's client, 200 series a call."""
    from google.cloud import monitoring_v3

    with emulator() as server:
        client = library_client(server).clients.metrics
        now = datetime.now(UTC)

        def send(call: int) -> None:
            interval = {"end_time": now - timedelta(seconds=10 * (_CALLS - call))}
            series = [
                monitoring_v3.TimeSeries(
                    metric={"type": _METRIC, "labels": {"number": str(number)}},
                    resource={"type": "global"},
                    points=[{"interval": interval, "value": {"double_value": 0.5}}],
                )
                for number in range(_BATCH)
            ]
            client.create_time_series(name=f"projects/{PROJECT}", time_series=series)

        send(0)
        taken = seconds(lambda: [send(call) for call in range(1, _CALLS)])
        name = f"points written by CreateTimeSeries, Google's client, {_BATCH} a call"
        return Line(name, (_CALLS - 1) * _BATCH / taken, None, "points/s", None)
