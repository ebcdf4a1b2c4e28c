"""What a training job is told: worker pools, and the environment variables that Vertex AI gives to each replica."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

_VARIABLE = re.compile(r"\$(\$?)\(([A-Za-z_][A-Za-z0-9_]*)\)")
_TF_ROLES = ("chief", "worker", "ps", "evaluator")


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
    """One job. `output_uri` is gs://BUCKET/PREFIX or empty; an empty pool is None; `timeout_s` in seconds."""

    job_id: str
    project_number: str
    location: str
    pools: Sequence[Pool | None]
    output_uri: str = ""
    timeout_s: float | None = None
    job_json: str = "{}"


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


def variables(spec: TrainingSpec, replica: Replica, ports: Sequence[int]) -> dict[str, str]:
    """Variables that Vertex AI sets (https://cloud.google.com/vertex-ai/docs/training/code-requirements).

    `ports` are one free local port per replica, in the order of `replicas`.
    """
    everyone = replicas(spec)
    hosts = {other: f"127.0.0.1:{port}" for other, port in zip(everyone, ports, strict=True)}
    found = {
        "CLOUD_ML_JOB_ID": spec.job_id,
        "CLOUD_ML_PROJECT_ID": spec.project_number,
        "CLOUD_ML_REGION": spec.location,
        "CLOUD_ML_JOB": spec.job_json,
        "CLUSTER_SPEC": _cluster_spec(spec, replica, hosts),
        "TF_CONFIG": _tf_config(spec, replica, hosts),
        **_output_variables(spec.output_uri),
    }
    if len(everyone) > 1:  # torch.distributed
        master, port = hosts[everyone[0]].split(":")
        rank = everyone.index(replica)
        found |= {"MASTER_ADDR": master, "MASTER_PORT": port, "RANK": str(rank), "WORLD_SIZE": str(len(everyone))}
    return found


def _output_variables(output_uri: str) -> dict[str, str]:
    if not output_uri:
        return {}
    base = output_uri.rstrip("/")
    names = {"AIP_MODEL_DIR": "model", "AIP_CHECKPOINT_DIR": "checkpoints", "AIP_TENSORBOARD_LOG_DIR": "logs"}
    return {variable: f"{base}/{folder}/" for variable, folder in names.items()}


def _cluster_spec(spec: TrainingSpec, replica: Replica, hosts: Mapping[Replica, str]) -> str:
    cluster: dict[str, list[str]] = {}
    for other, host in hosts.items():
        cluster.setdefault(f"workerpool{other.pool_index}", []).append(host)
    task = {"type": f"workerpool{replica.pool_index}", "index": replica.index}
    return json.dumps({"cluster": cluster, "environment": "cloud", "task": task, "job": spec.job_json})


def _tf_config(spec: TrainingSpec, replica: Replica, hosts: Mapping[Replica, str]) -> str:
    cluster: dict[str, list[str]] = {}
    for other, host in hosts.items():
        cluster.setdefault(_role(other), []).append(host)
    task = {"type": _role(replica), "index": replica.index}
    return json.dumps({"cluster": cluster, "environment": "cloud", "task": task, "job": spec.job_json})


def _role(replica: Replica) -> str:
    return _TF_ROLES[min(replica.pool_index, len(_TF_ROLES) - 1)]


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
