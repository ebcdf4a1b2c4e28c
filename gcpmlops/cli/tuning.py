"""`gcpmlops tuning`."""

from __future__ import annotations

from typing import Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command
from gcpmlops.cli._tuning_options import search_options, settings
from gcpmlops.cli._tuning_progress import TuningProgress


@click.group()
def tuning() -> None:
    """Hyperparameter tuning jobs of Vertex AI."""


def _job(job: Any) -> dict[str, Any]:
    trials = job.trials
    return {
        "id": job.id,
        "display_name": job.display_name,
        "state": job.state.name,
        "trials": f"{len(trials.ended())}/{job.proto.max_trial_count}",
        "created": job.created,
    }


def _whole(job: Any) -> dict[str, Any]:
    best = job.trials.best()
    found = {**_job(job), "name": job.name, "metrics": job.goals, "best": best, "output_dir": job.output_dir}
    return {**found, "error": job.proto.error.message}


def _trial(trial: Any) -> dict[str, Any]:
    duration = None if trial.duration is None else f"{trial.duration:.1f} s"
    metrics = {name: f"{value:.6g}" for name, value in trial.metrics.items()}
    found = {"trial": trial.id, "state": trial.state.name, "metrics": metrics, "parameters": trial.parameters}
    return {**found, "duration": duration, "reason": trial.reason}


def _show_job(call: Call, job: Any) -> None:
    """A dry run's request is shown whole, in YAML where a table was asked for."""
    if call.dry_run:
        _output.show_data(_output.resource(job, _job), "yaml" if call.format == "table" else call.format)
    else:
        call.show(job, _whole)


def _submit(call: Call, given: dict[str, Any]) -> Any:
    chosen = settings(given)
    return call.client.tuning.submit(chosen.pop("source", None), **chosen, dry_run=call.dry_run)


_EXAMPLE = """gcpmlops tuning {0} search.yaml --max-trials 10
gcpmlops tuning {0} train.py --metric auc=maximize --param rate=double:1e-4:0.3:log --param depth=integer:2:10"""


@command(tuning, "submit", changes=True, example=_EXAMPLE.format("submit"))
@search_options
def submit(call: Call, **given: Any) -> None:
    """Start a search from a YAML file or options, which win, and return at once.

    SOURCE is that file, or what each trial runs, as in `gcpmlops training submit`. What follows -- are the program's
    own arguments. --dry-run shows the exact request, and sends nothing.
    """
    _show_job(call, _submit(call, given))


@command(tuning, "run", changes=True, example=_EXAMPLE.format("run"))
@search_options
def run(call: Call, **given: Any) -> None:
    """Start a search, show its trials as they end, and wait for its end; exit with 1 if it fails."""
    job = _submit(call, given)
    if not call.dry_run:
        call.say(f"Submitted {job.name}")
        with TuningProgress() as progress:
            job = job.wait(on_trial=progress.trial, on_job=progress.job)
    _show_job(call, job)


@command(tuning, "get", example="gcpmlops tuning get 1234567890 --format yaml")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show a search."""
    call.show(call.read("tuning.get", name), _whole)


@command(tuning, "list", example="gcpmlops tuning list --filter 'state=\"JOB_STATE_RUNNING\"'")
@click.option("--filter", "filter_", help="As in the API.")
@click.option("--limit", type=int, help="At most so many.")
def list_(call: Call, filter_: str | None, limit: int | None) -> None:
    """List searches, the newest first."""
    call.show_all(call.read("tuning.list", filter=filter_, limit=limit), _job, what="tuning jobs")


@command(tuning, "wait", example="gcpmlops tuning wait 1234567890 --timeout 600")
@click.argument("name")
@click.option("--timeout", type=float, help="Seconds.")
def wait(call: Call, name: str, timeout: float | None) -> None:
    """Wait for a search's end, showing its trials; exit with 1 if it fails."""
    with TuningProgress() as progress:
        job = call.read("tuning.wait", name, timeout=timeout, on_trial=progress.trial, on_job=progress.job)
    call.show(job, _whole)


@command(tuning, "trials", example="gcpmlops tuning trials 1234567890 --format json")
@click.argument("name")
def trials(call: Call, name: str) -> None:
    """List a search's trials."""
    call.show_all(call.read("tuning.trials", name), _trial, what="trials")


@command(tuning, "best", example="gcpmlops tuning best 1234567890 --metric auc")
@click.argument("name")
@click.option("--metric", help="By which; the search's first otherwise.")
def best(call: Call, name: str, metric: str | None) -> None:
    """Show a search's best trial so far."""
    call.show(call.read("tuning.best", name, metric=metric), _trial)


@command(tuning, "logs", example="gcpmlops tuning logs 1234567890 --trial 3")
@click.argument("name")
@click.option("--trial", help="Only this one's.")
@click.option("--follow", is_flag=True, help="Until the search ends.")
def logs(call: Call, name: str, trial: str | None, follow: bool) -> None:
    """Show the log of a search's trials."""
    lines = call.read("tuning.logs", name, trial=trial, follow=follow)
    if call.format == "table":
        for line in lines:
            click.echo(line.text)
    else:
        rows = [{"time": line.time, "severity": line.severity, "text": line.text, "task": line.task} for line in lines]
        _output.show_data(rows, call.format)


@command(tuning, "plot", example="gcpmlops tuning plot 1234567890 --output search.html")
@click.argument("name")
@click.option("--output", type=click.Path(dir_okay=False), help="HTML file; the search's name otherwise.")
@click.option("--metric", help="Of which; the search's first otherwise.")
def plot(call: Call, name: str, output: str | None, metric: str | None) -> None:
    """Write one HTML file with a search's history, parallel coordinates, importances and trials."""
    from gcpmlops._plots import slug

    job = call.read("tuning.get", name)
    path = job.report(output or f"{slug(job.display_name)}.html", metric=metric)
    click.echo(path)


@command(tuning, "cancel", changes=True, example="gcpmlops tuning cancel 1234567890")
@click.argument("name")
def cancel(call: Call, name: str) -> None:
    """Ask a search and its trials to stop."""
    call.change("JobService.CancelHyperparameterTuningJob", "tuning.cancel", name)
    call.say(f"{name} is being cancelled.")


@command(tuning, "delete", changes=True, example="gcpmlops tuning delete 1234567890")
@click.argument("name")
def delete(call: Call, name: str) -> None:
    """Delete a search that has ended."""
    call.change("JobService.DeleteHyperparameterTuningJob", "tuning.delete", name)
    call.say(f"Deleted {name}.")
