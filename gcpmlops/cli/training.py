"""`gcpmlops training`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._job_options import job_options, settings
from gcpmlops.cli._options import Call, command
from gcpmlops.cli._progress import JobProgress


@click.group()
def training() -> None:
    """Custom training jobs of Vertex AI."""


def _job(job: Any) -> dict[str, Any]:
    return {"id": job.id, "display_name": job.display_name, "state": job.state.name, "created": job.created}


def _whole(job: Any) -> dict[str, Any]:
    return {**_job(job), "name": job.name, "output_dir": job.output_dir, "error": job.proto.error.message}


_PREFLIGHT = click.option(
    "--preflight/--no-preflight", default=True, help="Look for what would make the job fail first."
)


def _submit(call: Call, given: dict[str, Any]) -> Any:
    chosen = settings(given)
    return call.client.training.submit(chosen.pop("source"), **chosen, dry_run=call.dry_run)


@command(
    training,
    "submit",
    changes=True,
    example="""gcpmlops training submit train.py --requirement pandas -- --rows=1000
gcpmlops training submit --image python:3.11 --command python --command -V""",
)
@job_options
@_PREFLIGHT
def submit(call: Call, **given: Any) -> None:
    """Start a job from a script, a folder, a package or an image, and return at once.

    What follows -- are the program's own arguments. --dry-run shows the exact request, and sends nothing.
    """
    _show_job(call, _submit(call, given))


@command(training, "run", changes=True, example="gcpmlops training run train.py --requirement pandas -- --rows=1000")
@job_options
@_PREFLIGHT
def run(call: Call, **given: Any) -> None:
    """Start a job, show its log, and wait for its end; exit with 1 if it fails."""
    job = _submit(call, given)
    if not call.dry_run:
        call.say(f"Submitted {job.name}")
        with JobProgress() as progress:
            job = job.wait(on_log=progress.log, on_state=progress.state)
    _show_job(call, job)


@command(training, "preflight", example="gcpmlops training preflight train.py --image xgboost-cpu.2-1 -- --rows=1000")
@job_options
def preflight(call: Call, **given: Any) -> None:
    """Look for what would make a job fail, without starting it; exit with 1 if there is anything.

    Imports that image and requirements lack, gs:// inputs that are not there, arguments that the script refuses.
    """
    chosen = settings(given)
    problems = call.read("training.preflight", chosen.pop("source"), **chosen)
    call.show_all(problems, asdict, what="problems")
    if problems:
        click.get_current_context().exit(1)


@command(training, "machines", example="gcpmlops training machines --accelerator-type NVIDIA_L4")
@click.option("--accelerator-type", help="Only those that take it.")
def machines(call: Call, accelerator_type: str | None) -> None:
    """List the machine types that Vertex AI training offers, as far as gcpmlops knows."""
    call.show_all(call.read("training.machines", accelerator_type=accelerator_type), asdict, what="machine types")


def _show_job(call: Call, job: Any) -> None:
    """A dry run's request is shown whole, in YAML where a table was asked for."""
    if call.dry_run:
        _output.show_data(_output.resource(job, _job), "yaml" if call.format == "table" else call.format)
    else:
        call.show(job, _whole)


@command(training, "get", example="gcpmlops training get 1234567890 --format yaml")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show a job."""
    call.show(call.read("training.get", name), _whole)


@command(training, "list", example="gcpmlops training list --filter 'state=\"JOB_STATE_FAILED\"'")
@click.option("--filter", "filter_", help="As in the API.")
@click.option("--limit", type=int, help="At most so many.")
def list_(call: Call, filter_: str | None, limit: int | None) -> None:
    """List jobs, the newest first."""
    call.show_all(call.read("training.list", filter=filter_, limit=limit), _job, what="jobs")


@command(training, "wait", example="gcpmlops training wait 1234567890 --timeout 600")
@click.argument("name")
@click.option("--timeout", type=float, help="Seconds.")
def wait(call: Call, name: str, timeout: float | None) -> None:
    """Wait for a job's end; exit with 1 if it fails."""
    with JobProgress() as progress:
        job = call.read("training.wait", name, timeout=timeout, on_state=progress.state)
    call.show(job, _whole)


@command(training, "logs", example="gcpmlops training logs 1234567890 --follow")
@click.argument("name")
@click.option("--follow", is_flag=True, help="Until the job ends.")
def logs(call: Call, name: str, follow: bool) -> None:
    """Show a job's log."""
    lines = call.read("training.logs", name, follow=follow)
    if call.format == "table":
        for line in lines:
            click.echo(line.text)
    elif call.format == "json" and follow:  # a line each, as they come
        for line in lines:
            click.echo(json.dumps(asdict(line), default=str, ensure_ascii=False))
    else:
        _output.show_data([asdict(line) for line in lines], call.format)


@command(training, "cancel", changes=True, example="gcpmlops training cancel 1234567890")
@click.argument("name")
def cancel(call: Call, name: str) -> None:
    """Ask a job to stop."""
    call.change("JobService.CancelCustomJob", "training.cancel", name)
    call.say(f"{name} is being cancelled.")


@command(training, "delete", changes=True, example="gcpmlops training delete 1234567890")
@click.argument("name")
def delete(call: Call, name: str) -> None:
    """Delete a job that has ended."""
    call.change("JobService.DeleteCustomJob", "training.delete", name)
    call.say(f"Deleted {name}.")
