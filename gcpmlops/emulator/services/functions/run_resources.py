"""The Cloud Run service and revision behind a function, as Cloud Run's messages; the IAM policy of the service."""

from __future__ import annotations

import hashlib
from typing import Any

from google.cloud.functions_v2 import types
from google.cloud.run_v2 import types as run
from google.iam.v1 import policy_pb2

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.functions import naming

_LATEST = run.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
MANAGED = {"goog-managed-by": "cloudfunctions"}


class RunRows:
    """Rows of Cloud Run in the store."""

    def __init__(self, store: ResourceStore) -> None:
        self.services: Any = store.collection(run.Service)
        self.revisions: Any = store.collection(run.Revision)
        self.policies: Any = store.collection(policy_pb2.Policy)

    def policy(self, service: str) -> Any:
        """The service's IAM policy; an empty one where none was set."""
        found = self.policies.find(service) or policy_pb2.Policy()
        found.etag = hashlib.blake2b(_without_etag(found), digest_size=8).digest()
        return found

    def next_number(self, service: str) -> int:
        """The number of the next revision."""
        row = self.services.find(service)
        return (row.generation if row is not None else 0) + 1

    def delete(self, service: str) -> None:
        """The service with its revisions and policy."""
        if self.services.find(service) is not None:
            self.services.delete(service)
        if self.policies.find(service) is not None:
            self.policies.delete(service)
        self.revisions.delete_below(service)


def service_of(function: types.Function, revision: run.Revision, before: run.Service | None) -> run.Service:
    """The service of a function that was deployed as ``revision``."""
    name = naming.service_of(function.name)
    ready = run.Condition(type_="Ready", state=run.Condition.State.CONDITION_SUCCEEDED)
    ready.last_transition_time = revision.create_time
    parts = [run.Condition(ready) for _ in range(2)]
    parts[0].type_, parts[1].type_ = "RoutesReady", "ConfigurationsReady"
    service = run.Service(
        name=name,
        uid=before.uid if before else _uid(name, str(revision.create_time)),
        generation=revision.generation,
        labels={**function.labels, **MANAGED},
        create_time=before.create_time if before else revision.create_time,
        update_time=revision.create_time,
        ingress=run.IngressTraffic.INGRESS_TRAFFIC_ALL,
        launch_stage="GA",
        template=template_of(revision),
        traffic=[run.TrafficTarget(type_=_LATEST, percent=100)],
        urls=[naming.numbered_url(name), naming.service_url(name)],
        observed_generation=revision.generation,
        terminal_condition=ready,
        conditions=parts,
        latest_ready_revision=revision.name,
        latest_created_revision=revision.name,
        traffic_statuses=[run.TrafficTargetStatus(type_=_LATEST, percent=100)],
        uri=naming.service_url(name),
    )
    service.etag = _uid(name, str(revision.generation))[:12]
    return service


def revision_of(function: types.Function, number: int, when: Any) -> run.Revision:
    """The revision of a deployment."""
    config, service = function.service_config, naming.service_of(function.name)
    container = run.Container(
        name="worker",
        image=f"{names.location_of(service)}-docker.pkg.dev/{names.project_of(service)}/gcf-artifacts/"
        f"{service.rpartition('/')[2]}:version_{number}",
        env=[run.EnvVar(name=key, value=value) for key, value in config.environment_variables.items()],
        resources=run.ResourceRequirements(limits={"memory": config.available_memory, "cpu": config.available_cpu}),
        ports=[run.ContainerPort(name="http1", container_port=8080)],
    )
    ready = run.Condition(type_="Ready", state=run.Condition.State.CONDITION_SUCCEEDED, last_transition_time=when)
    name = f"{service}/revisions/{config.revision}"
    return run.Revision(
        name=name,
        uid=_uid(name, str(when)),
        generation=number,
        labels={**function.labels, **MANAGED},
        create_time=when,
        update_time=when,
        launch_stage="GA",
        service=service.rpartition("/")[2],
        scaling=run.RevisionScaling(
            min_instance_count=config.min_instance_count, max_instance_count=config.max_instance_count
        ),
        max_instance_request_concurrency=config.max_instance_request_concurrency,
        timeout=f"{config.timeout_seconds}s",
        service_account=config.service_account_email,
        containers=[container],
        conditions=[ready],
        observed_generation=number,
        etag=_uid(name, "etag")[:12],
    )


def template_of(revision: run.Revision) -> run.RevisionTemplate:
    """What a service shows of its newest revision."""
    return run.RevisionTemplate(
        revision=revision.name.rpartition("/")[2],
        labels=revision.labels,
        scaling=revision.scaling,
        timeout=revision.timeout,
        service_account=revision.service_account,
        containers=revision.containers,
        max_instance_request_concurrency=revision.max_instance_request_concurrency,
    )


def _uid(*parts: str) -> str:
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"


def _without_etag(policy: Any) -> bytes:
    copy = policy_pb2.Policy()
    copy.CopyFrom(policy)
    copy.ClearField("etag")
    return bytes(copy.SerializeToString(deterministic=True))
