"""`gcpmlops demo`."""

import click


@click.command(epilog="\b\nExample:\n  gcpmlops demo --keep")
@click.option("--keep", is_flag=True, help="Leave the local Google Cloud running, with everything in it.")
def demo(keep: bool) -> None:
    """The whole life cycle on real data, on this machine.

    Flights of 2013 go from CSV files to a bucket and into BigQuery; a classifier learns from them in a training job, is
    registered and deployed, and tells which flights of July arrive late. Nothing is left afterwards.
    """
    from gcpmlops.demo.run import run

    run(keep=keep)
