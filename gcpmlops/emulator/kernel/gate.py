"""What is asked before a call is answered: whether its API is enabled, whether the caller may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from gcpmlops.emulator.kernel.call import Call


@dataclass(frozen=True)
class Needed:
    """What a hand-declared REST call asks for.

    Attributes:
        permission: run.services.get; in it `{kind}` stands for that of the resource, such as pubsub.topics.
        resource: that it is asked on, a template of the path's variables.
    """

    permission: str
    resource: str


class Unasked(Enum):
    """Why the gate asks nothing about a hand-declared REST call."""

    FREE = "anybody with a token may"
    WITHIN = "what answers it asks itself"


@dataclass(frozen=True)
class Asked:
    """A call that is about to be answered.

    Attributes:
        call: who asks, and how.
        service: short name of the API's host: aiplatform, storage, bigquery, ...
        method: full name of the RPC, google.cloud.aiplatform.v1.JobService.CreateCustomJob; of a hand-declared REST
            call verb and template, GET /b/{bucket}.
        request: the RPC's request message; of a hand-declared REST call its path and query variables.
        needs: of a hand-declared REST call: what it asks for.
    """

    call: Call
    service: str
    method: str
    request: Any
    needs: Needed | Unasked | None = None


class Gate:
    """Checks that raise where the call must not go through; without any it is open."""

    def __init__(self) -> None:
        self.checks: list[Callable[[Asked], None]] = []

    def __call__(self, asked: Asked) -> None:
        """Raises: PermissionDenied."""
        for check in self.checks:
            check(asked)


@dataclass(frozen=True)
class Wanted:
    """What a call of a hand-written service (Storage, BigQuery, package hosts) asks for.

    Attributes:
        project: whose API it uses; empty where that is not known.
        pairs: permission and resource: projects/P, buckets/B/objects/O, projects/P/datasets/D/tables/T.
    """

    project: str
    pairs: tuple[tuple[str, str], ...]
