"""`gcpmlops experiments`."""

from __future__ import annotations

from typing import Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, labels


@click.group()
def experiments() -> None:
    """Experiments of Vertex AI: runs, metrics, comparisons."""


def _experiment(experiment: Any) -> dict[str, Any]:
    return {"name": experiment.name, "description": experiment.description, "created": experiment.created}


def _whole(experiment: Any) -> dict[str, Any]:
    shown = {"resource_name": experiment.resource_name, "labels": experiment.labels}
    return {**_experiment(experiment), **shown, "tensorboard": experiment.tensorboard}


def _run(run: Any) -> dict[str, Any]:
    shown = {"name": run.name, "state": run.state, "params": run.params, "metrics": run.metrics}
    return {**shown, "created": run.created}


def _whole_run(run: Any) -> dict[str, Any]:
    series = {name: f"{len(points)} points, last {points[-1].value:.6g}" for name, points in run.time_series.items()}
    artifacts = {artifact.name: artifact.uri for artifact in run.artifacts}
    return {**_run(run), "time_series": series, "artifacts": artifacts, "resource_name": run.resource_name}


_EXPERIMENT = click.argument("experiment")
_RUN = click.argument("run")


@command(experiments, "create", changes=True, example="gcpmlops experiments create flights --description 'late or not'")
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@labels
def create(call: Call, name: str, **given: Any) -> None:
    """Make an experiment."""
    call.show(call.change("MetadataService.CreateContext", "experiments.create", name, **given), _whole)


@command(experiments, "list", example="gcpmlops experiments list --filter 'display_name=\"flights\"'")
@click.option("--filter", "filter_", help="As in the API.")
def list_(call: Call, filter_: str | None) -> None:
    """List the experiments."""
    call.show_all(call.read("experiments.list", filter=filter_), _experiment, what="experiments")


@command(experiments, "runs", example="gcpmlops experiments runs flights")
@_EXPERIMENT
@click.option("--filter", "filter_", help="As in the API.")
def runs(call: Call, experiment: str, filter_: str | None) -> None:
    """List an experiment's runs, the newest first."""
    call.show_all(call.read("experiments.runs", experiment, filter=filter_), _run, what="runs")


@command(experiments, "show", example="gcpmlops experiments show flights deep-trees")
@_EXPERIMENT
@click.argument("run", required=False)
def show(call: Call, experiment: str, run: str | None) -> None:
    """Show an experiment, or one of its runs with its time series and artifacts."""
    if run is None:
        call.show(call.read("experiments.get", experiment), _whole)
    else:
        call.show(call.read("experiments.get_run", experiment, run), _whole_run)


_RUNS = click.option("--run", "runs", multiple=True, help="Only these; may be repeated.")
_METRICS = click.option("--metric", "metrics", multiple=True, help="Only these; may be repeated.")


@command(experiments, "compare", example="gcpmlops experiments compare flights --metric auc")
@_EXPERIMENT
@_RUNS
@_METRICS
@click.option("--time-series/--no-time-series", default=True, help="Whether to read what was logged by step.")
def compare(call: Call, experiment: str, **given: Any) -> None:
    """Show runs side by side: parameters, metrics, the last value of each time series."""
    comparison = call.read("experiments.compare", experiment, **given)
    rows = comparison.rows()
    if call.format != "table":
        _output.show_data(rows, call.format)
        return
    columns = dict.fromkeys(name for row in rows for name in row if name not in ("experiment_name", "run_type"))
    _output.show_table([{name: row.get(name) for name in columns} for row in rows], empty="No runs.")


@command(experiments, "plot", example="gcpmlops experiments plot flights --metric auc --output flights.html")
@_EXPERIMENT
@_RUNS
@_METRICS
@click.option("--output", type=click.Path(dir_okay=False), help="HTML file; the experiment's name otherwise.")
def plot(call: Call, experiment: str, output: str | None, **given: Any) -> None:
    """Write one HTML file with the runs' picture and table."""
    comparison = call.read("experiments.compare", experiment, **given)
    click.echo(comparison.report(output or f"{comparison.experiment}.html"))


@command(experiments, "delete", changes=True, example="gcpmlops experiments delete flights")
@click.argument("name")
def delete(call: Call, name: str) -> None:
    """Delete an experiment, its runs and their time series; artifacts stay."""
    call.change("MetadataService.DeleteContext", "experiments.delete", name)
    call.say(f"Deleted {name}.")


@command(experiments, "delete-run", changes=True, example="gcpmlops experiments delete-run flights deep-trees")
@_EXPERIMENT
@_RUN
def delete_run(call: Call, experiment: str, run: str) -> None:
    """Delete a run and its time series; artifacts stay."""
    call.change("MetadataService.DeleteContext", "experiments.delete_run", experiment, run)
    call.say(f"Deleted {run} of {experiment}.")
