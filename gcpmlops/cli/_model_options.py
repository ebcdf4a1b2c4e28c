"""What the commands of `gcpmlops models` share: options, and what is shown of a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from gcpmlops.cli._options import pairs

STAGES = ("staging", "production", "archived", "champion", "challenger")
F = TypeVar("F", bound=Callable[..., Any])


def model(it: Any) -> dict[str, Any]:
    """A row for a version."""
    return {
        "id": it.id,
        "display_name": it.display_name,
        "version": it.version_id,
        "aliases": it.aliases,
        "stages": it.stages,
        "updated": it.proto.update_time,
    }


def whole(it: Any) -> dict[str, Any]:
    """A version by itself."""
    shown = {**model(it), "name": it.versioned_name, "artifact_uri": it.artifact_uri, "image": it.image}
    return shown | ({"serving_check": str(it.check)} if it.check else {})


def check(it: Any) -> dict[str, Any]:
    """All that a serving check found."""
    return {
        "ok": it.ok,
        "stage": it.stage,
        "error": it.error,
        "image": it.image,
        "samples": it.samples,
        "boot_seconds": it.boot_seconds,
        "predict_seconds": it.predict_seconds,
        "memory_mib": it.memory_mib,
        "predictions": it.predictions,
        "log_tail": it.log_tail,
    }


def summary(result: Any) -> dict[str, Any]:
    """Only what says something, for people."""
    return {key: value for key, value in check(result).items() if key != "log_tail" and value not in ("", (), None)}


def server(function: F) -> F:
    """How the model is served, its samples, and the limits of the serving check."""
    for option in reversed(_SERVER):
        option(function)
    return function


def origin(function: F) -> F:
    """--job and --data, the second repeated."""
    job = click.option("--job", help="Training job that made it: id or full name.")
    data = "What it was trained on: gs:// files, a BigQuery table, a dataset; may be repeated."
    return job(click.option("--data", multiple=True, help=data)(function))


_SERVER: list[Callable[[F], F]] = [
    click.option("--framework", help="sklearn, xgboost, tensorflow or pytorch; follows from the files."),
    click.option("--framework-version", help="MAJOR.MINOR, such as 1.6."),
    click.option("--image", help="Container image that serves it."),
    click.option(
        "--env", multiple=True, callback=pairs, metavar="KEY=VALUE", help="Variable of the server; may be repeated."
    ),
    click.option("--predict-route", help="The container's path for predictions."),
    click.option("--health-route", help="The container's path for health."),
    click.option("--port", type=int, help="The container's port."),
    click.option("--samples", type=click.Path(), help="JSON or JSONL file of instances that it can predict."),
    click.option("--max-latency", type=float, help="Seconds that the serving check allows a request."),
    click.option("--max-memory", type=float, help="MiB that the serving check allows the server."),
]


def transition(it: Any) -> dict[str, Any]:
    """A row for a move between stages."""
    return {
        "when": it.when,
        "version": it.version,
        "from": it.from_stage,
        "to": it.to_stage,
        "instead_of": it.previous_version,
        "who": it.who,
        "reason": it.reason if it.complete else f"(not complete) {it.reason}",
    }


def evaluation(it: Any) -> dict[str, Any]:
    """A row for an evaluation."""
    return {
        "id": it.id,
        "display_name": it.display_name,
        "created": it.created,
        "kind": it.kind,
        "rows": it.rows,
        "passed": it.passed,
        "report": it.report,
    }


def evaluation_whole(it: Any) -> dict[str, Any]:
    """An evaluation by itself, with its numbers."""
    numbers = {name: value for name, value in it.metrics.items() if isinstance(value, float)}
    return {**evaluation(it), "card": it.card, **numbers}
