"""`gcpmlops logs`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, pairs


@click.group()
def logs() -> None:
    """Cloud Logging: entries, log-based metrics, sinks."""


def _row(row: Any) -> dict[str, Any]:
    return {"time": row.time, "severity": row.severity, "log": row.log, "text": row.text}


def _whole(row: Any) -> dict[str, Any]:
    shown = {"time": row.time.isoformat(), "severity": row.severity, "text": row.text, "fields": row.fields}
    place = {"log": row.log, "resource": {"type": row.resource, "labels": row.resource_labels}}
    return {**shown, "labels": row.labels, **place, "trace": row.trace, "insert_id": row.insert_id}


def _metric(metric: Any) -> dict[str, Any]:
    kind = "distribution" if metric.is_distribution else "counter"
    return {"name": metric.name, "kind": kind, "filter": metric.filter, "labels": metric.labels, "type": metric.type}


def _sink(sink: Any) -> dict[str, Any]:
    shown = {"name": sink.name, "destination": sink.destination, "filter": sink.filter}
    return {**shown, "exclusions": sink.exclusions, "writer_identity": sink.writer_identity}


_FILTER = click.argument("filter_", metavar="[FILTER]", default="")


@command(logs, "query", example="gcpmlops logs query 'severity>=ERROR' --since 1h --limit 20")
@_FILTER
@click.option("--since", default="1d", show_default=True, help="How long ago, such as 90s, 10m, 24h, 7d; 'always'.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many at most.")
@click.option("--order", type=click.Choice(["desc", "asc"]), default="desc", show_default=True, help="Newest first?")
def query(call: Call, filter_: str, since: str, **given: Any) -> None:
    """Show the entries that pass a filter in the Logging query language."""
    rows = call.read("logs.query", filter_, since=None if since == "always" else since, **given)
    if call.format == "table":
        _output.show_table([_row(row) for row in rows], empty="No entries.")
    else:
        _output.show_data([_whole(row) for row in rows], call.format)


@command(logs, "follow", example="gcpmlops logs follow 'resource.type=\"ml_job\"' --since 10m")
@_FILTER
@click.option("--since", default="0s", show_default=True, help="How long ago it begins.")
@click.option("--timeout", type=float, help="Seconds after which it ends; never otherwise.")
def follow(call: Call, filter_: str, **given: Any) -> None:
    """Show entries as they come: a line each, with --format json an object each."""
    for row in call.read("logs.follow", filter_, **given):
        if call.format == "table":
            click.echo(f"{row.time:%Y-%m-%d %H:%M:%S} {row.severity:<8} {row.text}")
        else:
            click.echo(json.dumps(_whole(row), ensure_ascii=False, default=str))


def _object(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Any:
    try:
        found = None if value is None else json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is no JSON: {error}") from None
    if found is not None and not isinstance(found, dict):
        raise click.BadParameter(f"{value!r} is no JSON object")
    return found


@command(logs, "write", changes=True, example="gcpmlops logs write 'month loaded' --label month=2013-02")
@click.argument("message", required=False)
@click.option("--json", "fields", callback=_object, metavar="OBJECT", help="A structured entry; MESSAGE joins it.")
@click.option("--severity", default="INFO", show_default=True, help="DEBUG, INFO, WARNING, ERROR, ...")
@click.option("--log", default="gcpmlops", show_default=True, help="The log's id.")
@click.option("--label", "labels", multiple=True, callback=pairs, metavar="KEY=VALUE", help="May be repeated.")
def write(call: Call, message: str | None, fields: dict[str, Any] | None, **given: Any) -> None:
    """Write one entry."""
    if message is None and fields is None:
        raise click.UsageError("Give a MESSAGE, or --json.")
    whole = message if fields is None else {**fields, **({"message": message} if message is not None else {})}
    call.change("LoggingServiceV2.WriteLogEntries", "logs.write", whole, **given)
    call.say("Written.")


@command(logs, "list", example="gcpmlops logs list")
def list_(call: Call) -> None:
    """List the logs that hold entries."""
    names = call.read("logs.list")
    if call.format == "table":
        _output.show_table([{"log": name} for name in names], empty="No logs.")
    else:
        _output.show_data(names, call.format)


@command(logs, "delete", changes=True, example="gcpmlops logs delete gcpmlops")
@click.argument("log")
def delete(call: Call, log: str) -> None:
    """Delete a log with all its entries."""
    call.change("LoggingServiceV2.DeleteLog", "logs.delete", log)
    call.say(f"Deleted {log}.")


_NAME = click.argument("name")
_WANTED = click.option("--filter", "filter_", required=True, help="In the Logging query language.")


def _described(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--disabled", is_flag=True, help="Made, but at rest.")(function)
    return click.option("--description", default="", help="What it is for.")(function)


@command(
    logs,
    "ensure-metric",
    changes=True,
    example="gcpmlops logs ensure-metric losses --filter 'log_id(\"train\")' --value jsonPayload.loss --bucket 0.1",
)
@_NAME
@_WANTED
@click.option("--value", help="Field or expression whose values are gathered; otherwise entries are counted.")
@click.option("--label", "labels", multiple=True, callback=pairs, metavar="KEY=FIELD", help="May be repeated.")
@click.option("--bucket", "buckets", type=float, multiple=True, help="Bound of a bucket; may be repeated.")
@click.option("--unit", default="1", show_default=True, help="Of the value.")
@_described
def ensure_metric(call: Call, name: str, filter_: str, **given: Any) -> None:
    """Make a log-based metric, or bring it up to date."""
    made = call.change("MetricsServiceV2.UpdateLogMetric", "logs.ensure_metric", name, filter=filter_, **given)
    call.show(made, _metric)


@command(logs, "list-metrics", example="gcpmlops logs list-metrics")
def list_metrics(call: Call) -> None:
    """List the log-based metrics."""
    call.show_all(call.read("logs.list_metrics"), _metric, what="log-based metrics")


@command(logs, "get-metric", example="gcpmlops logs get-metric losses")
@_NAME
def get_metric(call: Call, name: str) -> None:
    """Show a log-based metric."""
    call.show(call.read("logs.get_metric", name), _metric)


@command(logs, "delete-metric", changes=True, example="gcpmlops logs delete-metric losses")
@_NAME
def delete_metric(call: Call, name: str) -> None:
    """Delete a log-based metric."""
    call.change("MetricsServiceV2.DeleteLogMetric", "logs.delete_metric", name)
    call.say(f"Deleted {name}.")


@command(
    logs,
    "ensure-sink",
    changes=True,
    example="gcpmlops logs ensure-sink errors --destination bq://logs --filter 'severity>=ERROR'",
)
@_NAME
@click.option("--destination", required=True, help="gs://BUCKET, bq://[PROJECT.]DATASET or projects/P/topics/T.")
@click.option("--filter", "filter_", default="", help="In the Logging query language; all entries otherwise.")
@click.option("--exclusion", "exclusions", multiple=True, callback=pairs, metavar="NAME=FILTER", help="Repeatable.")
@click.option("--partitioned/--by-day", default=True, help="BigQuery: one partitioned table a log, or one a day.")
@_described
def ensure_sink(call: Call, name: str, filter_: str, **given: Any) -> None:
    """Make a sink, or bring it up to date."""
    call.show(call.change("ConfigServiceV2.UpdateSink", "logs.ensure_sink", name, filter=filter_, **given), _sink)


@command(logs, "list-sinks", example="gcpmlops logs list-sinks")
def list_sinks(call: Call) -> None:
    """List the sinks."""
    call.show_all(call.read("logs.list_sinks"), _sink, what="sinks")


@command(logs, "get-sink", example="gcpmlops logs get-sink errors")
@_NAME
def get_sink(call: Call, name: str) -> None:
    """Show a sink."""
    call.show(call.read("logs.get_sink", name), _sink)


@command(logs, "delete-sink", changes=True, example="gcpmlops logs delete-sink errors")
@_NAME
def delete_sink(call: Call, name: str) -> None:
    """Delete a sink."""
    call.change("ConfigServiceV2.DeleteSink", "logs.delete_sink", name)
    call.say(f"Deleted {name}.")
