"""`gcpmlops config`."""

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command


@click.group()
def config() -> None:
    """Settings, and where each comes from."""


@command(config, "show", example="gcpmlops config show --format json")
def show(call: Call) -> None:
    """Show every setting with its value and its source."""
    from gcpmlops.config import Config

    rows = [{"setting": n, "value": v, "source": s} for n, v, s in Config.load(**call.settings).items()]
    if call.format == "table":
        _output.show_table(rows)
    else:
        _output.show_data(rows, call.format)
