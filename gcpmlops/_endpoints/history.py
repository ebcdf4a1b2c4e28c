"""What served before, kept in the endpoint's own labels: whoever rolls back needs nothing but the endpoint.

`gcpmlops-previous-N` is ID-PERCENT of a deployed model, with what it takes to deploy it again: -model (its id), -on
(VERSION_MACHINE_MIN_MAX[_ACCELERATOR_COUNT]), -account (NAME_PROJECT), -of (PROJECT_LOCATION, if not the endpoint's).
`gcpmlops-previous-until` says, in seconds since 1970, how long they are kept deployed; `gcpmlops-rollout` that a
deployment is under way (ID-SECONDS, the latest time at which it ends). Google allows 64 labels of 63 characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gcpmlops._endpoints.traffic import scaled

PREFIX = "gcpmlops-"
CLAIM = f"{PREFIX}rollout"
PREVIOUS = f"{PREFIX}previous"
UNTIL = f"{PREVIOUS}-until"

_MOST = 8
_MODEL = re.compile(r"projects/([^/]+)/locations/([^/]+)/models/([^/@]+)")
_ACCOUNT = re.compile(r"([a-z0-9-]+)@([a-z0-9-]+)\.iam\.gserviceaccount\.com")
_VALUE = re.compile(r"[a-z0-9_-]{1,63}")


@dataclass(frozen=True)
class Earlier:
    """A deployed model that served, and how it was deployed; what could not be noted is empty."""

    id: str
    percent: int
    model: str = ""
    """Full name with @VERSION."""
    machine_type: str = ""
    min_replica_count: int = 1
    max_replica_count: int = 1
    accelerator_type: str = ""
    accelerator_count: int = 0
    service_account: str = ""


def serving(endpoint: Any) -> list[Earlier]:
    """What serves now, the largest share first."""
    split = dict(endpoint.traffic_split)
    found = [_earlier(row, split[row.id]) for row in endpoint.deployed_models if split.get(row.id)]
    return sorted(found, key=lambda each: (-each.percent, each.id))


def _earlier(row: Any, percent: int) -> Earlier:
    resources = row.dedicated_resources
    spec = resources.machine_spec
    return Earlier(
        row.id,
        percent,
        f"{row.model.partition('@')[0]}@{row.model_version_id}".rstrip("@"),
        spec.machine_type,
        resources.min_replica_count,
        resources.max_replica_count,
        spec.accelerator_type.name if spec.accelerator_count else "",
        spec.accelerator_count,
        row.service_account,
    )


def noted(labels: Mapping[str, str], served: Sequence[Earlier], endpoint: str) -> dict[str, str]:
    """The labels with these models as what served before, in the place of others; the largest eight."""
    most = list(served)[:_MOST]
    shares = scaled({each.id: each.percent for each in most}, 100) if most else {}
    found = without_history(labels)
    for n, each in enumerate(most):
        key = f"{PREVIOUS}-{n}"
        found[key] = f"{each.id}-{shares[each.id]}"
        found |= {f"{key}-{name}": value for name, value in _details(each, endpoint) if _VALUE.fullmatch(value)}
    return found


def _details(each: Earlier, endpoint: str) -> list[tuple[str, str]]:
    match = _MODEL.match(each.model)
    if match is None:
        return []
    project, location, model = match.groups()
    replicas = [str(each.min_replica_count), str(each.max_replica_count)]
    gpus = [each.accelerator_type.lower(), str(each.accelerator_count)] if each.accelerator_count else []
    on = "_".join([each.model.rpartition("@")[2], each.machine_type, *replicas, *gpus])
    account = _ACCOUNT.fullmatch(each.service_account)
    own = endpoint.startswith(f"projects/{project}/locations/{location}/")
    return [
        ("model", model),
        ("on", on),
        ("account", "_".join(account.groups()) if account else ""),
        ("of", "" if own else f"{project}_{location}"),
    ]


def noted_before(labels: Mapping[str, str], endpoint: str) -> list[Earlier]:
    """What the labels say served before; empty where they say nothing, or nothing that can be read."""
    found = []
    for n in range(_MOST):
        key = f"{PREVIOUS}-{n}"
        deployed, _, percent = labels.get(key, "").rpartition("-")
        if deployed and percent.isdigit():
            details = {name: labels.get(f"{key}-{name}", "") for name in ("model", "on", "account", "of")}
            found.append(_read(deployed, int(percent), details, endpoint))
    return found


def _read(deployed: str, percent: int, details: Mapping[str, str], endpoint: str) -> Earlier:
    version, machine, least, most, *gpus = [*details["on"].split("_", 4), "", "", "", ""][:5]
    if not details["model"] or not least.isdigit() or not most.isdigit():
        return Earlier(deployed, percent)
    project, _, location = details["of"].partition("_")
    parent = f"projects/{project}/locations/{location}" if location else endpoint.partition("/endpoints/")[0]
    kind, _, count = gpus[0].rpartition("_")
    name, _, account_project = details["account"].partition("_")
    return Earlier(
        deployed,
        percent,
        f"{parent}/models/{details['model']}@{version}".rstrip("@"),
        machine,
        int(least),
        int(most),
        kind.upper(),
        int(count) if count.isdigit() else 0,
        f"{name}@{account_project}.iam.gserviceaccount.com" if account_project else "",
    )


def without_history(labels: Mapping[str, str]) -> dict[str, str]:
    """The labels but for what served before."""
    return {key: value for key, value in labels.items() if not key.startswith(PREVIOUS)}


def claimed(labels: Mapping[str, str]) -> tuple[str, float]:
    """(id of the deployment under way, the latest time at which it ends); ("", 0) where there is none."""
    identifier, _, until = labels.get(CLAIM, "").partition("-")
    return (identifier, float(until)) if until.isdigit() else ("", 0.0)


def is_under_way(labels: Mapping[str, str], now: datetime) -> bool:
    """Whether a deployment is, as far as the labels tell."""
    return claimed(labels)[1] > now.timestamp()


def kept_until(labels: Mapping[str, str]) -> float | None:
    """When what served before need no longer be kept, in seconds since 1970; None: until somebody says so."""
    text = labels.get(UNTIL, "")
    return float(text) if text.isdigit() else None
