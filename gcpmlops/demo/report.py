"""What the demo prints at its end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gcpmlops.demo.steps import NAME, Answer
from gcpmlops.demo.story import Story

if TYPE_CHECKING:
    from gcpmlops.demo.replacing import Judged
    from gcpmlops.evaluation import Estimate


def show_answers(console: Console, answers: Sequence[Answer]) -> None:
    """Each flight, what the endpoint said, and what happened."""
    table = _table("flight", "said: chance of > 15 min late", "really", title="Ten flights of July")
    for answer in sorted(answers, key=lambda each: -each.chance):
        delay = answer.flight.arr_delay
        really = Text(f"{delay} min late" if delay > 0 else f"{-delay} min early" if delay else "on the minute")
        really.stylize("red" if answer.flight.late else "green")
        bar = "█" * round(answer.chance * 20)
        table.add_row(answer.flight.title, f"{answer.chance:4.0%} {bar}", really)
    _print(console, table)


def show_evaluation(console: Console, judged: Judged) -> None:
    """Both models on flights that neither has seen, by month and for the airlines with the most flights."""
    title = f"{judged.champion.rows:,} flights of July to September, which neither model has seen: ROC AUC"
    table = _table("", "flights", "champion", "challenger", title=title)
    _compare(table, "all", judged.champion.rows, judged.champion.metrics, judged.challenger.metrics)
    for by, most in (("month", 3), ("airline", 4)):
        parts = sorted((part for part in judged.champion.slices if part.by == by), key=lambda part: -part.rows)
        for part in parts[:most]:
            _compare(table, part.name, part.rows, part.metrics, judged.challenger.slice(part.name).metrics)
    _print(console, table)


def show_report(console: Console, path: Path) -> None:
    """Where the evaluation report lies."""
    console.print(f"\nThe evaluation, with plots, gates and every slice:\n  {path.resolve().as_uri()}", soft_wrap=True)


def show_steps(console: Console, story: Story) -> None:
    """The closing table."""
    table = _table("step", "official API called", "resource", "seconds", title="What happened")
    table.columns[-1].justify = "right"
    for step in story.steps:
        table.add_row(step.title, step.api, step.resource, f"{step.seconds:.1f}")
    training = sum(step.training_seconds for step in story.steps)
    table.add_section()
    table.add_row("your training code", "", "", f"{training:.1f}")
    table.add_row("everything else", "", "", f"{story.seconds - training:.1f}")
    table.add_row("together", "", "", f"{story.seconds:.1f}")
    _print(console, table)


def show_next(console: Console, *, project: str, kept: str | None) -> None:
    """The line to type next; for a kept emulator, how to go on with it and how to stop it."""
    if kept is None:
        console.print("\nNothing is left running. To keep it and look around:\n  gcpmlops demo --keep")
        return
    run = f"gcpmlops emulator exec --project {project} --"
    example = shlex.quote("[[7, 6, 18, 30, 1400, 11, 0, 44]]")
    console.print(
        f"\nThe local Google Cloud goes on at {kept}\n"
        f"  {run} gcpmlops endpoints predict {NAME} --json {example}\n"
        f"  {run} gcpmlops training list\n"
        f"  {run} python your_script.py     # unmodified google.cloud code\n"
        f"To stop it:\n  gcpmlops emulator stop --project {project}"
    )


def _compare(table: Table, name: str, rows: int, *metrics: Mapping[str, Estimate]) -> None:
    table.add_row(name, f"{rows:,}", *(str(each["roc_auc"]) for each in metrics))


def _table(*columns: str, title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(console: Console, table: Table) -> None:
    console.print()
    console.print(table)
