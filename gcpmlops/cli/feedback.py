"""`gcpmlops feedback`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, pairs


@click.group()
def feedback() -> None:
    """Predictions joined with later outcomes: quality over time."""


@command(feedback, "ensure-tables", changes=True, example="gcpmlops feedback ensure-tables feedback")
@click.argument("dataset", default="feedback")
def ensure_tables(call: Call, dataset: str) -> None:
    """Make the tables of predictions and outcomes."""
    tables = call.change("bigquery.tables.insert", "feedback.ensure_tables", dataset)
    _output.show_one(tables._asdict(), tables._asdict(), call.format)


@command(
    feedback, "record-predictions", changes=True, example="gcpmlops feedback record-predictions march.jsonl --version 3"
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--table", default="feedback.predictions", show_default=True, help="Where they are kept.")
@click.option("--model", default="", help="Of rows that name none.")
@click.option("--version", default="", help="Of rows that name none.")
def record_predictions(call: Call, file: str, **given: Any) -> None:
    """Add predictions of a CSV or JSON Lines file: key, score or label, predicted_at, anything else."""
    count = call.change("bigquery.jobs.insert (load)", "feedback.record_predictions", _rows(file), **given)
    call.say(f"Recorded {count} predictions.")


@command(
    feedback,
    "record-outcomes",
    changes=True,
    example="gcpmlops feedback record-outcomes march.csv --key flight_id --outcome late\n"
    "gcpmlops feedback record-outcomes warehouse.flights --key id --outcome late --time landed_at",
)
@click.argument("source")
@click.option("--table", default="feedback.outcomes", show_default=True, help="Where they are kept.")
@click.option("--key", default="key", show_default=True, help="Column of what identifies the instance.")
@click.option("--outcome", default="outcome", show_default=True, help="Column of what happened.")
@click.option("--time", default="observed_at", show_default=True, help="Column of when it was known.")
def record_outcomes(call: Call, source: str, **given: Any) -> None:
    """Add outcomes of a CSV or JSON Lines file, or of a BigQuery table."""
    is_file = source.endswith((".csv", ".jsonl", ".ndjson"))
    rows = _rows(source) if is_file else source
    count = call.change("bigquery.jobs.insert", "feedback.record_outcomes", rows, **given)
    call.say(f"Recorded {count} outcomes.")


def _rows(file: str) -> list[dict[str, Any]]:
    import csv
    import json
    from pathlib import Path

    try:
        with Path(file).open(encoding="utf-8", newline="") as lines:
            if not file.endswith(".csv"):
                return [json.loads(line) for line in lines if line.strip()]
            return [{key: value or None for key, value in row.items()} | _numbers(row) for row in csv.DictReader(lines)]
    except (OSError, ValueError) as exc:
        raise click.BadParameter(f"{file}: {exc}", param_hint="FILE") from exc


def _numbers(row: dict[str, Any]) -> dict[str, float]:
    return {"score": float(row["score"])} if row.get("score") else {}


def _joined(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of what is joined, and how."""
    for option in reversed(
        [
            click.option("--endpoint-log", help="The endpoint whose request log has the predictions."),
            click.option("--key", help="With --endpoint-log: the instance's field that identifies it, or its [PLACE]."),
            click.option(
                "--prediction", default="$", show_default=True, help="JSON path of the score: $, $[1], $.score."
            ),
            click.option("--feature", "features", multiple=True, help="Names of a list's places, in order."),
            click.option(
                "--deployed", multiple=True, callback=pairs, metavar="ID=VERSION", help="Models that are long gone."
            ),
            click.option("--predictions", default="feedback.predictions", show_default=True, help="Their table."),
            click.option("--outcomes", default="feedback.outcomes", show_default=True, help="Their table."),
            click.option("--outcome-key", default="key", show_default=True, help="Column of the outcomes' table."),
            click.option("--outcome", default="outcome", show_default=True, help="Column of the outcomes' table."),
            click.option("--outcome-time", default="observed_at", show_default=True, help="Column of that table."),
            click.option("--task", default="binary", show_default=True, help="binary, regression or multiclass."),
            click.option("--metric", "metrics", multiple=True, help="roc_auc, log_loss, mae, ...; may be repeated."),
            click.option(
                "--by", multiple=True, default=("version", "month"), show_default=True, help="May be repeated."
            ),
            click.option("--window", default="", help="A length instead of a unit of time: 7d."),
            click.option("--since", type=click.DateTime(), help="Predictions from then on (UTC)."),
            click.option("--until", type=click.DateTime(), help="Predictions before then (UTC)."),
            click.option("--late-after", help="Outcomes after so long are counted as late: 7d."),
            click.option("--minimum", default=30, show_default=True, help="Outcomes below which there is no figure."),
            click.option("--threshold", default=0.5, show_default=True, help="Of the score."),
            click.option("--positive", default="", help="Of outcomes that are texts, the one that is 1."),
        ]
    ):
        function = option(function)
    return function


def _quality(
    call: Call,
    *,
    endpoint_log: str | None,
    key: str | None,
    prediction: str,
    features: tuple[str, ...],
    deployed: dict[str, str] | None,
    outcome_key: str,
    outcome: str,
    outcome_time: str,
    since: datetime | None,
    until: datetime | None,
    **given: Any,
) -> Any:
    from gcpmlops.feedback import OutcomeTable

    if endpoint_log:
        if not key:
            raise click.UsageError("--endpoint-log needs --key")
        given["predictions"] = call.read(
            "feedback.request_log", endpoint_log, key=key, prediction=prediction, features=features, versions=deployed
        )
    outcomes = OutcomeTable(table=given.pop("outcomes"), key=outcome_key, outcome=outcome, time=outcome_time)
    times = {"since": since, "until": until}
    aware = {name: moment.replace(tzinfo=UTC) for name, moment in times.items() if moment is not None}
    return call.read("feedback.quality", outcomes=outcomes, **aware, **given)


@command(
    feedback,
    "quality",
    example="gcpmlops feedback quality --metric roc_auc --by version --by month --by carrier\n"
    "gcpmlops feedback quality --endpoint-log flights --key flight_id --prediction '$[1]' --output quality.html",
)
@_joined
@click.option("--output", type=click.Path(dir_okay=False), help="Also an HTML file with pictures.")
def quality(call: Call, output: str | None, **given: Any) -> None:
    """Show how good predictions were, by window, version and slice."""
    found = _quality(call, **given)
    if call.format == "table":
        _output.show_table([{name: _short(value) for name, value in row.items()} for row in found.rows()])
    else:
        _output.show_data({"rows": found.rows(), "left_over": dict(found.left_over)}, call.format)
    left = {name.replace("_", " "): count for name, count in found.left_over.items() if count}
    call.say(", ".join(f"{name}: {count}" for name, count in left.items()))
    if output:
        call.say(f"Wrote {found.report(output)}.")


def _short(value: Any) -> Any:
    return f"{value:.4g}" if isinstance(value, float) else value


@command(
    feedback,
    "publish",
    changes=True,
    example="gcpmlops feedback publish flights --endpoint-log flights --key flight_id --prediction '$[1]'",
)
@click.argument("model")
@_joined
def publish(call: Call, model: str, **given: Any) -> None:
    """Measure, and write the figures as the metric gcpmlops/quality."""
    done = call.change("MetricService.CreateTimeSeries", "feedback.publish", _quality(call, **given), model=model)
    _output.show_one(vars(done), vars(done), call.format)
