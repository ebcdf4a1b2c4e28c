"""`gcpmlops notebooks`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from gcpmlops.cli._options import Call, command, labels

if TYPE_CHECKING:
    from gcpmlops.notebooks import Instance


@click.group()
def notebooks() -> None:
    """Vertex AI Workbench: instances that run JupyterLab."""


def _row(instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "zone": instance.zone,
        "state": instance.state,
        "machine_type": instance.machine_type,
        "created": instance.created,
    }


def _whole(instance: Instance) -> dict[str, Any]:
    return {
        "name": instance.name,
        **_row(instance),
        "service_account": instance.service_account,
        "url": instance.url,
        "health": instance.health,
        "error": instance.error,
    }


@command(
    notebooks,
    "create",
    changes=True,
    example="gcpmlops notebooks create explore --idle-shutdown 2h\n"
    "gcpmlops notebooks create us-central1-a/gpu --machine-type n1-standard-8 --accelerator NVIDIA_TESLA_T4",
)
@click.argument("name")
@click.option("--machine-type", help="Such as e2-standard-4.")
@click.option("--accelerator", help="Such as NVIDIA_TESLA_T4.")
@click.option("--accelerators", type=click.IntRange(1), default=1, show_default=True, help="How many of them.")
@click.option("--service-account", metavar="EMAIL", help="Whom its notebooks act as.")
@click.option("--boot-disk-gb", type=click.IntRange(1), help="Size of the boot disk.")
@click.option("--data-disk-gb", type=click.IntRange(1), help="Size of the disk of the home folder.")
@click.option("--idle-shutdown", metavar="DURATION", help="Stop it after so long without a computation, such as 2h.")
@click.option("--startup-script", metavar="GS_URI", help="Shell script that is run once it has started.")
@click.option("--owner", metavar="EMAIL", help="The one user who may open it.")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it runs, or at once.")
@labels
def create(call: Call, name: str, **given: Any) -> None:
    """Make an instance, or change it to this. NAME is its id, or ZONE/ID."""
    with call.waiting(f"Creating {name}"):
        made = call.change("NotebookService.CreateInstance, UpdateInstance", "notebooks.create", name, **given)
    call.show(made, _whole)


@command(notebooks, "get", example="gcpmlops notebooks get explore")
@click.argument("name")
def get(call: Call, name: str) -> None:
    """Show an instance."""
    call.show(call.read("notebooks.get", name), _whole)


@command(notebooks, "list", example="gcpmlops notebooks list")
@click.option("--filter", default="", help="Google's filter, such as state=ACTIVE.")
def list_(call: Call, **given: Any) -> None:
    """List the instances."""
    call.show_all(call.read("notebooks.list", **given), _row, what="instances")


@command(notebooks, "start", changes=True, example="gcpmlops notebooks start explore")
@click.argument("name")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it runs, or at once.")
def start(call: Call, name: str, wait: bool) -> None:
    """Start a stopped instance."""
    with call.waiting(f"Starting {name}"):
        started = call.change("NotebookService.StartInstance", "notebooks.start", name, wait=wait)
    call.show(started, _whole)


@command(notebooks, "stop", changes=True, example="gcpmlops notebooks stop explore")
@click.argument("name")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it is stopped, or at once.")
def stop(call: Call, name: str, wait: bool) -> None:
    """Stop an instance; its files stay."""
    with call.waiting(f"Stopping {name}"):
        stopped = call.change("NotebookService.StopInstance", "notebooks.stop", name, wait=wait)
    call.show(stopped, _whole)


@command(notebooks, "open", example="gcpmlops notebooks open explore")
@click.argument("name")
@click.option("--browser/--no-browser", default=True, show_default=True, help="Open it, or only print its URL.")
def open_(call: Call, name: str, browser: bool) -> None:
    """Print the URL of an instance's JupyterLab, and open it in a browser."""
    click.echo(call.read("notebooks.open", name, browser=browser))


@command(notebooks, "delete", changes=True, example="gcpmlops notebooks delete explore")
@click.argument("name")
@click.option("--wait/--no-wait", default=True, show_default=True, help="Return when it is gone, or at once.")
def delete(call: Call, name: str, wait: bool) -> None:
    """Delete an instance with its disks."""
    with call.waiting(f"Deleting {name}"):
        call.change("NotebookService.DeleteInstance", "notebooks.delete", name, wait=wait)
    call.say(f"Deleted {name}.")
