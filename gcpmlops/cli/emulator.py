"""``gcpmlops emulator``: the local Google Cloud, started, stopped, looked at, and run against."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gcpmlops.cli._emulator import data_dir_option as _data_dir
from gcpmlops.cli._emulator import project_option as _project
from gcpmlops.cli._emulator import running as _running
from gcpmlops.cli._emulator import where as _where
from gcpmlops.cli.emulator_clock import clock
from gcpmlops.exceptions import GcpMlopsError

if TYPE_CHECKING:
    from gcpmlops.emulator.server import Running


@click.group()
def emulator() -> None:
    """The local Google Cloud: official clients, gcloud and bq run against it unmodified."""
    try:
        import uvloop  # noqa: F401 - the extra's own marker
    except ImportError:
        raise click.ClickException("the emulator is an extra: pip install 'gcpmlops[emulator]'") from None


@emulator.command(epilog="Example:  gcpmlops emulator start --detach")
@_data_dir
@_project
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to bind to.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="0 takes a free one.")
@click.option("--max-jobs", type=click.IntRange(1), help="Training processes at a time.  [default: cores]")
@click.option("--max-body-bytes", type=click.IntRange(1), help="Larger request bodies are answered 413.")
@click.option("--offline", is_flag=True, help="Refuse to tunnel to hosts that are not emulated.")
@click.option("--ephemeral", is_flag=True, help="Remove the data directory at the end.")
@click.option("--image", multiple=True, metavar="URI=COMMAND", help="A local command that stands for an image.")
@click.option("--smtp", metavar="HOST:PORT", help="Server for mail of alerts.  [default: files in the data directory]")
@click.option("--enforce-iam", is_flag=True, help="Refuse what the caller's roles don't give.")
@click.option("--no-enable-all", is_flag=True, help="APIs have to be enabled before they are used.")
@click.option("--detach", is_flag=True, help="Return when it answers, leaving it running.")
def start(data_dir: Path | None, project: str | None, detach: bool, **options: Any) -> None:
    """Start the emulator."""
    from gcpmlops.emulator import __main__ as process
    from gcpmlops.emulator import launch

    project, data_dir = _where(data_dir, project)
    arguments = ["--project", project, *_arguments(options)]
    if not detach:
        sys.exit(process.main(["--data-dir", str(data_dir), *arguments]))
    state = _or_fail(launch.start, data_dir, arguments)
    click.echo(f"Local Google Cloud for {state.project} at {state.endpoint} (pid {state.pid})", err=True)
    click.echo("Next: gcpmlops emulator exec -- python your_script.py", err=True)


@emulator.command(epilog="Example:  gcpmlops emulator stop")
@_data_dir
@_project
def stop(data_dir: Path | None, project: str | None) -> None:
    """Stop it, and everything that it runs."""
    from gcpmlops.emulator import launch

    state = _running(data_dir, project)
    launch.stop(state)
    click.echo(f"Stopped pid {state.pid}.", err=True)


@emulator.command(epilog="Example:  gcpmlops emulator status --format json")
@_data_dir
@_project
@click.option("--format", "output_format", type=click.Choice(["table", "json", "yaml"]), default="table")
def status(data_dir: Path | None, project: str | None, output_format: str) -> None:
    """Tell whether it runs, where, and how much memory it takes. Exit code 1 when it doesn't run."""
    from gcpmlops.cli import _output

    state = _running(data_dir, project)
    view = {**state.__dict__, "endpoint": state.endpoint, "memory_mib": _memory(state.pid)}
    _output.show_one(view, view, output_format)


@emulator.command(epilog='Example:  eval "$(gcpmlops emulator env)"')
@_data_dir
@_project
def env(data_dir: Path | None, project: str | None) -> None:
    """Print shell lines that lead Google clients of this shell to the emulator."""
    from gcpmlops.emulator import launch
    from gcpmlops.emulator.variables import REMOVED

    complete = launch.environment(_running(data_dir, project))
    for name in REMOVED:
        click.echo(f"unset {name}")
    for name, value in complete.items():
        if os.environ.get(name) != value:
            click.echo(f"export {name}={shlex.quote(value)}")


@emulator.command(
    name="exec",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False},
    epilog="Example:  gcpmlops emulator exec -- gcloud storage buckets list",
)
@_data_dir
@_project
@click.option("--ephemeral", is_flag=True, help="An emulator of its own, gone with the command.")
@click.option("--enforce-iam", is_flag=True, help="One that is started refuses what the caller's roles don't give.")
@click.option("--no-enable-all", is_flag=True, help="In one that is started APIs have to be enabled.")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(
    data_dir: Path | None, project: str | None, ephemeral: bool, command: tuple[str, ...], **options: bool
) -> None:
    """Run a command whose Google clients reach the emulator; starts one for it where none runs."""
    from gcpmlops.emulator import launch

    project, folder = _where(data_dir, project)
    arguments = _arguments(options)
    for number in (signal.SIGTERM, signal.SIGHUP):  # while an emulator is started or stopped: cleaned up, as by Ctrl-C
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    if ephemeral:
        with launch.ephemeral(project=project, arguments=arguments) as own:
            code = _run(command, own)
        sys.exit(code)
    already = launch.alive(folder)
    if already is not None and arguments:
        raise click.UsageError(f"An emulator runs on {folder} already, started with its own options; try --ephemeral.")
    given = ["--project", project, *arguments]
    state: Running = _or_fail(launch.start, folder, given, tied=True) if already is None else already
    try:
        code = _run(command, state)
    finally:
        if already is None:
            launch.stop(state)
    sys.exit(code)


@emulator.command(epilog="Example:  gcpmlops emulator reset --yes")
@_data_dir
@_project
@click.option("--yes", is_flag=True, help="Don't ask.")
def reset(data_dir: Path | None, project: str | None, yes: bool) -> None:
    """Remove everything in it: buckets, tables, jobs, models, endpoints, logs. A running one is started again."""
    from gcpmlops.emulator import launch

    project, folder = _where(data_dir, project)
    if not yes:
        click.confirm(f"Remove all data in {folder}?", abort=True)
    state = launch.alive(folder)
    if state is not None:
        launch.stop(state)
    shutil.rmtree(folder, ignore_errors=True)
    if state is not None:
        _or_fail(launch.start, folder, ["--project", state.project, "--port", str(state.port), *state.options])
    click.echo(f"Removed all data in {folder}.", err=True)


@emulator.command(epilog="Example:  gcpmlops emulator coverage --missing")
@click.option("--missing", is_flag=True, help="Only what is not built.")
def coverage(missing: bool) -> None:
    """List every method of every service served, and whether it is built."""
    from gcpmlops.emulator.coverage import rows

    for service, method, built in rows():
        if not (missing and built):
            click.echo(f"{'built' if built else '-':6} {service}.{method}")


emulator.add_command(clock)


def _arguments(options: dict[str, Any]) -> list[str]:
    arguments: list[str] = []
    for name, value in options.items():
        flag = "--" + name.replace("_", "-")
        values = value if isinstance(value, tuple) else (value,)
        for item in values:
            arguments += [flag] if item is True else [] if item in (None, False) else [flag, str(item)]
    return arguments


def _or_fail(function: Any, *args: Any, **options: Any) -> Any:
    from gcpmlops.emulator.server import StartError

    try:
        return function(*args, **options)
    except StartError as error:
        raise click.ClickException(str(error)) from None


def _run(command: tuple[str, ...], state: Running) -> int:
    """Runs the command in the foreground; its exit code, 128 + N when signal N ended it."""
    from gcpmlops.emulator import launch

    try:
        child = subprocess.Popen(command, env=launch.environment(state))
    except FileNotFoundError:
        raise GcpMlopsError(f"{command[0]}: no such command.") from None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the child; we stay to clean up
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: child.send_signal(received))
    code = child.wait()
    return code if code >= 0 else 128 - code


def _memory(pid: int) -> float:
    import psutil

    process = psutil.Process(pid)
    return round(sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / 2**20, 1)
