"""`gcpmlops builds`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gcpmlops.cli._options import Call, command, pairs
from gcpmlops.cli._progress import JobProgress

if TYPE_CHECKING:
    from gcpmlops.builds import Build, Trigger

_name = click.argument("name")
_wait = click.option("--wait/--no-wait", default=True, show_default=True, help="Show its log until it ends, or not.")
_substitution = click.option(
    "--substitution", "substitutions", multiple=True, callback=pairs, metavar="_KEY=VALUE", help="May be repeated."
)
_account = click.option("--service-account", metavar="EMAIL", help="Whom it runs as.")


@click.group()
def builds() -> None:
    """Cloud Build: builds and their logs, triggers."""


def _row(build: Build) -> dict[str, Any]:
    return {"id": build.id, "state": build.state.name, "created": build.created, "tags": ", ".join(build.proto.tags)}


def _whole(build: Build) -> dict[str, Any]:
    steps = ", ".join(f"{step.id or n}={step.status.name}" for n, step in enumerate(build.proto.steps))
    return {**_row(build), "name": build.name, "steps": steps, "log": build.proto.log_url, "error": build.error}


def _trigger(trigger: Trigger) -> dict[str, Any]:
    return {
        "name": trigger.name, "id": trigger.id, "event": trigger.event, "approval": trigger.approval,
        "disabled": trigger.proto.disabled,
    }  # fmt: skip


def _follow(call: Call, api: str, method: str, *args: Any, wait: bool, **given: Any) -> None:
    """Start a build, and show its log until it has ended."""
    build = call.change(api, method, *args, **given)
    if wait:
        with JobProgress() as progress:
            build = build.wait(on_log=progress.log, on_state=progress.state)
    call.show(build, _whole)


@command(
    builds,
    "submit",
    changes=True,
    example="gcpmlops builds submit . --substitution _TAG=1\ngcpmlops builds submit --config ci/build.yaml --no-wait",
)
@click.argument("source", default=".")
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="SOURCE/cloudbuild.yaml otherwise.")
@click.option("--no-source", is_flag=True, help="Upload nothing.")
@_substitution
@_account
@click.option("--tag", "tags", multiple=True, help="May be repeated.")
@click.option("--timeout", help="Of the whole build, such as 20m.")
@_wait
def submit(call: Call, source: str, no_source: bool, wait: bool, **given: Any) -> None:
    """Build SOURCE, a folder or a gs:// archive. Exit code 1 unless it succeeds."""
    where = None if no_source else source
    _follow(call, "CloudBuild.CreateBuild", "builds.submit", where, wait=wait, **given)


@command(builds, "get", example="gcpmlops builds get BUILD")
@_name
def get(call: Call, name: str) -> None:
    """Show a build."""
    call.show(call.read("builds.get", name), _whole)


@command(builds, "list", example="gcpmlops builds list --filter 'status=\"FAILURE\"'")
@click.option("--filter", "filter_", default="", help='Such as status="WORKING".')
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="The newest so many.")
def list_(call: Call, filter_: str, limit: int) -> None:
    """List the builds."""
    call.show_all(call.read("builds.list", filter=filter_, limit=limit), _row, what="builds")


@command(builds, "logs", example="gcpmlops builds logs BUILD --follow")
@_name
@click.option("--follow", is_flag=True, help="Until it has ended.")
def logs(call: Call, name: str, follow: bool) -> None:
    """Print a build's log."""
    for line in call.read("builds.logs", name, follow=follow):
        click.echo(line.text)


@command(builds, "wait", example="gcpmlops builds wait BUILD")
@_name
def wait_(call: Call, name: str) -> None:
    """Show a build's log until it ends. Exit code 1 unless it succeeds."""
    with JobProgress() as progress:
        build = call.read("builds.wait", name, on_log=progress.log, on_state=progress.state)
    call.show(build, _whole)


@command(builds, "cancel", changes=True, example="gcpmlops builds cancel BUILD")
@_name
def cancel(call: Call, name: str) -> None:
    """Ask a build to stop."""
    call.show(call.change("CloudBuild.CancelBuild", "builds.cancel", name), _row)


@command(builds, "retry", changes=True, example="gcpmlops builds retry BUILD")
@_name
@_wait
def retry(call: Call, name: str, wait: bool) -> None:
    """Build the same once more."""
    _follow(call, "CloudBuild.RetryBuild", "builds.retry", name, wait=wait)


@command(builds, "approve", changes=True, example='gcpmlops builds approve BUILD --comment "tested on staging"')
@_name
@click.option("--comment", default="", help="Kept with the decision.")
@click.option("--reject", is_flag=True, help="End it instead.")
def approve(call: Call, name: str, comment: str, reject: bool) -> None:
    """Let a build run that waits for an approval."""
    found = call.change("CloudBuild.ApproveBuild", "builds.approve", name, comment=comment, reject=reject)
    call.show(found, _row)


@command(
    builds,
    "ensure-trigger",
    changes=True,
    example="gcpmlops builds ensure-trigger delivery --repository me/penguins --filename cloudbuild.yaml "
    "--branch '^main$'\ngcpmlops builds ensure-trigger nightly --config cloudbuild.yaml --approval",
)
@_name
@click.option("--config", type=click.Path(dir_okay=False, path_type=Path), help="The build itself.")
@click.option("--filename", help="Or the file in the repository that has it.")
@click.option("--repository", metavar="OWNER/NAME", help="On GitHub.")
@click.option("--branch", help="Regular expression: pushes to it start it.")
@click.option("--tag", help="The same of tags.")
@click.option("--pull-request", help="Regular expression of branches: pull requests to them start it.")
@click.option("--topic", help="Pub/Sub topic whose messages start it.")
@_substitution
@_account
@click.option("--approval", is_flag=True, help="Its builds wait for somebody.")
@click.option("--description", default="", help="For people.")
@click.option("--label", "tags", multiple=True, help="Tag of the trigger; may be repeated.")
@click.option("--included-files", multiple=True, help="Glob: pushes to other files alone start nothing.")
@click.option("--ignored-files", multiple=True, help="Glob: pushes to these files alone start nothing.")
@click.option("--disabled", is_flag=True, help="Nothing starts it.")
def ensure_trigger(call: Call, name: str, **given: Any) -> None:
    """Make a trigger, or change it to this; without an event it is started by hand."""
    api = "CloudBuild.CreateBuildTrigger, UpdateBuildTrigger"
    call.show(call.change(api, "builds.ensure_trigger", name, **given), _trigger)


@command(builds, "get-trigger", example="gcpmlops builds get-trigger delivery")
@_name
def get_trigger(call: Call, name: str) -> None:
    """Show a trigger."""
    call.show(call.read("builds.get_trigger", name), _trigger)


@command(builds, "list-triggers", example="gcpmlops builds list-triggers")
def list_triggers(call: Call) -> None:
    """List the triggers."""
    call.show_all(call.read("builds.list_triggers"), _trigger, what="triggers")


@command(builds, "run-trigger", changes=True, example="gcpmlops builds run-trigger delivery --branch main")
@_name
@click.option("--branch", help="What is built.")
@click.option("--tag", help="What is built.")
@click.option("--commit", help="What is built.")
@_substitution
@_wait
def run_trigger(call: Call, name: str, wait: bool, **given: Any) -> None:
    """Start a trigger by hand."""
    _follow(call, "CloudBuild.RunBuildTrigger", "builds.run_trigger", name, wait=wait, **given)


@command(builds, "delete-trigger", changes=True, example="gcpmlops builds delete-trigger delivery")
@_name
def delete_trigger(call: Call, name: str) -> None:
    """Delete a trigger; its builds stay."""
    call.change("CloudBuild.DeleteBuildTrigger", "builds.delete_trigger", name)
    call.say(f"Deleted {name}.")
