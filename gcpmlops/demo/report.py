"""What the demo prints at its end."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gcpmlops.demo.scores import Scores
from gcpmlops.demo.steps import NAME, Answer
from gcpmlops.demo.story import Story


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


def show_scores(console: Console, scores: Scores) -> None:
    """The larger sample, with guessing beside it."""
    table = _table("", "model", "guessing", title=f"{scores.flights:,} flights of July, which the model has never seen")
    table.add_row("AUC", f"{scores.auc:.3f}", "0.500")
    table.add_row("accuracy", f"{scores.accuracy:.1%}", f"{scores.always_on_time:.1%} (always “on time”)")
    table.add_row("late among the riskiest tenth", f"{scores.riskiest:.1%}", f"{scores.base_rate:.1%} (base rate)")
    _print(console, table)


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


def _table(*columns: str, title: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", title_style="bold", header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _print(console: Console, table: Table) -> None:
    console.print()
    console.print(table)
