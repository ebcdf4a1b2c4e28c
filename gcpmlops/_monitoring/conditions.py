"""Conditions of alert policies, and the durations that they may have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gcpmlops import _google
from gcpmlops._durations import Duration, seconds_of
from gcpmlops._monitoring.descriptors import ONLINE, aggregation, all_of, labels_are, quoted
from gcpmlops.exceptions import InvalidArgument

ENDPOINT = "aiplatform.googleapis.com/Endpoint"
_MINUTE = 60
_LONGEST_ABSENCE = 23.5 * 3600


def minutes(value: Duration, *, field: str, least: float = 0, most: float = 24 * 3600) -> int:
    """Seconds in whole minutes, as conditions count. Raises InvalidArgument."""
    seconds = seconds_of(value, field=field)
    if seconds % _MINUTE or not least <= seconds <= most:
        allowed = f"whole minutes, {least / 60:g} to {most / 60:g}"
        raise InvalidArgument(f"{field}: {value!r}", field=field, value=value, allowed=allowed)
    return int(seconds)


def one_limit(above: float | None, below: float | None) -> tuple[str, float]:
    """(comparison, value). Raises InvalidArgument for both, none, or no number."""
    if (above is None) == (below is None):
        raise InvalidArgument("one limit is needed", field="above", value=above, allowed="either above or below")
    value: Any = above if above is not None else below
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise InvalidArgument(f"limit {value!r}", field="above", value=value, allowed="a number")
    return ("COMPARISON_GT" if above is not None else "COMPARISON_LT"), float(value)


def threshold(
    title: str,
    where: str,
    *,
    above: float | None = None,
    below: float | None = None,
    aggregations: Sequence[Any],
    of: str = "",
    duration: Duration = 0,
    quiet: bool = False,
) -> Any:
    """A condition on values; `of` is the filter of what they are divided by, aggregated alike.

    `quiet`: no data are good news, which closes an incident; Google takes that with a duration only.
    """
    comparison, value = one_limit(above, below)
    seconds = minutes(duration, field="duration")
    missing = "EVALUATION_MISSING_DATA_INACTIVE" if quiet and seconds else 0
    kind = _google.alert.AlertPolicy.Condition.MetricThreshold
    return _google.alert.AlertPolicy.Condition(
        display_name=title,
        condition_threshold=kind(
            filter=where,
            aggregations=list(aggregations),
            denominator_filter=of,
            denominator_aggregations=list(aggregations) if of else [],
            comparison=comparison,
            threshold_value=value,
            duration={"seconds": seconds},
            trigger={"count": 1},
            evaluation_missing_data=missing,
        ),
    )


def absence(title: str, where: str, *, aggregations: Sequence[Any], duration: Duration) -> Any:
    """A condition on data that no longer come."""
    seconds = minutes(duration, field="duration", least=120, most=_LONGEST_ABSENCE)
    return _google.alert.AlertPolicy.Condition(
        display_name=title,
        condition_absent=_google.alert.AlertPolicy.Condition.MetricAbsence(
            filter=where, aggregations=list(aggregations), duration={"seconds": seconds}, trigger={"count": 1}
        ),
    )


def log_match(title: str, where: str, *, labels: Mapping[str, str]) -> Any:
    """A condition on log entries; `labels` says how they are extracted: EXTRACT(jsonPayload.run)."""
    match = _google.alert.AlertPolicy.Condition.LogMatch(filter=where, label_extractors=dict(labels))
    return _google.alert.AlertPolicy.Condition(display_name=title, condition_matched_log=match)


def online(metric: str, endpoint: str, *, more: str = "") -> str:
    """The filter of a metric of an endpoint, which has its full name."""
    _, _, _, location, _, name = endpoint.split("/")
    return all_of(
        f"metric.type = {quoted(ONLINE + metric)}",
        f"resource.type = {quoted(ENDPOINT)}",
        labels_are({"location": location, "endpoint_id": name}, of="resource"),
        more,
    )


def custom(metric: str, labels: Mapping[str, str], resource: str = "") -> str:
    """The filter of a metric by its full type; of one kind of resource, where that is given."""
    kind = f"resource.type = {quoted(resource)}" if resource else ""
    return all_of(f"metric.type = {quoted(metric)}", kind, labels_are(labels))


def aligned(align: str, *, reduce: str | None = None, by: tuple[str, ...] = (), every: Duration = 60) -> list[Any]:
    """The one aggregation that a condition needs."""
    return [aggregation(align=align, reduce=reduce, by=by, every=minutes(every, field="window", least=60))]
