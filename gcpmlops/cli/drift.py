"""`gcpmlops drift`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command

F = TypeVar("F", bound=Callable[..., Any])


@click.group()
def drift() -> None:
    """Skew and drift of data: features that moved, and broken feeds.

    Data are a BigQuery table or query, which is counted in BigQuery, or a .csv, .parquet or .jsonl file, here or in
    Cloud Storage. Numbers are compared by Jensen-Shannon divergence, categories by L-infinity distance, as Vertex AI
    does.
    """


def _settings(function: F) -> F:
    """What every comparison takes, and where its results go."""
    for option in reversed(
        [
            click.option(
                "--feature", "features", multiple=True, metavar="COLUMN", help="May be repeated; default all."
            ),
            click.option(
                *("--threshold", "thresholds"),
                multiple=True,
                metavar="NUMBER|COLUMN=NUMBER",
                help="Of all features (default 0.3), or of one; may be repeated.",
            ),
            click.option("--categorical", multiple=True, metavar="COLUMN", help="Numbers that are codes."),
            click.option("--bins", type=int, default=10, show_default=True, help="Intervals of numbers."),
            click.option(
                "--binning",
                type=click.Choice(["equal_width", "quantile"]),
                default="equal_width",
                show_default=True,
                help="Over the range of both, or by the baseline's quantiles.",
            ),
            click.option("--report", metavar="FILE.html", help="Write the report with plots; may be gs://."),
            click.option("--fail", is_flag=True, help="Exit with 1 where a feature drifted or data are broken."),
        ]
    ):
        function = option(function)
    return function


@command(
    drift,
    "compare",
    example="""gcpmlops drift compare flights.january flights.july --threshold 0.2 --threshold carrier=0.1 \\
  --report july.html --fail
gcpmlops drift compare train.csv "SELECT * FROM flights.raw WHERE month = 7" --format json""",
)
@click.argument("baseline")
@click.argument("current")
@_settings
def compare(call: Call, baseline: str, current: str, **given: Any) -> None:
    """Compare two sets of data."""
    _run(call, "compare", baseline, current, **given)


@command(drift, "skew", example="gcpmlops drift skew flights.training flights.served --fail")
@click.argument("training")
@click.argument("serving")
@_settings
def skew(call: Call, training: str, serving: str, **given: Any) -> None:
    """Compare what a model was trained on with what it is asked, which may be much less."""
    _run(call, "skew", training, serving, **given)


@command(drift, "drift", example="gcpmlops drift drift flights.may flights.june --fail")
@click.argument("previous")
@click.argument("current")
@_settings
def between(call: Call, previous: str, current: str, **given: Any) -> None:
    """Compare two windows of the same length: a tenth of the rows is a data problem, too."""
    _run(call, "drift", previous, current, **given)


def _run(
    call: Call,
    method: str,
    baseline: str,
    current: str,
    *,
    features: Sequence[str],
    thresholds: Sequence[str],
    report: str | None,
    fail: bool,
    **settings: Any,
) -> NoReturn:
    """Compare, show and write; ends the command."""
    found = _thresholds(thresholds)
    more = {"features": list(features)} if features else {}
    with call.waiting(f"Comparing {current} with {baseline}"):
        result = call.read(f"drift.{method}", baseline, current, thresholds=found, **more, **settings)
    if call.format == "table":
        _output.show_table(result.rows(), empty="No features.")
    else:
        _output.show_data(result.to_dict(), call.format)
    call.say(str(result))
    if report:
        call.keep(report, result.report)
    click.get_current_context().exit(1 if fail and result.verdict != "ok" else 0)


def _thresholds(given: Sequence[str]) -> dict[str, float]:
    """COLUMN=NUMBER for some columns, NUMBER for the others."""
    found = {}
    for text in given or ["0.3"]:
        name, _, number = text.rpartition("=")
        try:
            found[name or "*"] = float(number)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not NUMBER or COLUMN=NUMBER") from None
    return found
