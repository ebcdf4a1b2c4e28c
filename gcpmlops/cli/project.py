"""`gcpmlops init`, `doctor`, `down`: a project's set-up."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gcpmlops._project.grants import ACTIONS
from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command
from gcpmlops.exceptions import ConfigError

if TYPE_CHECKING:
    from gcpmlops.project import Diagnosis, Finding, Removal, Setup, Step

_group = click.Group()
_MARKS = {"OK": "ok", "WARNING": "warning", "ERROR": "ERROR"}
_folder = click.option(
    "--directory",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="Where gcpmlops.toml is.  [default: here, or a folder above]",
)
_name = click.option("--name", help="Begins the accounts' names, stands in the labels.  [default: ml]")


@command(
    _group,
    "init",
    changes=True,
    example="gcpmlops init --project my-project --location europe-west4 --dry-run\n"
    "gcpmlops init --project my-project --location europe-west4 --action train --action serve",
)
@_name
@click.option(
    "--action", "actions", multiple=True, type=click.Choice(ACTIONS), help="Planned; may be repeated.  [default: all]"
)
@click.option("--bucket", "buckets", multiple=True, help="A further bucket; may be repeated.")
@click.option("--dataset", "datasets", multiple=True, help="A further BigQuery dataset; may be repeated.")
@click.option(
    "--developer", "developers", multiple=True, metavar="MEMBER",
    help="user:EMAIL or group:EMAIL who may act as the delivery account; may be repeated.",
)  # fmt: skip
@click.option("--billing-account", metavar="ID", help="Pays for the project where nobody does.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@_folder
def init(call: Call, yes: bool, **given: Any) -> None:
    """Set a project up: APIs, service accounts with the least roles, buckets, datasets, gcpmlops.toml.

    What is there is left alone: it may be run again, also after it was stopped half-way.
    """
    asks = not yes and sys.stdin.isatty()
    _look_in(call, given["directory"])
    if asks:
        _ask(call, given)

    def agreed(plan: Setup) -> None:
        if plan.steps and asks:
            _show_steps(call, plan)
            click.confirm(f"Make these {len(plan.steps)}?", abort=True, err=True)

    chosen = {key: value or None for key, value in given.items()}
    done: Setup = call.read(
        "project.init", **chosen, dry_run=call.dry_run, on_plan=agreed,
        on_step=lambda step: call.say(f"made {step.kind} {step.name}"),
    )  # fmt: skip
    _show_steps(call, done) if call.dry_run else _show_result(call, done)


@command(_group, "doctor", example="gcpmlops doctor --project my-project\ngcpmlops doctor --action train --all")
@click.option(
    "--action", "actions", multiple=True, type=click.Choice(ACTIONS),
    help="Planned; may be repeated.  [default: those of gcpmlops.toml, or all]",
)  # fmt: skip
@click.option("--all", "everything", is_flag=True, help="Also what is as it should be.")
@_folder
def doctor(call: Call, actions: tuple[str, ...], everything: bool, directory: Path) -> None:
    """Say what keeps the planned actions from working, and who can mend it how. Exit code 1 where something does."""
    _look_in(call, directory)
    found: Diagnosis = call.read("project.doctor", actions=actions or None, directory=directory)
    shown = [finding for finding in found.findings if everything or finding.status != "OK"]
    if call.format != "table":
        _output.show_data([vars(finding) for finding in found.findings], call.format)
    else:
        for finding in shown:
            _show_finding(finding)
        good = sum(finding.status == "OK" for finding in found.findings)
        click.echo(f"{good} ok, {len(found.warnings)} warnings, {len(found.errors)} errors")
    if not found.healthy:
        click.get_current_context().exit(1)


@command(_group, "down", example="gcpmlops down --plan\ngcpmlops down --yes --force")
@_name
@click.option("--plan", is_flag=True, help="Only say what would be removed, in order.")
@click.option("--force", is_flag=True, help="Also what buckets, datasets and the repository hold.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@_folder
def down(call: Call, plan: bool, yes: bool, **given: Any) -> None:
    """Take down what `gcpmlops init` made, known by its labels. APIs stay enabled, models and jobs stay."""
    _look_in(call, given["directory"])
    found: list[Removal] = call.read("project.down", **given, plan=True)
    call.show_all(found, _removal, what="resources of that set-up")
    going = [removal for removal in found if not removal.kept]
    if plan or not going:
        return
    if not yes:
        click.confirm(f"Remove these {len(going)}?", abort=True, err=True)
    call.read("project.down", **given, on_removal=lambda each: call.say(f"removed {each.kind} {each.name}"))


def _look_in(call: Call, directory: Path) -> None:
    """The settings are those of the gcpmlops.toml there, not of where the shell happens to be."""
    call.settings["directory"] = directory


def _ask(call: Call, given: dict[str, Any]) -> None:
    """What was not given, on a terminal."""
    try:
        config = call.client.config
        config.require("project")
    except ConfigError:
        call.settings["project"] = click.prompt("Project id", err=True)
        del call.client
        config = call.client.config
    if "location" not in config.sources and call.settings.get("location") is None:
        call.settings["location"] = click.prompt("Location", default=config.location, err=True)
        del call.client
    if not given["actions"]:
        text = "Planned actions, with spaces between"
        given["actions"] = click.prompt(text, default=" ".join(ACTIONS), value_proc=_actions, err=True)


def _actions(text: str) -> tuple[str, ...]:
    """Raises click.UsageError for one that is not known: then it is asked for again."""
    chosen = tuple(text.replace(",", " ").split())
    if unknown := [each for each in chosen if each not in ACTIONS]:
        raise click.UsageError(f"{unknown[0]!r} is none of: {', '.join(ACTIONS)}.")
    return chosen


def _show_steps(call: Call, setup: Setup) -> None:
    if call.format != "table":
        _output.show_data([_step(step) for step in setup.steps], call.format)
        return
    _output.show_table([_step(step) for step in setup.steps], empty="Nothing to make: all of it is there.")
    for note in setup.notes:
        call.say(note)


def _show_result(call: Call, setup: Setup) -> None:
    view = {
        "project": setup.plan.project,
        "made": len(setup.steps),
        "accounts": list(setup.plan.accounts.values()),
        "buckets": [f"gs://{bucket}" for bucket in setup.plan.all_buckets],
        "datasets": list(setup.plan.all_datasets),
        "repository": setup.plan.repository,
        "settings": str(setup.path or ""),
    }
    _output.show_one(view, {**view, "steps": [_step(step) for step in setup.steps]}, call.format)
    for note in setup.notes:
        call.say(note)
    call.say("Next: gcpmlops doctor")


def _step(step: Step) -> dict[str, Any]:
    return {"kind": step.kind, "name": step.name, "api": step.api}


def _removal(removal: Removal) -> dict[str, Any]:
    return {"kind": removal.kind, "name": removal.name, "api": removal.api, "kept": removal.kept}


def _show_finding(finding: Finding) -> None:
    needed = f"  [{', '.join(finding.actions)}]" if finding.actions else ""
    click.echo(f"{_MARKS[finding.status]:8}{finding.subject}: {finding.message}{needed}")
    if finding.fix:
        click.echo(f"        fix: {finding.fix}")
        click.echo(f"        who: {finding.who or 'whoever the fix allows'}")
