"""`gcpmlops scheduler`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gcpmlops.cli._options import Call, command, pairs

if TYPE_CHECKING:
    from gcpmlops.scheduler import ScheduledJob


@click.group()
def scheduler() -> None:
    """Jobs of Cloud Scheduler: calls and messages at the times of a schedule."""


def _row(job: ScheduledJob) -> dict[str, Any]:
    return {
        "id": job.id,
        "schedule": f"{job.schedule} ({job.time_zone})",
        "state": job.state,
        "next_run": job.next_run,
        "last_run": job.last_run,
        "last_error": job.last_error,
    }


def _whole(job: ScheduledJob) -> dict[str, Any]:
    return {"name": job.name, "target": job.target, "description": job.description, **_row(job)}


@command(
    scheduler,
    "ensure-job",
    changes=True,
    example='gcpmlops scheduler ensure-job nightly --schedule "0 6 * * *" --time-zone Europe/Berlin \\'
    "\n    --http https://example.com/retrain --service-account ml@my-project.iam.gserviceaccount.com",
)
@click.argument("name")
@click.option("--schedule", required=True, help='unix-cron: minute, hour, day, month, weekday, such as "0 6 * * 1-5".')
@click.option("--time-zone", default="Etc/UTC", show_default=True, help="Zone whose clock the schedule goes by.")
@click.option("--http", metavar="URL", help="URL to call.")
@click.option("--topic", help="Topic to publish to, instead.")
@click.option("--http-method", default="POST", show_default=True, help="Method of the call.")
@click.option("--body", help="Body of the call or the message.")
@click.option("--header", "headers", multiple=True, callback=pairs, metavar="KEY=VALUE", help="May be repeated.")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    callback=pairs,
    metavar="KEY=VALUE",
    help="Of the message; may be repeated.",
)
@click.option("--service-account", metavar="EMAIL", help="Whose token the call carries.")
@click.option("--audience", help="Of an identity token.  [default: the URL]")
@click.option("--retries", type=int, default=0, show_default=True, help="Further attempts after a failed one.")
@click.option("--attempt-deadline", default="3m", show_default=True, help="How long a call may take: 15s to 30m.")
@click.option("--description", default="")
def ensure_job(call: Call, name: str, **given: Any) -> None:
    """Make a job, or change it to this."""
    call.show(call.change("CloudScheduler.UpdateJob, CreateJob", "scheduler.ensure_job", name, **given), _whole)


@command(scheduler, "get", example="gcpmlops scheduler get nightly")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show a job."""
    call.show(call.read("scheduler.get", name), _whole)


@command(scheduler, "list", example="gcpmlops scheduler list")
def list_(call: Call) -> None:
    """List the jobs."""
    call.show_all(call.read("scheduler.list"), _row, what="jobs")


@command(scheduler, "pause", changes=True, example="gcpmlops scheduler pause nightly")
@click.argument("name")
def pause(call: Call, name: str) -> None:
    """Keep a job from running."""
    call.show(call.change("CloudScheduler.PauseJob", "scheduler.pause", name), _whole)


@command(scheduler, "resume", changes=True, example="gcpmlops scheduler resume nightly")
@click.argument("name")
def resume(call: Call, name: str) -> None:
    """Let a paused job run again."""
    call.show(call.change("CloudScheduler.ResumeJob", "scheduler.resume", name), _whole)


@command(scheduler, "run", changes=True, example="gcpmlops scheduler run nightly")
@click.argument("name")
def run(call: Call, name: str) -> None:
    """Run a job now, without waiting for its end."""
    call.show(call.change("CloudScheduler.RunJob", "scheduler.run", name), _whole)


@command(scheduler, "delete", changes=True, example="gcpmlops scheduler delete nightly")
@click.argument("name")
def delete(call: Call, name: str) -> None:
    """Delete a job."""
    call.change("CloudScheduler.DeleteJob", "scheduler.delete", name)
    call.say(f"Deleted {name}.")
