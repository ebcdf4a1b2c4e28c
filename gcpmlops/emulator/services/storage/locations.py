"""Bucket locations and what kind each is."""

from __future__ import annotations

import re

from gcpmlops.emulator.services.storage import errors

_MULTI_REGIONS = {"US", "EU", "ASIA"}
_DUAL_REGIONS = {"NAM4", "EUR4", "EUR5", "EUR7", "EUR8", "ASIA1"}
_REGION = re.compile(r"[A-Z]+(-[A-Z]+)+\d+(-[A-Z])?")


def location_type(location: str, placement: object = None) -> str:
    """``multi-region``, ``dual-region`` or ``region``. Raises BadRequest for what is no location."""
    if placement or location in _DUAL_REGIONS:
        return "dual-region"
    if location in _MULTI_REGIONS:
        return "multi-region"
    if not _REGION.fullmatch(location):
        raise errors.invalid(f"The specified location constraint is not valid: '{location}'.")
    return "zone" if location[-2] == "-" else "region"
