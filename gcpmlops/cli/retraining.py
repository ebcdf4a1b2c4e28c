"""`gcpmlops retraining`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gcpmlops.cli._options import Call, command

_name = click.argument("name")
_reason = click.option("--reason", required=True, help="Why; it is kept with who decided.")
_case = click.argument("case")
_who = click.option("--who", help="Who; the caller otherwise.")


@click.group()
def retraining() -> None:
    """Retraining: triggers, cases to decide, one timeline."""


@command(retraining, "apply", changes=True, example="gcpmlops retraining apply retraining.yaml --mode auto")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--mode", type=click.Choice(("propose", "candidate", "auto")), help="Instead of the file's.")
def apply(call: Call, file: Path, mode: str | None) -> None:
    """Set up what FILE describes, or bring it to that: function, schedules, recipe."""
    from gcpmlops._retraining.file import read

    changes = {"mode": mode} if mode else {}
    if call.dry_run:
        read(file)  # what is wrong in it is said all the same
    with call.waiting(f"Setting up the retraining of {file}"):
        api = "FunctionService.CreateFunction, CloudScheduler.CreateJob"
        setup = call.change(api, "retraining.apply", file, **changes)
    call.show(setup, _setup)


@command(retraining, "get", example="gcpmlops retraining get flights")
@_name
def get(call: Call, name: str) -> None:
    """Show how it is set up."""
    call.show(call.read("retraining.get", name), _setup)


@command(retraining, "list", example="gcpmlops retraining list")
def list_(call: Call) -> None:
    """List all that the staging bucket knows."""
    found = call.read("retraining.list")
    call.show_all(found, _setup_row if call.format == "table" else _setup, what="retrainings")


@command(retraining, "run", changes=True, example='gcpmlops retraining run flights --why "release 4"')
@_name
@click.option("--why", default="asked for", help="Kept on the timeline.")
@click.option("--force", is_flag=True, help="Whatever cool-down and budget say.")
def run(call: Call, name: str, why: str, force: bool) -> None:
    """Retrain now, in this process, and wait. Exit code 1 unless it ends in production, or as a candidate.

    Where this process is interrupted, the function goes on with the run; `gcpmlops training cancel JOB` ends it.
    """
    with call.waiting(f"Retraining {name}"):
        decision = call.change("JobService.CreateCustomJob, ...", "retraining.run", name, why=why, force=force)
    call.show(decision, lambda each: each.to_dict())
    if decision.decision not in ("PROMOTED", "CANDIDATE"):
        click.get_current_context().exit(1)


@command(retraining, "trigger", changes=True, example='gcpmlops retraining trigger flights --why "new airport"')
@_name
@click.option("--why", default="asked for", help="Kept on the timeline.")
@click.option("--force", is_flag=True, help="Whatever cool-down and budget say.")
def trigger(call: Call, name: str, why: str, force: bool) -> None:
    """Have the function retrain; return at once."""
    call.change("CloudScheduler.RunJob", "retraining.trigger", name, why=why, force=force)
    call.say(f"Asked. What becomes of it: gcpmlops retraining timeline {name}")


@command(retraining, "look", changes=True, example="gcpmlops retraining look flights")
@_name
def look(call: Call, name: str) -> None:
    """Look at all triggers now, and do what follows, in this process, as the function does when it is their turn."""
    found = call.change("BigQuery, Cloud Storage, JobService.CreateCustomJob, ...", "retraining.look", name)
    call.show_all(found, lambda each: each.to_dict(), what="triggers")


@command(retraining, "timeline", example="gcpmlops retraining timeline flights --limit 20")
@_name
@click.option("--run", "run_id", default="", help="Of one run.")
@click.option("--limit", type=click.IntRange(1), help="The last ones.")
@click.option("--incidents", is_flag=True, help="With those of alerts about its model.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Also as an HTML page.")
def timeline(call: Call, name: str, run_id: str, limit: int | None, incidents: bool, report: Path | None) -> None:
    """Show everything that happened, the oldest first."""
    events = call.read("retraining.timeline", name, run=run_id, limit=limit, incidents=incidents)
    if report is not None:
        report.write_text(events.page(f"Retraining {name}"), "utf-8")
        call.say(f"Wrote {report}")
    call.show_all(events, _event if call.format == "table" else lambda each: each.to_dict(), what="events")


@command(retraining, "runs", example="gcpmlops retraining runs flights --format json")
@_name
def runs(call: Call, name: str) -> None:
    """List the runs with their outcomes."""
    found = call.read("retraining.runs", name)
    call.show_all(found, _run if call.format == "table" else dict, what="runs")


@command(retraining, "cases", example="gcpmlops retraining cases flights --state OPEN")
@_name
@click.option("--state", type=click.Choice(("OPEN", "APPROVED", "DECLINED", "SNOOZED")), help="Only those.")
def cases(call: Call, name: str, state: str | None) -> None:
    """List the decision cases, with their evidence in JSON and YAML."""
    found = call.read("retraining.cases", name, state=state)
    call.show_all(found, _case_row if call.format == "table" else lambda each: each.to_dict(), what="cases")


@command(retraining, "approve", changes=True, example='gcpmlops retraining approve flights CASE --reason "real drift"')
@_name
@_case
@_reason
@_who
def approve(call: Call, name: str, case: str, reason: str, who: str | None) -> None:
    """Have the function do what CASE proposes."""
    call.show(call.change("CloudScheduler.RunJob", "retraining.approve", name, case, reason=reason, who=who), _case_row)


@command(retraining, "decline", changes=True, example='gcpmlops retraining decline flights CASE --reason "holidays"')
@_name
@_case
@_reason
@_who
def decline(call: Call, name: str, case: str, reason: str, who: str | None) -> None:
    """Let CASE be."""
    call.show(
        call.change("storage objects.insert", "retraining.decline", name, case, reason=reason, who=who), _case_row
    )


@command(retraining, "snooze", changes=True, example='gcpmlops retraining snooze flights CASE --for 7d --reason "wait"')
@_name
@_case
@click.option("--for", "until", required=True, help="How long: 12h, 7d.")
@_reason
@_who
def snooze(call: Call, name: str, case: str, until: str, reason: str, who: str | None) -> None:
    """Decide about CASE later."""
    found = call.change("storage objects.insert", "retraining.snooze", name, case, until=until, reason=reason, who=who)
    call.show(found, _case_row)


@command(retraining, "pause", changes=True, example="gcpmlops retraining pause flights")
@_name
def pause(call: Call, name: str) -> None:
    """Pause its schedules: nothing but people sets it off."""
    call.change("CloudScheduler.PauseJob", "retraining.pause", name)
    call.say(f"Paused {name}.")


@command(retraining, "resume", changes=True, example="gcpmlops retraining resume flights")
@_name
def resume(call: Call, name: str) -> None:
    """Have its triggers looked at again."""
    call.change("CloudScheduler.ResumeJob", "retraining.resume", name)
    call.say(f"Resumed {name}.")


@command(retraining, "delete", changes=True, example="gcpmlops retraining delete flights --purge")
@_name
@click.option("--purge", is_flag=True, help="Also what was kept: timeline, runs, cases.")
def delete(call: Call, name: str, purge: bool) -> None:
    """Remove its schedules and what brings alerts; models and tables stay."""
    call.change("CloudScheduler.DeleteJob", "retraining.delete", name, purge=purge)
    call.say(f"Deleted {name}.")


def _setup(setup: Any) -> dict[str, Any]:
    recipe = setup.recipe
    triggers = ", ".join(each.kind for each in recipe.triggers)
    return {
        "name": setup.name, "mode": setup.mode, "model": recipe.model, "endpoint": recipe.endpoint,
        "triggers": triggers, "function": setup.url, "schedules": ", ".join(setup.schedules), "folder": setup.folder,
    }  # fmt: skip


def _setup_row(setup: Any) -> dict[str, Any]:
    return {key: value for key, value in _setup(setup).items() if key in ("name", "mode", "model", "triggers")}


def _event(event: Any) -> dict[str, Any]:
    return {"at": event.at, "kind": event.kind, "run": event.run, "what": event.text, "who": event.who}


def _run(run: Any) -> dict[str, Any]:
    return {key: run.get(key) for key in ("id", "set_off", "outcome", "started", "ended", "why")}


def _case_row(case: Any) -> dict[str, Any]:
    return {"id": case.id, "state": case.state, "opened": case.opened, "why": case.why, "who": case.who,
            "reason": case.reason}  # fmt: skip
