"""Calls per second of one sequential client: a Vertex AI job read over gRPC, a SageMaker model read from moto."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from benchmarks._measure import Line, seconds
from benchmarks._servers import PROJECT, Server, answered, emulator, moto

_CALLS = 50  # in a row, before it is the other side's turn
_ROUNDS = 24
_PARENT = f"projects/{PROJECT}/locations/us-central1"


def lines() -> Iterator[Line]:
    with emulator() as ours, moto() as theirs:
        answered(theirs).close()
        plain, proxied = _clients(ours)
        name = _job(plain, ours)
        sides: dict[str, Callable[[], object]] = {
            "plain": partial(plain.get_custom_job, name=name, metadata=_metadata(ours)),
            "proxied": partial(proxied.get_custom_job, name=name, metadata=_metadata(ours)),
            "moto": _describe(theirs),
        }
        rates, p50 = _measured(sides)
    for side, where in (("plain", "plaintext gRPC"), ("proxied", "through the proxy")):
        yield Line(f"GetCustomJob, official client, {where}", rates[side], rates["moto"], "calls/s",
                   4 if side == "plain" else None, True, "moto_server, describe_model through boto3")  # fmt: skip
    proxied, plain_ms = p50["proxied"] * 1e3, p50["plain"] * 1e3
    yield Line("GetCustomJob p50, through the proxy", proxied, plain_ms, "ms", None, peer_name="ours, plaintext")


def _measured(sides: dict[str, Callable[[], object]]) -> tuple[dict[str, float], dict[str, float]]:
    taken: dict[str, list[list[float]]] = {name: [] for name in sides}
    for number in range(_ROUNDS + 1):
        for name, call in sides.items():
            times = [seconds(call) for _ in range(_CALLS)]
            if number:  # the first round warms up
                taken[name].append(times)
    rates = {name: statistics.median(_CALLS / sum(times) for times in rounds) for name, rounds in taken.items()}
    p50 = {name: statistics.median(time for times in rounds for time in times) for name, rounds in taken.items()}
    return rates, p50


def _clients(server: Server) -> tuple[Any, Any]:
    """Google's own JobServiceClient, to the plain port and through the proxy."""
    import grpc
    from google.cloud.aiplatform_v1.services.job_service import JobServiceClient
    from google.cloud.aiplatform_v1.services.job_service.transports import JobServiceGrpcTransport

    server.token  # noqa: B018 - waits until its certificates are written
    roots = grpc.ssl_channel_credentials((server.data_dir / "bundle.pem").read_bytes())
    proxy = [("grpc.http_proxy", f"http://127.0.0.1:{server.port}")]
    channels = (
        grpc.insecure_channel(f"127.0.0.1:{server.port}"),
        grpc.secure_channel("us-central1-aiplatform.googleapis.com:443", roots, options=proxy),
    )
    plain, proxied = (JobServiceClient(transport=JobServiceGrpcTransport(channel=channel)) for channel in channels)
    return plain, proxied


def _metadata(server: Server) -> list[tuple[str, str]]:
    return [("authorization", f"Bearer {server.token}")]


def _job(client: Any, server: Server) -> str:
    """A job that has run and ended."""
    container = {"image_uri": "python:3.11", "command": ["python", "-c", "pass"]}
    pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1, "container_spec": container}
    job = {"display_name": "benchmark", "job_spec": {"worker_pool_specs": [pool]}}
    made = client.create_custom_job(parent=_PARENT, custom_job=job, metadata=_metadata(server))
    while client.get_custom_job(name=made.name, metadata=_metadata(server)).end_time is None:
        time.sleep(0.05)
    return str(made.name)


def _describe(server: Server) -> Callable[[], object]:
    import boto3

    sagemaker = boto3.client(
        "sagemaker", endpoint_url=f"http://127.0.0.1:{server.port}", region_name="us-east-1",
        aws_access_key_id="key", aws_secret_access_key="secret",
    )  # fmt: skip
    image = {"Image": "123456789012.dkr.ecr.us-east-1.amazonaws.com/model:1"}
    role = "arn:aws:iam::123456789012:role/model"
    sagemaker.create_model(ModelName="benchmark", ExecutionRoleArn=role, PrimaryContainer=image)
    return partial(sagemaker.describe_model, ModelName="benchmark")
