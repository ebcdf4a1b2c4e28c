"""Options of a deployment's strategy, and the strategy that they make."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from gcpmlops._endpoints.strategies import BlueGreen, Canary

F = TypeVar("F", bound=Callable[..., Any])

_QUALITY = {"quality_query": "query", "quality_minimum": "minimum", "quality_maximum": "maximum"}
_CANARY, _BLUE_GREEN = ("steps",), ("preview",)


def _steps(_ctx: click.Context, _param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    try:
        return tuple(int(each.strip().removesuffix("%")) for each in value.split(",")) if value else None
    except ValueError as exc:
        raise click.BadParameter(f"{value!r} is not a list of per cents, such as 5,25,100") from exc


def _share(_ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    if value == "none":  # no limit
        return 1.0 if param.name == "max_error_rate" else float("inf")
    try:
        return float(value.removesuffix("%")) / 100 if value.endswith("%") else float(value)
    except ValueError as exc:
        raise click.BadParameter(f"{value!r} is not a share, such as 0.01 or 1%") from exc


def _keep(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    return None if value == "forever" else value


_OPTIONS = [
    click.option(
        "--strategy",
        type=click.Choice(["all", "blue-green", "canary"]),
        default="all",
        show_default=True,
        help="All at once; tested and then switched; or by steps that are watched.",
    ),
    click.option("--steps", callback=_steps, help="Canary: per cent of the traffic, step by step; 5,25,100."),
    click.option("--preview/--no-preview", default=None, help="Blue/green: try the stored samples elsewhere first."),
    click.option("--bake", metavar="DURATION", help="How long a step is watched at least, such as 10m."),
    click.option("--settle", metavar="DURATION", help="How late Cloud Monitoring may be at most; 3m."),
    click.option("--patience", metavar="DURATION", help="How long a step waits for more requests; 30m."),
    click.option("--min-requests", type=int, help="A step needs so many requests of the new model; 50."),
    click.option("--max-error-rate", callback=_share, metavar="SHARE", help="Share that may fail, or none; 1%."),
    click.option("--max-latency-p95", type=float, metavar="SECONDS", help="Limit of the 95th percentile."),
    click.option(
        "--tolerance", callback=_share, metavar="SHARE", help="How much worse than the old model, or none; 50%."
    ),
    click.option("--quality-query", metavar="SQL", help="One number, with @deployed_model_id, @start, @end."),
    click.option("--quality-minimum", type=float, help="Least that the query may give."),
    click.option("--quality-maximum", type=float, help="Most that the query may give."),
    click.option("--probes", is_flag=True, default=None, help="Send the stored samples while requests are few."),
    click.option("--keep", callback=_keep, metavar="DURATION", help="How long the old one stays for a rollback."),
    click.option("--keep-failed", is_flag=True, help="Leave a model that failed deployed, without traffic."),
]


def rollout_options(function: F) -> F:
    """All of them."""
    for option in reversed(_OPTIONS):
        option(function)
    return function


def strategy_of(given: dict[str, Any]) -> Canary | BlueGreen | None:
    """Takes its options out of what was given, and makes the strategy; None: all at once. Raises UsageError."""
    name = given.pop("strategy")
    keys = ("steps", "preview", "bake", "settle", "patience", "min_requests", "max_error_rate", "max_latency_p95")
    more = ("tolerance", "probes", "keep")
    chosen = {key: given.pop(key) for key in (*keys, *more)}
    chosen = {key: value for key, value in chosen.items() if value is not None}
    quality = {field: given.pop(key) for key, field in _QUALITY.items()}
    quality = {key: value for key, value in quality.items() if value is not None}
    if given.pop("keep_failed"):
        chosen["on_failure"] = "keep"
    wrong = {"all": [*chosen, *quality], "canary": _BLUE_GREEN, "blue-green": _CANARY}[name]
    if not_its := [key for key in wrong if key in chosen or key in quality]:
        options = ", ".join(f"--{key.replace('_', '-')}" for key in not_its)
        raise click.UsageError(f"{options}: not an option of --strategy {name}")
    return _made(name, chosen, quality)


def _made(name: str, chosen: dict[str, Any], quality: dict[str, Any]) -> Canary | BlueGreen | None:
    if name == "all":
        return None
    from gcpmlops._endpoints.strategies import BlueGreen, Canary, Quality

    if quality:
        chosen["quality"] = Quality(**quality)
    return Canary(**chosen) if name == "canary" else BlueGreen(**chosen)
