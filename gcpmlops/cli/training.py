"""`gcpmlops training`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, labels, pairs


@click.group()
def training() -> None:
    """Custom training jobs of Vertex AI."""


def _job(job: Any) -> dict[str, Any]:
    return {"id": job.id, "display_name": job.display_name, "state": job.state.name, "created": job.created}


def _whole(job: Any) -> dict[str, Any]:
    return {**_job(job), "name": job.name, "output_dir": job.output_dir, "error": job.proto.error.message}


_JOB_OPTIONS = [
    click.argument("source", required=False, type=click.Path()),
    click.argument("args", nargs=-1, type=click.UNPROCESSED),
    click.option("--name", "display_name", help="Display name; the script's name otherwise."),
    click.option("--image", help="Container image; with a source, the one to install it in."),
    click.option("--module", help="Module to run, where several could be meant."),
    click.option("--command", "command_", multiple=True, help="Command of the image; may be repeated, once per word."),
    click.option("--requirement", "requirements", multiple=True, help="Package to install; may be repeated."),
    click.option("--env", multiple=True, callback=pairs, metavar="KEY=VALUE", help="Variable; may be repeated."),
    click.option("--machine-type", default="n1-standard-4", show_default=True),
    click.option("--accelerator-type", help="Such as NVIDIA_TESLA_T4."),
    click.option("--accelerator-count", type=int, default=0),
    click.option("--replica-count", type=int, default=1, show_default=True),
    labels,
    click.option("--service-account", help="Whom the job runs as."),
    click.option("--staging-bucket", help="Where the code is put."),
    click.option("--output-dir", "base_output_dir", metavar="GS_URI", help="Where its output goes."),
    click.option("--timeout", type=float, help="Seconds after which the service stops the job."),
]


def _job_options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_JOB_OPTIONS):
        function = option(function)
    return function


def _submit(call: Call, given: dict[str, Any]) -> Any:
    settings = dict(given)
    settings["command"] = settings.pop("command_")
    source = settings.pop("source")
    if source is not None and settings["image"] and (settings["command"] or source.startswith("-")):
        settings["args"], source = (
            (source, *settings["args"]),
            None,
        )  # an image with its command: all of it is arguments
    return call.client.training.submit(source, **settings, dry_run=call.dry_run)


@command(
    training,
    "submit",
    changes=True,
    example="""gcpmlops training submit train.py --requirement pandas -- --rows=1000
gcpmlops training submit --image python:3.11 --command python --command -V""",
)
@_job_options
def submit(call: Call, **given: Any) -> None:
    """Start a job from a script, a folder or an image, and return at once.

    What follows -- are the program's own arguments. --dry-run shows the exact request.
    """
    _show_job(call, _submit(call, given))


@command(training, "run", changes=True, example="gcpmlops training run train.py --requirement pandas -- --rows=1000")
@_job_options
def run(call: Call, **given: Any) -> None:
    """Start a job, show its log, and wait for its end; exit with 1 if it fails."""
    job = _submit(call, given)
    if not call.dry_run:
        call.say(f"Submitted {job.name}")
        job = job.wait(on_log=_echo)
    _show_job(call, job)


def _show_job(call: Call, job: Any) -> None:
    """A dry run's request is shown whole, in YAML where a table was asked for."""
    if call.dry_run:
        _output.show_data(_output.resource(job, _job), "yaml" if call.format == "table" else call.format)
    else:
        call.show(job, _whole)


def _echo(line: Any) -> None:
    click.echo(line.text, err=True)


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
    with call.waiting(f"Waiting for {name}"):
        job = call.read("training.wait", name, timeout=timeout)
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
    else:
        rows = [{"time": line.time, "severity": line.severity, "text": line.text, "task": line.task} for line in lines]
        _output.show_data(rows, call.format)


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
