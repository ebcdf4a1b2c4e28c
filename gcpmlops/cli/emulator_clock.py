"""``gcpmlops emulator clock``: the emulator's time, shown and moved."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gcpmlops.cli._emulator import data_dir_option, project_option, running

if TYPE_CHECKING:
    from gcpmlops.emulator.clock_client import EmulatorClock, Moved

_FIRST_WORD_S, _LATER_S = 2.0, 10.0  # real seconds of silence before it is said what is waited for
_NAMES = 3

_format = click.option(
    "--format",
    "output_format",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="Output format.",
)
_no_wait = click.option(
    "--no-wait", is_flag=True, help="Don't wait for what falls due on the way sets off: jobs, deliveries, functions."
)
_patience = click.option(
    "--patience", type=click.FloatRange(min=0, min_open=True), metavar="SECONDS",
    help="Real seconds that one moment may take.  [default: 600]",
)  # fmt: skip


@click.group(invoke_without_command=True)
@data_dir_option
@project_option
@_format
@click.pass_context
def clock(context: click.Context, /, **given: Any) -> None:
    """The emulator's time: schedules, alert windows and lifecycle rules follow it at once and in order."""
    if context.invoked_subcommand is None:
        context.invoke(show, **given)
    elif given["data_dir"] or given["project"] or given["output_format"] != "table":
        raise click.UsageError(f"Options go after {context.invoked_subcommand!r}.")


@clock.command(epilog="Example:  gcpmlops emulator clock show --format json")
@data_dir_option
@project_option
@_format
def show(data_dir: Path | None, project: str | None, output_format: str) -> None:
    """Show the time, whether it stands still, and what happens next."""
    from gcpmlops.cli import _output

    found = _call(_clock(data_dir, project).show)
    view = {key: value for key, value in found.items() if value not in (None, [])}
    if following := found["next"]:
        view["next"] = f"{following['time']} {following['name']}"
    _output.show_one(view, found, output_format)


@clock.command(epilog="Example:  gcpmlops emulator clock advance 1d")
@click.argument("duration")
@data_dir_option
@project_option
@_no_wait
@_patience
@_format
def advance(
    duration: str,
    data_dir: Path | None,
    project: str | None,
    no_wait: bool,
    patience: float | None,
    output_format: str,
) -> None:
    """Move it on by DURATION: 90s, 15m, 2h, 1d, 2w, 1d12h. All that is due on the way is done, each at its time."""
    mover = _clock(data_dir, project)
    _report(_watched(mover, lambda: mover.advance(duration, wait=not no_wait, patience=patience)), output_format)


@clock.command(name="set", epilog="Example:  gcpmlops emulator clock set 2013-07-01T00:00:00Z")
@click.argument("time")
@click.option("--back", is_flag=True, help="Go to an earlier time, though the emulator holds data of later ones.")
@data_dir_option
@project_option
@_no_wait
@_patience
@_format
def set_(
    time: str,
    data_dir: Path | None,
    project: str | None,
    back: bool,
    no_wait: bool,
    patience: float | None,
    output_format: str,
) -> None:
    """Move it to TIME (RFC 3339; UTC where no zone is given), as `advance` does."""
    mover = _clock(data_dir, project)
    _report(_watched(mover, lambda: mover.set(time, wait=not no_wait, patience=patience, back=back)), output_format)


@clock.command(epilog="Example:  gcpmlops emulator clock freeze")
@data_dir_option
@project_option
@_format
def freeze(data_dir: Path | None, project: str | None, output_format: str) -> None:
    """Stop it where it is; advance and set move it still."""
    _report(_call(_clock(data_dir, project).freeze), output_format)


@clock.command(name="run", epilog="Example:  gcpmlops emulator clock run")
@data_dir_option
@project_option
@_format
def run_(data_dir: Path | None, project: str | None, output_format: str) -> None:
    """Let it go on from where it stands."""
    _report(_call(_clock(data_dir, project).run), output_format)


def _clock(data_dir: Path | None, project: str | None) -> EmulatorClock:
    from gcpmlops.emulator.clock_client import EmulatorClock

    return EmulatorClock(running(data_dir, project))


def _call(work: Callable[[], Any]) -> Any:
    from gcpmlops.emulator.clock_client import ClockError

    try:
        return work()
    except ClockError as error:
        raise click.ClickException(str(error)) from None


def _watched(clock_: EmulatorClock, move: Callable[[], Moved]) -> Moved:
    """Says on stderr, where it takes long, what the clock waits for."""
    arrived = threading.Event()

    def watch() -> None:
        pause = _FIRST_WORD_S
        while not arrived.wait(pause):
            pause = _LATER_S
            try:
                found = clock_.show()
            except Exception as error:  # noqa: BLE001 - the move itself will say it better
                click.echo(f"The clock can't be asked: {error}", err=True)
                return
            if not arrived.is_set():
                click.echo(_progress(found), err=True)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        moved: Moved = _call(move)
    finally:
        arrived.set()
        watcher.join()
    return moved


def _progress(found: dict[str, Any]) -> str:
    names = found["waiting_for"]
    more = f" and {len(names) - _NAMES} more" if len(names) > _NAMES else ""
    waiting = f", waiting for {', '.join(names[:_NAMES])}{more}" if names else ""
    return f"{found['now']}{waiting}"


def _report(moved: Moved, output_format: str) -> None:
    from gcpmlops.cli import _output

    now = moved.now.isoformat().replace("+00:00", "Z")
    if output_format != "table":
        _output.show_data({"now": now, "done": moved.done, "frozen": moved.frozen}, output_format)
        return
    click.echo(now)
    state = "; the clock stands still" if moved.frozen else ""
    click.echo(f"{moved.done} appointment{'' if moved.done == 1 else 's'} done{state}.", err=True)
    sys.stdout.flush()
