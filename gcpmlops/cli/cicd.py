"""`gcpmlops cicd`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gcpmlops.cli import _generated
from gcpmlops.cli._options import Call, command
from gcpmlops.cli._progress import Display
from gcpmlops.cli._rollout_progress import ended_politely

if TYPE_CHECKING:
    from gcpmlops.cicd import Delivery, Event, RenderedFile, StepResult

_STEPS = ("lint", "test", "train", "evaluate", "gate", "register", "deploy", "promote")
_TARGETS = ("cloudbuild", "github", "gitlab", "jenkins", "all")
_PATH = click.Path(dir_okay=False, path_type=Path)
_definition = click.argument("definition", type=_PATH, default="delivery.yaml")
_targets = click.option(
    "--target", "targets", type=click.Choice(_TARGETS), multiple=True,
    help="May be repeated; the definition's own otherwise.",
)  # fmt: skip
_root = click.option(
    "--root", type=click.Path(file_okay=False, path_type=Path),
    help="The repository's folder; the definition's otherwise.",
)  # fmt: skip


@click.group()
def cicd() -> None:
    """Continuous delivery: one definition, rendered for four platforms and run step by step."""


@command(cicd, "generate", changes=True, example="gcpmlops cicd generate\ngcpmlops cicd generate --target github")
@_definition
@_targets
@_root
@_generated.force
def generate(call: Call, definition: Path, targets: tuple[str, ...], root: Path | None, force: bool) -> None:
    """Write the pipelines of DEFINITION. What was edited by hand is kept without --force or a yes."""
    found = call.read(
        "cicd.generate", definition, targets=targets, root=root, force=force, confirm=_generated.confirm(force=force),
        dry_run=call.dry_run,
    )  # fmt: skip
    _show_files(call, found)


@command(cicd, "check", example="gcpmlops cicd check")
@_definition
@_targets
@_root
def check(call: Call, definition: Path, targets: tuple[str, ...], root: Path | None) -> None:
    """Say which pipelines are missing, out of date or edited by hand. Exit code 1 where one is."""
    found = call.read("cicd.check", definition, targets=targets, root=root)
    _show_files(call, found)
    if any(each.state != "CURRENT" for each in found):
        call.say("To write them: gcpmlops cicd generate")
        click.get_current_context().exit(1)


@command(cicd, "run", example="gcpmlops cicd run\ngcpmlops emulator exec -- gcpmlops cicd run --until gate")
@_definition
@click.option("--from", "first", type=click.Choice(_STEPS), help="The first step; those before it have passed.")
@click.option("--until", "last", type=click.Choice(_STEPS), help="The last step.")
def run(call: Call, definition: Path, first: str | None, last: str | None) -> None:
    """Run all steps of DEFINITION here. Exit code 1 at the first that fails, or where the model is refused."""
    with _Progress() as progress, ended_politely():
        delivery = call.read(
            "cicd.run", definition, first=first, last=last, on_event=progress.event, on_step=progress.step
        )
    _show(call, delivery)


@command(cicd, "step", example="gcpmlops cicd step train")
@click.argument("name", type=click.Choice(_STEPS))
@click.option("--definition", type=_PATH, default="delivery.yaml", show_default=True, help="The definition's file.")
def step(call: Call, name: str, definition: Path) -> None:
    """Run one step, in the workspace that the steps before it left: what a rendered pipeline calls."""
    with _Progress() as progress, ended_politely():
        delivery = call.read("cicd.step", name, definition=definition, on_event=progress.event)
        result = next(each for each in delivery.steps if each.name == name)
        progress.step(result)


@command(cicd, "status", example="gcpmlops cicd status")
@_definition
def status(call: Call, definition: Path) -> None:
    """Show how far the delivery of this workspace is."""
    _show(call, call.read("cicd.status", definition))


class _Progress(Display):
    """A line a step; what it says is indented below it."""

    columns = ("SpinnerColumn", "TextColumn", "TimeElapsedColumn")

    def step(self, result: StepResult) -> None:
        """It begins, or has ended."""
        if result.state != "RUNNING":
            self.line(str(result))
        elif self._display is not None:
            self._display.update(self._task, description=result.name)

    def event(self, event: Event) -> None:
        """What a step says."""
        self.line(f"  {event}")


def _show(call: Call, delivery: Delivery) -> None:
    if call.format == "table":
        call.show_all(delivery.steps, _step, what="steps")
    else:
        call.show(delivery, _delivery)


def _step(result: StepResult) -> dict[str, Any]:
    return {"step": result.name, "state": result.state, "seconds": result.seconds, "note": result.note}


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "id": delivery.id, "name": delivery.name, "state": delivery.state, "model": delivery.model,
        "steps": [_step(each) for each in delivery.steps],
    }  # fmt: skip


def _show_files(call: Call, files: Sequence[RenderedFile]) -> None:
    call.show_all(files, lambda file: {"target": file.target, **_generated.row(file)}, what="pipelines")
