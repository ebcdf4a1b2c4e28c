"""How the conditions of a policy make incidents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gcpmlops.emulator.services.monitoring.alerting.conditions import Met

Key = tuple[str, str]  # a condition's name, and the key of one of its time series


def combined(combiner: str, met: Mapping[str, Mapping[str, Met]]) -> dict[Key, Met]:
    """What incidents are open for.

    Args:
        combiner: `OR`: each series that meets a condition; `AND`: the same, while every condition is met, on whatever
            resources; `AND_WITH_MATCHING_RESOURCE`: of resources only for which every condition is met.
        met: by condition: the series that meet it.
    """
    found = {(condition, key): one for condition, series in met.items() for key, one in series.items()}
    if combiner == "AND":
        return found if all(met.values()) else {}
    if combiner == "AND_WITH_MATCHING_RESOURCE":
        common = set.intersection(*(_resources(series.values()) for series in met.values()))
        return {key: one for key, one in found.items() if _resource(one) in common}
    return found


def _resources(met: Iterable[Met]) -> set[object]:
    return {_resource(one) for one in met}


def _resource(met: Met) -> object:
    return met.series.resource, met.series.resource_labels
