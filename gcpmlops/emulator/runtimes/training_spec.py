"""What a training job is told: worker pools, scheduling, where its output goes; and its replicas, one by one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

_VARIABLE = re.compile(r"\$(\$?)\(([A-Za-z_][A-Za-z0-9_]*)\)")


class State(Enum):
    """States of a job, as Vertex AI names them without the prefix."""

    QUEUED = "QUEUED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True)
class Pool:
    """One worker pool: a container's command, or a Python module of packages in Cloud Storage."""

    image: str
    replicas: int = 1
    command: Sequence[str] = ()
    args: Sequence[str] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    packages: Sequence[str] = ()  # gs:// URIs
    module: str = ""


@dataclass(frozen=True)
class TrainingSpec:
    """One job. An empty pool is None.

    Attributes:
        output_uri: gs://BUCKET/PREFIX, or empty.
        timeout_s: seconds that all its attempts may run, from the first process on; None is no limit.
        restart_on_failure: a replica that fails restarts the whole job (`restart_job_on_worker_restart`).
        retry: replicas that abort or crash (SIGABRT, SIGSEGV) restart the whole job.
        job_json: the job's specification as JSON, for CLUSTER_SPEC.
        variables: further ones for every replica; those of the pools come after them.
        account: the service account that it runs as.
    """

    job_id: str
    project_number: str
    location: str
    pools: Sequence[Pool | None]
    output_uri: str = ""
    timeout_s: float | None = None
    restart_on_failure: bool = False
    retry: bool = True
    trial_id: str = ""
    job_json: str = "{}"
    variables: Mapping[str, str] = field(default_factory=dict)
    account: str = ""


@dataclass(frozen=True)
class Replica:
    """One process of a job, named as Vertex AI does: `workerpool0-0`."""

    pool_index: int
    index: int
    pool: Pool = field(compare=False)

    @property
    def name(self) -> str:
        """The task name."""
        return f"workerpool{self.pool_index}-{self.index}"


def replicas(spec: TrainingSpec) -> list[Replica]:
    """All replicas, the primary first."""
    return [
        Replica(position, index, pool)
        for position, pool in enumerate(spec.pools)
        if pool is not None
        for index in range(pool.replicas)
    ]


def expand(text: str, known: Mapping[str, str]) -> str:
    """Resolves `$(NAME)` by known variables; unknown ones stay, and `$$(NAME)` is an escaped `$(NAME)`."""

    def value(found: re.Match[str]) -> str:
        if found[1]:
            return found[0][1:]
        return known.get(found[2], found[0])

    return _VARIABLE.sub(value, text)


def expand_all(env: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    """Variables in their order, each expanded by `known` and by those before it."""
    result: dict[str, str] = {}
    for name, text in env.items():
        result[name] = expand(text, {**known, **result})
    return result
