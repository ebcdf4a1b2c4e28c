"""`gcpmlops demo`."""

from pathlib import Path

import click


@click.command(epilog="\b\nExample:\n  gcpmlops demo --keep")
@click.option("--keep", is_flag=True, help="Leave the local Google Cloud running, with everything in it.")
@click.option(
    "--report",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    default=Path("gcpmlops-demo.html"),
    show_default=True,
    help="Where the evaluation report is written.",
)
@click.option(
    "--enforce-iam",
    is_flag=True,
    help="In an empty project, as service accounts with the least roles: gcpmlops init comes first.",
)
def demo(keep: bool, report: Path, enforce_iam: bool) -> None:
    """The whole life cycle on real data, on this machine.

    Flights of 2013 go from CSV files to a bucket and into BigQuery; a classifier learns from them in a training job, is
    registered and deployed, and tells which flights arrive late. A second one that has learned from more months is
    evaluated by month and airline, passes the gates, and takes the first one's place by canary, under load. Nothing is
    left afterwards but the evaluation's report.
    """
    from gcpmlops.demo.run import run

    run(keep=keep, report_path=report, enforce_iam=enforce_iam)
