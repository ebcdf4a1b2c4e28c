"""Resources by what people call them: several may have one display name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gcpmlops._handle import Named
from gcpmlops.exceptions import InvalidArgument


def resolve(name: str, *, field: str, find: Callable[[str], Sequence[Named]], folder: str, given: str = "") -> str:
    """The full resource name for an id or a display name.

    Args:
        name: what was given, without a version.
        field: what it is: model, endpoint.
        find: lists by a filter of the API.
        folder: PARENT/COLLECTION of what no display name fits.
        given: what was given, whole.

    Raises InvalidArgument where several fit.
    """
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    found = [] if name.isdigit() else find(f'display_name="{quoted}"')
    if len(found) > 1:
        raise InvalidArgument(
            f"{len(found)} {field}s are called {name}",
            field=field,
            value=given or name,
            allowed=f"one of the ids {', '.join(each.id for each in found)}",
        )
    return found[0].name if found else f"{folder}/{name}"
