"""The options that describe a search, for `tuning submit` and `tuning run`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from gcpmlops.cli import _job_options
from gcpmlops.cli._options import pairs
from gcpmlops.exceptions import InvalidArgument

_FORMS = "NAME=double:MIN:MAX[:SCALE], integer:MIN:MAX[:SCALE], discrete:A,B,...[:SCALE], categorical:A,B,..."


def params(_ctx: click.Context, _param: click.Parameter, given: Sequence[str]) -> dict[str, Any] | None:
    """Callback for --param: the search space, None where it was not given."""
    space: dict[str, Any] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if not equals or not name:
            raise click.BadParameter(f"{text!r} is not {_FORMS}")
        if name in space:
            raise click.BadParameter(f"{name} is given twice")
        space[name] = _parameter(name, rest)
    return space or None


def _parameter(name: str, text: str) -> Any:
    from gcpmlops import tuning

    kind, *parts = text.split(":")
    try:
        if kind in ("double", "integer") and len(parts) in (2, 3):
            low_high: Any = parts[:2]
            return (tuning.Double if kind == "double" else tuning.Integer)(*low_high, *_scale(parts[2:]))
        if kind == "discrete" and len(parts) in (1, 2):
            numbers: Any = parts[0].split(",")
            return tuning.Discrete(numbers, *_scale(parts[1:]))
        if kind == "categorical" and parts:
            return tuning.Categorical(":".join(parts).split(","))
    except InvalidArgument as exc:
        raise click.BadParameter(f"{name}: {exc}") from exc
    raise click.BadParameter(f"{name}={text} is not {_FORMS}")


def _scale(parts: Sequence[str]) -> Any:
    return tuple(parts)


_OPTIONS = [
    click.option("--config", type=click.Path(), help="YAML file of the search; a SOURCE of that kind is one, too."),
    click.option(
        "--param", "space", multiple=True, callback=params, metavar="NAME=KIND:...",
        help=f"A parameter; may be repeated. {_FORMS}. SCALE is linear, log or reverse_log.",
    ),
    click.option(
        "--metric", "metrics", multiple=True, callback=pairs, metavar="NAME=GOAL",
        help="maximize or minimize; may be repeated, the first decides which trial is best.",
    ),
    click.option("--max-trials", type=int, help="How many in all; 20 otherwise."),
    click.option("--parallel-trials", type=int, help="How many at a time; 1 otherwise."),
    click.option("--max-failed-trials", type=int, help="How many may fail; the service decides otherwise."),
    click.option("--algorithm", type=click.Choice(["bayesian", "grid", "random"]), help="bayesian otherwise."),
    click.option("--early-stopping", type=click.Choice(["median", "decay_curve"]), help="Rule that stops trials."),
    click.option("--early-stopping-by-time", is_flag=True, help="Compare trials by elapsed time, not by steps."),
    click.option("--measurement-selection", type=click.Choice(["best", "last"]), help="Which report counts."),
    click.option("--preflight/--no-preflight", default=True, help="Look for what would make the trials fail first."),
]  # fmt: skip


def search_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """All of them, and behind them those of the trials' jobs."""
    function = _job_options.job_options(function)
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def settings(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments of `client.tuning.submit`: what was said alone, for defaults would overrule a file."""
    context = click.get_current_context()
    search_names = {"config", "space", "metrics", "max_trials", "parallel_trials", "max_failed_trials", "algorithm",
                    "early_stopping", "early_stopping_by_time", "measurement_selection", "preflight"}  # fmt: skip
    if str(given["source"] or "").startswith("-") and given["config"]:
        # the file names the source: all of it is arguments
        given = {**given, "source": None, "args": (given["source"], *given["args"])}
    job = _job_options.settings({key: value for key, value in given.items() if key not in search_names})
    found = {**job, **{key: given[key] for key in search_names}}
    defaults = {
        key
        for key in given
        if key not in ("source", "args") and context.get_parameter_source(key) == ParameterSource.DEFAULT
    }
    if "command_" in defaults:
        defaults.add("command")
    chosen = {key: value for key, value in found.items() if key not in defaults and value is not None}
    source = chosen.get("source")
    if source is not None and "config" not in chosen and Path(source).suffix in (".yaml", ".yml"):
        chosen["config"] = chosen.pop("source")
    if not chosen.get("args"):
        chosen.pop("args", None)
    return chosen
