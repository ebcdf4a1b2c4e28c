"""Traffic splits: id of a deployed model -> per cent, together 100."""

from collections.abc import Mapping
from typing import Any

from gcpmlops.exceptions import InvalidArgument, NotFound

NEW = "0"
"""Vertex AI's key for the model that is being deployed."""


def split_with(current: Mapping[str, int], percentage: int) -> dict[str, int]:
    """The split in which the new model gets `percentage` and the others keep their proportions."""
    if not 0 <= percentage <= 100:
        raise InvalidArgument(field="traffic_percentage", value=percentage, allowed="0 to 100")
    others = {key: value for key, value in current.items() if value > 0}
    if not others:
        return {NEW: 100}
    shares = scaled(others, 100 - percentage)
    return {NEW: percentage, **shares}


def scaled(shares: Mapping[str, int], total: int) -> dict[str, int]:
    """Whole shares of `total` in the same proportions; what rounding leaves goes to the largest remainders."""
    whole = sum(shares.values())
    scaled = {key: value * total // whole for key, value in shares.items()}
    by_remainder = sorted(shares, key=lambda key: (-(shares[key] * total % whole), key))
    for key in by_remainder[: total - sum(scaled.values())]:
        scaled[key] += 1
    return scaled


def nonzero(split: Mapping[str, int]) -> dict[str, int]:
    """Who gets any, by id."""
    return {key: split[key] for key in sorted(split) if split[key]}


def split_without(endpoint: Any, key: str) -> dict[str, int]:
    """The traffic once that model is gone; empty where nothing need be said."""
    split = nonzero(endpoint.traffic_split)
    if key not in split:
        return {}
    others = {k: v for k, v in split.items() if k != key}
    rest = sorted(row.id for row in endpoint.deployed_models if row.id != key)
    return scaled(others, 100) if others else ({rest[0]: 100} if rest else {})


def check_split(split: Mapping[str, int]) -> dict[str, int]:
    """A plain copy. Raises InvalidArgument unless it sums to 100."""
    if sum(split.values()) != 100 or any(value < 0 for value in split.values()):
        raise InvalidArgument(
            f"the traffic split {dict(split)} sums to {sum(split.values())}",
            field="split",
            value=dict(split),
            allowed="sum 100",
        )
    return dict(split)


def deployed_id(endpoint: Any, key: str) -> str:
    """The id of the deployed model with this id or display name. Raises NotFound, InvalidArgument where several fit."""
    deployed = list(endpoint.deployed_models)
    if any(each.id == key for each in deployed):
        return key
    named = [each.id for each in deployed if each.display_name == key]
    if len(named) == 1:
        return str(named[0])
    if named:
        raise InvalidArgument(
            f"{len(named)} deployed models are called {key}", field="deployed_model", allowed=", ".join(named)
        )
    there = ", ".join(f"{each.id} ({each.display_name})" for each in deployed) or "none"
    raise NotFound(
        f"{key} is not deployed on {endpoint.display_name}", resource=endpoint.name, next_step=f"Deployed: {there}."
    )
