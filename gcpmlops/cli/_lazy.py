"""A click group whose commands are named by "module:attribute" and imported when used."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from gcpmlops.exceptions import GcpMlopsError


class Failure(click.ClickException):
    """One clear message on stderr, exit code 1."""

    exit_code = 1


class LazyGroup(click.Group):
    """Lists its commands from a table; turns the library's exceptions into one message."""

    def __init__(self, *args: Any, lazy_commands: Mapping[str, tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy_commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, sorted."""
        return sorted({*self._lazy, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, imported now."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}:{attribute} is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table of commands, without importing any."""
        rows = [(name, self._lazy[name][1]) for name in self.list_commands(ctx) if name in self._lazy]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run; what the library raises on purpose is shown without a traceback."""
        try:
            return super().invoke(ctx)
        except GcpMlopsError as exc:
            raise Failure(str(exc)) from exc
        except KeyboardInterrupt as exc:
            for note in getattr(exc, "__notes__", ()):  # what goes on although nobody waits for it
                click.echo(f"\n{note}", err=True)
            raise
