"""The error of a write of which some time series were not written, as Cloud Monitoring words it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from google.api_core import exceptions
from google.cloud.monitoring_v3 import types

from gcpmlops.emulator.kernel import errors

_CODES: tuple[type[exceptions.GoogleAPICallError], ...] = (exceptions.PermissionDenied, exceptions.InvalidArgument)


def summary(
    request: Sequence[Any], failed: Mapping[int, exceptions.GoogleAPICallError]
) -> exceptions.GoogleAPICallError:
    """One error for all, with a `CreateTimeSeriesSummary` in its details.

    Args:
        request: the time series of the request.
        failed: by the place of each that was not written, why.
    """
    counts = types.CreateTimeSeriesSummary.pb()(
        total_point_count=len(request), success_point_count=len(request) - len(failed)
    )
    by_text: dict[str, list[int]] = {}
    for index, error in sorted(failed.items()):
        by_text.setdefault(str(error.message), []).append(index)
    texts = []
    for text, places in by_text.items():
        counts.errors.add(status=errors.to_status(failed[places[0]]), point_count=len(places))
        texts.append(f"timeSeries[{_ranges(places)}] {_example(request[places[0]])}: {text}")
    worst = next(code for code in _CODES if any(isinstance(error, code) for error in failed.values()))
    return worst(f"One or more TimeSeries could not be written: {'; '.join(texts)}", details=[counts])


def _ranges(places: Sequence[int]) -> str:
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _runs(places))


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = last = places[0]
    for place in places[1:]:
        if place != last + 1:
            yield first, last
            first = place
        last = place
    yield first, last


def _example(series: Any) -> str:
    metric, resource = series.metric, series.resource
    parts = [f'metric.type="{metric.type}"', f"metric.labels={_labels(metric.labels)}"]
    parts += [f'resource.type="{resource.type}"', f"resource.labels={_labels(resource.labels)}"]
    return f"(example {', '.join(parts)})"


def _labels(values: Mapping[str, str]) -> str:
    return "{" + ", ".join(f'"{key}": {json.dumps(values[key])}' for key in sorted(values)) + "}"
