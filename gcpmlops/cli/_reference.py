"""Writes docs/cli.md from the commands themselves: ``python -m gcpmlops.cli._reference``; a test holds it true."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from gcpmlops.cli import root

_PAGE = Path("docs/cli.md")
_HEAD = (
    "# The command line\n\nGenerated from the commands' own help (`make coverage`); a test fails when it is stale.\n"
)


def page() -> str:
    """The page as Markdown."""
    # as click itself makes it: its help options are kept by each command that was once asked for help
    context = click.Context(root, info_name="gcpmlops", terminal_width=100, **root.context_settings)
    return _HEAD + "".join(_sections(root, context))


def _sections(command: click.Command, context: click.Context) -> Iterator[str]:
    level = "##" if context.parent is None or context.parent.parent is None else "###"
    yield f"\n{level} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _sections(child, click.Context(child, info_name=name, parent=context, terminal_width=100))


if __name__ == "__main__":
    _PAGE.write_text(page(), "utf-8")
