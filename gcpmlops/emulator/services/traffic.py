"""Traffic splits of endpoints: per cent by deployed model id."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from google.api_core import exceptions

from gcpmlops.emulator.kernel import validate

NEW = "0"  # in DeployModel: the id that the model being deployed will get


def check(split: Mapping[str, int], known: Collection[str]) -> None:
    """A split is empty, or shares 100 per cent among known ids. Raises InvalidArgument."""
    for key, share in split.items():
        if key not in known:
            deployed = ", ".join(sorted(known)) or "nothing"
            raise validate.invalid("traffic_split", f"there is no deployed model {key!r} (deployed: {deployed}).")
        if not 0 <= share <= 100:
            raise validate.invalid("traffic_split", f"{share} for {key!r} is not between 0 and 100.")
    if split and sum(split.values()) != 100:
        raise validate.invalid("traffic_split", f"the values must add up to 100, and add up to {sum(split.values())}.")


def without(split: Mapping[str, int], gone: str, given: Mapping[str, int], left: Collection[str]) -> dict[str, int]:
    """The split after `gone`, which must have no traffic then, is undeployed.

    Raises: InvalidArgument, FailedPrecondition.
    """
    if not left:
        return {}
    if given:
        check({key: share for key, share in given.items() if key != gone or share}, left)
        return {key: share for key, share in given.items() if key in left}
    if split.get(gone):
        raise exceptions.FailedPrecondition(
            f"Deployed model {gone} has {split[gone]} % of the traffic: give a traffic_split that leaves it none."
        )
    return {key: share for key, share in split.items() if key != gone}
