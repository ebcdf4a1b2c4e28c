"""The environment variables that Vertex AI gives to each replica of a training job.

https://cloud.google.com/vertex-ai/docs/training/code-requirements and .../training/distributed-training
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence

from gcpmlops.emulator.runtimes.training_spec import Replica, TrainingSpec, replicas

_TF_ROLES = ("chief", "worker", "ps", "evaluator")
_PYTORCH_IMAGE = re.compile(r"/training/pytorch-")


def variables(spec: TrainingSpec, replica: Replica, ports: Sequence[int]) -> dict[str, str]:
    """What this replica is given.

    `ports` are one free local port per replica, in the order of `replicas`: all hosts of the cluster are this machine.
    """
    everyone = replicas(spec)
    hosts = {other: f"127.0.0.1:{port}" for other, port in zip(everyone, ports, strict=True)}
    found = {
        "CLOUD_ML_JOB_ID": spec.job_id,
        "CLOUD_ML_PROJECT_ID": spec.project_number,
        "CLOUD_ML_REGION": spec.location,
        "CLOUD_ML_JOB": spec.job_json,
        "CLUSTER_SPEC": _cluster(spec, replica, hosts, lambda other: f"workerpool{other.pool_index}"),
        **_output_variables(spec.output_uri),
        **spec.variables,
    }
    if len(everyone) > 1:  # TF_CONFIG stands for a cluster: Vertex AI does not set it for a single replica
        found["TF_CONFIG"] = _cluster(spec, replica, hosts, _role, without="evaluator")
    if len(everyone) > 1 or _PYTORCH_IMAGE.search(replica.pool.image):  # torch.distributed's env:// initialisation
        address, port = hosts[everyone[0]].split(":")
        rank = str(everyone.index(replica))
        found |= {"MASTER_ADDR": address, "MASTER_PORT": port, "RANK": rank, "WORLD_SIZE": str(len(everyone))}
    return found


def _output_variables(output_uri: str) -> dict[str, str]:
    if not output_uri:
        return {}
    base = output_uri.rstrip("/")
    names = {"AIP_MODEL_DIR": "model", "AIP_CHECKPOINT_DIR": "checkpoints", "AIP_TENSORBOARD_LOG_DIR": "logs"}
    return {variable: f"{base}/{folder}/" for variable, folder in names.items()}


def _cluster(
    spec: TrainingSpec,
    replica: Replica,
    hosts: Mapping[Replica, str],
    kind: Callable[[Replica], str],
    without: str | None = None,
) -> str:
    """The whole cluster by kind of task, and which task this is; evaluators are not part of TensorFlow's cluster."""
    cluster: dict[str, list[str]] = {}
    for other, host in hosts.items():
        if kind(other) != without:
            cluster.setdefault(kind(other), []).append(host)
    task: dict[str, str | int] = {"type": kind(replica), "index": replica.index}
    if spec.trial_id:
        task["trial"] = spec.trial_id
    return json.dumps({"cluster": cluster, "environment": "cloud", "task": task, "job": json.loads(spec.job_json)})


def _role(replica: Replica) -> str:
    return _TF_ROLES[replica.pool_index]
