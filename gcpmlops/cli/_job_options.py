"""The options that describe a training job, for `submit`, `run` and `preflight`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click

from gcpmlops.cli._options import labels, pairs

_POOL_KEYS = ("image", "module", "machine_type", "accelerator_type", "accelerator_count", "replica_count")


def pools(_ctx: click.Context, _param: click.Parameter, values: Sequence[str]) -> list[dict[str, Any] | None]:
    """Callback for --worker-pool KEY=VALUE,...: a dict each; None for `none`."""
    return [None if value == "none" else _pool(value) for value in values]


def _pool(value: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for part in filter(None, value.split(",")):
        key, equals, rest = part.partition("=")
        key = key.strip().replace("-", "_")
        if not equals or key not in _POOL_KEYS:
            raise click.BadParameter(f"{part!r} is not KEY=VALUE with one of {', '.join(_POOL_KEYS)}")
        if key.endswith("_count"):
            if not rest.isdigit():
                raise click.BadParameter(f"{key} is a number, not {rest!r}")
            found[key] = int(rest)
        else:
            found[key] = rest
    return found


_OPTIONS = [
    click.argument("source", required=False, type=click.Path()),
    click.argument("args", nargs=-1, type=click.UNPROCESSED),
    click.option("--name", "display_name", help="Display name; the source's name otherwise."),
    click.option("--image", help="Container image, or a prebuilt one's short name such as xgboost-cpu.2-1."),
    click.option("--module", help="Module to run, where several could be meant."),
    click.option("--command", "command_", multiple=True, help="Command of the image; may be repeated, once per word."),
    click.option(
        "--requirement", "requirements", multiple=True, help="Package, or path of a requirements.txt; may be repeated."
    ),
    click.option("--env", multiple=True, callback=pairs, metavar="KEY=VALUE", help="Variable; may be repeated."),
    click.option("--machine-type", default="n1-standard-4", show_default=True),
    click.option("--accelerator-type", help="Such as NVIDIA_TESLA_T4."),
    click.option("--accelerator-count", type=int, default=0),
    click.option("--boot-disk-gb", type=int, help="Size of the boot disk."),
    click.option("--check-machine/--no-check-machine", default=True, help="Whether machine types have to be known."),
    click.option("--replica-count", type=int, default=1, show_default=True),
    click.option(
        "--worker-pool", "worker_pools", multiple=True, callback=pools, metavar="KEY=VALUE,...",
        help=f"One pool of a distributed job; may be repeated. Keys: {', '.join(_POOL_KEYS)}. `none` is an empty pool.",
    ),
    labels,
    click.option("--service-account", help="Whom the job runs as."),
    click.option("--network", help="VPC network that it joins."),
    click.option("--staging-bucket", help="Where the code is put."),
    click.option("--output-dir", "base_output_dir", metavar="GS_URI", help="Where its output goes."),
    click.option("--timeout", type=float, help="Seconds after which the service stops the job."),
    click.option("--restart-on-failure", is_flag=True, help="Restart all workers when one restarts."),
    click.option("--disable-retries", is_flag=True, help="No restart after an error of the service's own."),
    click.option(
        "--strategy", type=click.Choice(["STANDARD", "SPOT", "FLEX_START"], case_sensitive=False),
        help="How machines are got; SPOT ones are cheaper and may be taken away.",
    ),
    click.option("--max-wait", type=float, help="Seconds that FLEX_START may wait for machines."),
    click.option("--tensorboard", help="Vertex AI TensorBoard that gets what it logs."),
    click.option("--experiment", help="Experiment that it belongs to."),
    click.option("--experiment-run", help="Run of that experiment."),
]  # fmt: skip


def job_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All of them, for a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def settings(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `client.training.submit`, the source among them."""
    from gcpmlops.training import WorkerPool

    found = {**given, "command": given["command_"]}
    del found["command_"]
    found["requirements"] = list(found["requirements"]) or None
    found["worker_pools"] = [pool if pool is None else WorkerPool(**pool) for pool in found["worker_pools"]]
    source = found["source"]
    if source is not None and found["image"] and (found["command"] or source.startswith("-")):
        # an image with its command: all of it is arguments
        found["args"], found["source"] = (source, *found["args"]), None
    return found
