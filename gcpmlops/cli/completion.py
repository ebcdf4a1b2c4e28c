"""`gcpmlops completion`."""

import click


@click.command(epilog='\b\nExample:\n  eval "$(gcpmlops completion bash)"      # in ~/.bashrc')
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the shell's completion script."""
    from click.shell_completion import get_completion_class

    from gcpmlops.cli import root

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"no completion for {shell}")
    click.echo(kind(root, {}, "gcpmlops", "_GCPMLOPS_COMPLETE").source())
