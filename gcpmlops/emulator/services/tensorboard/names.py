"""Resource names of TensorboardService, and what ids and display names may be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from gcpmlops.emulator.kernel import validate

LOCATION = "projects/{project}/locations/{location}"
BOARD = LOCATION + "/tensorboards/{tensorboard}"
EXPERIMENT = BOARD + "/experiments/{experiment}"
RUN = EXPERIMENT + "/runs/{run}"
SERIES = RUN + "/timeSeries/{time_series}"

_BATCH = 1000
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
# Google's own uploader makes run ids of a log directory's folders: capitals stay, all else becomes a hyphen.
_RUN_ID = re.compile(r"[a-zA-Z0-9-]{1,128}")


def check_id(field: str, value: str, *, run: bool = False) -> str:
    """The id itself. Raises: InvalidArgument naming the field."""
    pattern = _RUN_ID if run else _ID
    if not value:
        raise validate.invalid(field, "required, but missing.")
    if not pattern.fullmatch(value):
        raise validate.invalid(field, f"{value!r} is not allowed (it must match {pattern.pattern}).")
    return value


def check_display_name(message: Any, field: str, *, required: bool = True) -> None:
    """Raises: InvalidArgument where it is missing or longer than 128 characters."""
    if required and not message.display_name:
        raise validate.invalid(f"{field}.display_name", "required, but missing.")
    if field != "tensorboard_time_series" and len(message.display_name) > 128:
        raise validate.invalid(f"{field}.display_name", f"{len(message.display_name)} characters, 128 are allowed.")


def check_batch(requests: Sequence[Any]) -> None:
    """Raises: InvalidArgument for none, or more than 1000."""
    if not requests:
        raise validate.invalid("requests", "required, but missing.")
    if len(requests) > _BATCH:
        raise validate.invalid("requests", f"{len(requests)} requests, {_BATCH} are allowed in one batch.")


def board_of(name: str) -> str:
    """The tensorboard that a resource lies in."""
    return "/".join(name.split("/")[:6])


def id_of(name: str) -> str:
    """The last segment."""
    return name.rpartition("/")[2]


def below(name: str) -> tuple[str, str]:
    """Bounds of the names below one: greater than the first, less than the second."""
    return f"{name}/", f"{name}0"  # 0 comes right after /
