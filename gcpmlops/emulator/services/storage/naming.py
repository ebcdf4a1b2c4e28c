"""Rules for bucket and object names. Names are data: they never become paths."""

from __future__ import annotations

import ipaddress
import re

from gcpmlops.emulator.services.storage import errors

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]*[a-z0-9]")
_MAX_OBJECT_BYTES = 1024


def check_bucket(name: str) -> None:
    """Raises BadRequest for a name that the service would refuse."""
    limit = 222 if "." in name else 63
    parts = name.split(".")
    if (
        not 3 <= len(name) <= limit
        or not _BUCKET.fullmatch(name)
        or any(not part or len(part) > 63 or part[0] == "-" or part[-1] == "-" for part in parts)
        or _is_address(name)
        or name.startswith("goog")
        or "google" in name
    ):
        raise errors.invalid(f"Invalid bucket name: '{name}'")


def check_object(name: str) -> None:
    """Raises BadRequest for a name that the service would refuse."""
    if not name:
        raise errors.required("name")
    try:
        size = len(name.encode())
    except UnicodeEncodeError:
        raise errors.invalid("The object name is not valid UTF-8.") from None
    if size > _MAX_OBJECT_BYTES:
        raise errors.invalid(f"The maximum object length is 1024 characters, but got a name with {size} characters.")
    if "\n" in name or "\r" in name:
        raise errors.invalid("Disallowed unicode characters present in object name.")
    if name in (".", "..") or name.startswith(".well-known/acme-challenge/"):
        raise errors.invalid(f"Invalid object name: '{name}'")


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True
