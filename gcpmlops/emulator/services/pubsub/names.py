"""Names and numbers of Pub/Sub: resource names, message numbers, acknowledgement ids."""

from __future__ import annotations

import re
from typing import NamedTuple

from google.api_core import exceptions

DELETED_TOPIC = "_deleted-topic_"
MAX_MESSAGES = 1000  # of one publish call
_SHIFT = 10  # 2**10 messages of a batch at most
_ID = r"(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}"
_NAMES = {kind: re.compile(rf"projects/[^/]+/{kind}/{_ID}") for kind in ("topics", "subscriptions", "snapshots")}
_NAMES["schemas"] = re.compile(rf"projects/[^/]+/schemas/{_ID}")


class AckId(NamedTuple):
    """What an acknowledgement names: a message, and which delivery of it."""

    message: int
    token: int

    def __str__(self) -> str:
        return f"{self.message:x}-{self.token:x}"


def check(kind: str, name: str) -> str:
    """A name that a new resource may bear.

    Raises: InvalidArgument.
    """
    if not _NAMES[kind].fullmatch(name):
        raise exceptions.InvalidArgument(
            f"Invalid [{kind}] name: (name={name}): expected projects/P/{kind}/ID; an ID has 3 to 255 letters, digits "
            "or -_.~+%, starts with a letter and not with goog."
        )
    return name


def not_found(name: str) -> exceptions.NotFound:
    """What a missing resource's call raises."""
    return exceptions.NotFound(f"Resource not found (resource={name.rpartition('/')[2]}): {name} does not exist.")


def message_number(batch: int, index: int) -> int:
    """A message's id: its batch, and its place in it."""
    return batch << _SHIFT | index


def place_of(number: int) -> tuple[int, int]:
    """Batch and index of a message."""
    return number >> _SHIFT, number & ((1 << _SHIFT) - 1)


def parse_ack_id(text: str) -> AckId:
    """Raises: InvalidArgument."""
    message, _, token = text.partition("-")
    try:
        return AckId(int(message, 16), int(token, 16))
    except ValueError:
        raise exceptions.InvalidArgument(f"You have passed an invalid ack ID to the service (ack_id={text}).") from None
