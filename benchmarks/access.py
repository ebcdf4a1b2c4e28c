"""What asking for roles costs: the same calls to an emulator with `--enforce-iam` and to one without."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

from benchmarks._measure import Line, seconds
from benchmarks._servers import PROJECT, Server, emulator, library_client

_CALLS = 25  # in a row, before it is the other side's turn
_ROUNDS = 40
_PARENT = f"projects/{PROJECT}/locations/us-central1"
_BUCKET, _OBJECT = "benchmark-access", "small"
_ACCOUNT = "caller"
_ROLES = ("roles/aiplatform.user", "roles/storage.objectViewer")  # on the project, and what the calls need


def lines() -> Iterator[Line]:
    with ExitStack() as stack:
        enforcing = _calls(stack.enter_context(emulator("--enforce-iam")))
        plain = _calls(stack.enter_context(emulator()))
        for name in enforcing:
            asked, unasked = _paired(enforcing[name], plain[name])
            yield Line(f"{name}, roles asked for", asked * 1e3, unasked * 1e3, "ms", 1.1, peer_name="without")


def _paired(asked: Callable[[], object], unasked: Callable[[], object]) -> tuple[float, float]:
    """Medians of a call's time; the sides take turns in going first, so that noise hits both alike."""
    taken: tuple[list[float], list[float]] = ([], [])
    sides = list(zip((asked, unasked), taken, strict=True))
    for number in range(_ROUNDS + 1):
        for call, times in sides if number % 2 else reversed(sides):
            found = [seconds(call) for _ in range(_CALLS)]
            if number:  # the first round warms up
                times += found
    return statistics.median(taken[0]), statistics.median(taken[1])


def _calls(server: Server) -> dict[str, Callable[[], object]]:
    """By an account that has a role on the project, not by the owner of everything."""
    owner = library_client(server)
    owner.storage.create_bucket(_BUCKET)
    owner.storage.upload(b"1" * 1024, destination=f"gs://{_BUCKET}/{_OBJECT}")
    member = _account(owner.clients, server)
    policy = owner.clients.projects.get_iam_policy(request={"resource": f"projects/{PROJECT}"})
    for role in _ROLES:
        policy.bindings.add(role=role, members=[f"serviceAccount:{member}"])
    owner.clients.projects.set_iam_policy(request={"resource": f"projects/{PROJECT}", "policy": policy})
    clients = library_client(server, credentials_file=str(server.data_dir / "caller.json")).clients
    job = _job(owner.clients)
    blob = clients.storage.bucket(_BUCKET).blob(_OBJECT)
    return {
        "GetCustomJob": partial(clients.jobs.get_custom_job, name=job),
        "an object of 1 KiB read": blob.download_as_bytes,
    }


def _account(clients: Any, server: Server) -> str:
    """A service account with a key file in the emulator's folder."""
    made = clients.iam.create_service_account(request={"name": f"projects/{PROJECT}", "account_id": _ACCOUNT})
    key = clients.iam.create_service_account_key(request={"name": made.name})
    (server.data_dir / "caller.json").write_bytes(key.private_key_data)
    return str(made.email)


def _job(clients: Any) -> str:
    container = {"image_uri": "python:3.11", "command": ["python", "-c", "pass"]}
    pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}
    job = {"display_name": "benchmark", "job_spec": {"worker_pool_specs": [pool]}}
    return str(clients.jobs.create_custom_job(parent=_PARENT, custom_job=job).name)
