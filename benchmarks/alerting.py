"""Alert policies that are looked at each minute: what of a core that takes, beside the same points without policies.

The clock is moved a minute at a time, so that a minute's work is all there is between two looks at the process's CPU
time. Each minute brings one point for each of the 200 policies' series, in one call; both metrics get them in turn, the
one that policies watch and the one that nobody does.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import psutil

from benchmarks._measure import Line, seconds
from benchmarks._servers import PROJECT, Server, emulator, library_client

_POLICIES = 200
_MINUTES = 60
_WARM = 5
_WATCHED, _OTHER = "custom.googleapis.com/benchmark/watched", "custom.googleapis.com/benchmark/other"
_YEAR, _MOMENT = timedelta(days=365), timedelta(milliseconds=1)


def lines() -> Iterator[Line]:
    with emulator() as server:
        client = library_client(server)
        clock = _clock(server)
        for metric in (_WATCHED, _OTHER):
            descriptor = {"type": metric, "metric_kind": "GAUGE", "value_type": "DOUBLE"}
            client.clients.metrics.create_metric_descriptor(name=f"projects/{PROJECT}", metric_descriptor=descriptor)
        clock.freeze()
        for number in range(_POLICIES):
            client.clients.alert_policies.create_alert_policy(name=f"projects/{PROJECT}", alert_policy=_policy(number))
        taken = _measured(client, clock, server)
        ours = sum(taken[_WATCHED]) / _MINUTES
        beside = sum(taken[_OTHER]) / _MINUTES
        name = f"{_POLICIES} alert policies, data each minute: CPU of the emulator, of a core"
        yield Line(name, 100 * (ours - beside) / 60, None, "%", 5.0, absolute=True)
        yield Line("the same with what writing the points takes", 100 * ours / 60, 100 * beside / 60, "%", None,
                   peer_name="points that no policy watches")  # fmt: skip
        clock.advance(timedelta(hours=1))
        year = seconds(lambda: clock.advance(_YEAR))
        yield Line(f"{_POLICIES} policies whose data stopped: a year of the clock", year, None, "s", None)


def _measured(client: Any, clock: Any, server: Server) -> dict[str, list[float]]:
    """CPU seconds of each minute, by the metric that got points in it."""
    process = psutil.Process(server.pid)
    taken: dict[str, list[float]] = {_WATCHED: [], _OTHER: []}
    for minute in range(_WARM + _MINUTES):
        for metric, found in taken.items():
            before = _cpu(process)
            clock.advance(timedelta(seconds=60) if metric == _WATCHED else _MOMENT)
            _write(client, metric, clock.now(), minute)
            clock.advance(_MOMENT)  # returns when policies have been looked at
            if minute >= _WARM:
                found.append(_cpu(process) - before)
    return taken


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _write(client: Any, metric: str, at: datetime, minute: int) -> None:
    from google.cloud import monitoring_v3

    series = [
        monitoring_v3.TimeSeries(
            metric={"type": metric, "labels": {"number": str(number)}},
            resource={"type": "global"},
            points=[{"interval": {"end_time": at}, "value": {"double_value": (number + minute) % 10}}],
        )
        for number in range(_POLICIES)
    ]
    client.clients.metrics.create_time_series(name=f"projects/{PROJECT}", time_series=series)


def _policy(number: int) -> dict[str, Any]:
    """Of one series: the mean of five minutes, for five minutes above a threshold; some open incidents."""
    text = f'metric.type = "{_WATCHED}" AND resource.type = "global" AND metric.labels.number = "{number}"'
    aggregation = {"alignment_period": {"seconds": 300}, "per_series_aligner": "ALIGN_MEAN"}
    spec = {
        "filter": text,
        "comparison": "COMPARISON_GT",
        "threshold_value": 4.0 + number % 3,
        "duration": {"seconds": 120},
        "aggregations": [aggregation],
    }
    condition = {"display_name": "above", "condition_threshold": spec}
    return {"display_name": f"policy {number}", "combiner": "OR", "conditions": [condition]}


def _clock(server: Server) -> Any:
    from gcpmlops.emulator import launch
    from gcpmlops.emulator.clock_client import EmulatorClock

    server.token  # noqa: B018 - waits until it is up
    running = launch.alive(server.data_dir)
    if running is None:
        raise SystemExit(f"no emulator runs on {server.data_dir}")
    return EmulatorClock(running)
