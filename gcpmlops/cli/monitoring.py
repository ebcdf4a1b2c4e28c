"""`gcpmlops monitoring`."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

import click

from gcpmlops.cli import _output
from gcpmlops.cli._options import Call, command, labels, pairs


@click.group()
def monitoring() -> None:
    """Metrics, alerts, channels, incidents and dashboards of Cloud Monitoring."""


def _metric(metric: Any) -> dict[str, Any]:
    shown = {"type": metric.type, "kind": metric.kind, "value_type": metric.value_type, "unit": metric.unit}
    return {**shown, "labels": list(metric.labels)}


def _policy(policy: Any) -> dict[str, Any]:
    shown = {"display_name": policy.display_name, "kind": policy.kind, "severity": policy.severity}
    return {**shown, "conditions": list(policy.conditions), "channels": len(policy.channels), "id": policy.id}


def _channel(channel: Any) -> dict[str, Any]:
    shown = {"display_name": channel.display_name, "type": channel.type, **channel.labels}
    return {**shown, "enabled": channel.enabled, "id": channel.id}


def _listed_channel(channel: Any) -> dict[str, Any]:
    return {"display_name": channel.display_name, "type": channel.type, "labels": channel.labels, "id": channel.id}


def _dashboard(dashboard: Any) -> dict[str, Any]:
    return {"display_name": dashboard.display_name, "widgets": len(dashboard.widgets), "id": dashboard.id}


def _incident(incident: Any) -> dict[str, Any]:
    row: dict[str, Any] = incident.row()
    return row


_NAME = click.argument("name")
_LABELS = click.option(
    "--label", "labels", multiple=True, callback=pairs, metavar="KEY=VALUE", help="Of the metric; may be repeated."
)
_SET = click.option(
    "--set", "given", multiple=True, callback=pairs, metavar="KEY=VALUE", help="What the kind needs; may be repeated."
)


def _moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> Any:
    """A duration stays as it is; a date with its time zone becomes a datetime."""
    if value is None or "-" not in value:
        return value
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as exc:
        raise click.BadParameter(f"{value!r} is neither 24h nor 2026-01-31T12:00+00:00") from exc
    if moment.tzinfo is None:
        raise click.BadParameter(f"{value!r} has no time zone, such as +00:00")
    return moment


_SINCE = click.option("--since", callback=_moment, help="How long ago (24h), or a date with time and time zone.")


@command(monitoring, "ensure-metric", changes=True, example="gcpmlops monitoring ensure-metric queue --unit '{rows}'")
@_NAME
@click.option("--kind", default="GAUGE", show_default=True, help="GAUGE or CUMULATIVE.")
@click.option("--value-type", default="DOUBLE", show_default=True, help="DOUBLE, INT64, BOOL, STRING, DISTRIBUTION.")
@click.option("--unit", default="1", show_default=True, help="1, s, By, {rows}, ...")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY",
    callback=lambda _ctx, _param, keys: dict.fromkeys(keys, ""),
    help="A label that it has; may be repeated.",
)
@click.option("--description", default="", help="What it is.")
def ensure_metric(call: Call, name: str, **given: Any) -> None:
    """Make a metric, or add labels to it."""
    call.show(call.change("MetricService.CreateMetricDescriptor", "monitoring.ensure_metric", name, **given), _metric)


@command(monitoring, "list-metrics", example="gcpmlops monitoring list-metrics")
@click.option("--prefix", default="custom.googleapis.com/gcpmlops/", show_default=True, help="Of the types.")
def list_metrics(call: Call, prefix: str) -> None:
    """List metrics."""
    call.show_all(call.read("monitoring.list_metrics", prefix), _metric, what="metrics")


@command(monitoring, "write", changes=True, example="gcpmlops monitoring write queue 17 --label lane=fast")
@click.argument("metric")
@click.argument("value")
@_LABELS
@click.option("--at", callback=_moment, help="A date with time and time zone; now, where it isn't said.")
def write(call: Call, metric: str, value: str, **given: Any) -> None:
    """Write one value of a metric."""
    kind = "DOUBLE" if call.dry_run else call.read("monitoring.get_metric", metric).value_type
    call.change("MetricService.CreateTimeSeries", "monitoring.write", metric, _value(value, kind), **given)
    call.say(f"Wrote {value} to {metric}.")


def _value(text: str, kind: str) -> Any:
    try:
        if kind == "BOOL":
            return {"true": True, "false": False}[text.lower()]
        return {"INT64": int, "STRING": str}.get(kind, float)(text)
    except (ValueError, KeyError) as exc:
        raise click.BadParameter(f"{text!r} is no value of type {kind}", param_hint="VALUE") from exc


@command(
    monitoring,
    "read",
    example="gcpmlops monitoring read quality --since 7d --label model=flights\n"
    "gcpmlops monitoring read aiplatform.googleapis.com/prediction/online/response_count --align rate --reduce sum",
)
@click.argument("metric")
@_SINCE
@click.option("--align", help="One value a period: mean, max, sum, rate, delta, p95, ...")
@click.option("--reduce", help="Of several time series one: sum, mean, max, p95, ...")
@click.option("--by", multiple=True, help="Label that stays apart when reduced; may be repeated.")
@click.option("--every", default="60s", show_default=True, help="The period.")
@_LABELS
def read(call: Call, metric: str, since: Any, **given: Any) -> None:
    """Show the values of a metric, oldest first."""
    found = call.read("monitoring.read", metric, since=since or "1h", **given)
    rows = sorted(found.rows(), key=lambda row: row["time"])
    if call.format == "table":
        columns = dict.fromkeys(key for row in rows for key in row)
        _output.show_table([{key: row.get(key) for key in columns} for row in rows], empty="No points.")
    else:
        _output.show_data(rows, call.format)


@command(
    monitoring,
    "check-data-age",
    changes=True,
    example="gcpmlops monitoring check-data-age flights.raw --column loaded_at",
)
@click.argument("table")
@click.option("--column", required=True, help="The rows' time.")
def check_data_age(call: Call, table: str, column: str) -> None:
    """Write how old the newest row of a table is, for alerts on stale data."""
    age = call.change("MetricService.CreateTimeSeries", "monitoring.check_data_age", table, column=column)
    click.echo(f"{age:.0f}")


@command(
    monitoring,
    "ensure-alert",
    changes=True,
    example="gcpmlops monitoring ensure-alert 'flights: errors' error_rate --set endpoint=flights --set above=0.02\n"
    "gcpmlops monitoring ensure-alert 'flights: AUC' quality --set model=flights --set metric=roc_auc "
    "--set below=0.65 --channel 'on call'",
)
@_NAME
@click.argument(
    "kind",
    type=click.Choice(
        ["error_rate", "latency", "no_traffic", "drift", "quality", "stale_data", "threshold", "absence", "log_match"]
    ),
)
@_SET
@click.option("--channel", "channels", multiple=True, help="Who is told: display name or id; may be repeated.")
@click.option("--severity", default="WARNING", show_default=True, help="CRITICAL, ERROR or WARNING.")
@click.option("--auto-close", default="7d", show_default=True, help="Close an incident without data after so long.")
@click.option("--runbook", default="", help="Markdown, after the text of the kind.")
@labels
def ensure_alert(call: Call, name: str, kind: str, given: dict[str, str] | None, **options: Any) -> None:
    """Make an alert policy, or bring it up to date."""
    from gcpmlops._monitoring.alerts import KINDS

    alert = _built(KINDS[kind], given)
    found = call.change(
        "AlertPolicyService.CreateAlertPolicy, UpdateAlertPolicy", "monitoring.ensure_alert", name, alert, **options
    )
    call.show(found, _policy)


@command(
    monitoring,
    "ensure-channel",
    changes=True,
    example="gcpmlops monitoring ensure-channel 'on call' webhook --set url=https://example.com/hook --set token=T\n"
    "gcpmlops monitoring ensure-channel retraining pubsub --set topic=alerts",
)
@_NAME
@click.argument("kind", type=click.Choice(["webhook", "pubsub", "email"]))
@_SET
@labels
def ensure_channel(call: Call, name: str, kind: str, given: dict[str, str] | None, **options: Any) -> None:
    """Make a notification channel, or bring it up to date."""
    from gcpmlops._monitoring.channels import KINDS

    found = call.change(
        "NotificationChannelService.CreateNotificationChannel, UpdateNotificationChannel",
        "monitoring.ensure_channel",
        name,
        _built(KINDS[kind], given),
        **options,
    )
    call.show(found, _channel)


def _built(kind: type[Any], given: dict[str, str] | None) -> Any:
    """Texts as the fields' types have them. Raises InvalidArgument, BadParameter."""
    from gcpmlops._monitoring.alert_file import build

    types = {field.name: str(field.type) for field in fields(kind)}
    values: dict[str, Any] = {}
    for key, text in (given or {}).items():
        if key not in types:
            raise click.BadParameter(f"{key!r} is unknown; there are {', '.join(types)}", param_hint="--set")
        values[key] = _typed(key, text, types[key])
    return build(kind, values)


def _typed(key: str, text: str, kind: str) -> Any:
    import yaml

    if kind == "str" or kind.startswith("Duration"):
        return text
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise click.BadParameter(f"{key}={text!r}", param_hint="--set") from exc


@command(monitoring, "apply", changes=True, example="gcpmlops monitoring apply alerts.yaml")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
def apply(call: Call, file: str) -> None:
    """Ensure the channels and alerts of a YAML file."""
    found = call.change("AlertPolicyService, NotificationChannelService", "monitoring.apply", file)
    call.show_all(found, _policy, what="alerts")


@command(monitoring, "list-alerts", example="gcpmlops monitoring list-alerts")
@click.option("--filter", "filter_", help="As in the API.")
def list_alerts(call: Call, filter_: str | None) -> None:
    """List the alert policies."""
    call.show_all(call.read("monitoring.list_alerts", filter=filter_), _policy, what="alert policies")


@command(monitoring, "get-alert", example="gcpmlops monitoring get-alert 'flights: errors'")
@_NAME
def get_alert(call: Call, name: str) -> None:
    """Show an alert policy."""
    call.show(call.read("monitoring.get_alert", name), _policy)


@command(monitoring, "delete-alert", changes=True, example="gcpmlops monitoring delete-alert 'flights: errors'")
@_NAME
def delete_alert(call: Call, name: str) -> None:
    """Delete an alert policy."""
    call.change("AlertPolicyService.DeleteAlertPolicy", "monitoring.delete_alert", name)
    call.say(f"Deleted {name}.")


@command(monitoring, "list-channels", example="gcpmlops monitoring list-channels")
@click.option("--filter", "filter_", help="As in the API.")
def list_channels(call: Call, filter_: str | None) -> None:
    """List the notification channels."""
    call.show_all(call.read("monitoring.list_channels", filter=filter_), _listed_channel, what="channels")


@command(monitoring, "delete-channel", changes=True, example="gcpmlops monitoring delete-channel 'on call' --force")
@_NAME
@click.option("--force", is_flag=True, help="Although policies name it.")
def delete_channel(call: Call, name: str, force: bool) -> None:
    """Delete a notification channel."""
    call.change("NotificationChannelService.DeleteNotificationChannel", "monitoring.delete_channel", name, force=force)
    call.say(f"Deleted {name}.")


@command(
    monitoring,
    "incidents",
    example="gcpmlops monitoring incidents --state OPEN\n"
    "gcpmlops monitoring incidents --policy 'flights: errors' --since 7d",
)
@click.option("--state", help="OPEN or CLOSED.")
@click.option("--policy", help="Only this policy's: display name or id.")
@_SINCE
def incidents(call: Call, **given: Any) -> None:
    """List incidents, the newest first."""
    call.show_all(call.read("monitoring.incidents", **given), _incident, what="incidents")


@command(monitoring, "timeline", example="gcpmlops monitoring timeline INCIDENT_ID")
@click.argument("incident")
def timeline(call: Call, incident: str) -> None:
    """Show what happened in an incident, in order."""
    rows = [moment._asdict() for moment in call.read("monitoring.timeline", incident)]
    if call.format == "table":
        _output.show_table(rows)
    else:
        _output.show_data(rows, call.format)


@command(
    monitoring, "render-incident", example="gcpmlops monitoring render-incident INCIDENT_ID --output incident.html"
)
@click.argument("incident")
@click.option("--output", type=click.Path(dir_okay=False), help="HTML file; the incident's id otherwise.")
def render_incident(call: Call, incident: str, output: str | None) -> None:
    """Write an incident as one HTML page: what the policy saw, the timeline, the runbook."""
    name = incident.rpartition("/")[2]
    click.echo(call.read("monitoring.render_incident", incident, output or f"incident-{name}.html"))


@command(monitoring, "test-alert", changes=True, example="gcpmlops monitoring test-alert 'flights: drift'")
@click.argument("policy")
@click.option("--timeout", default=300.0, show_default=True, help="Seconds to wait for the incident.")
@click.option("--unmarked", is_flag=True, help="Write into the real time series where no label is free.")
def test_alert(call: Call, policy: str, **given: Any) -> None:
    """Write a marked value that violates a policy, and wait until its incident is open."""
    with call.waiting(f"Waiting for an incident of {policy}"):
        found = call.change("MetricService.CreateTimeSeries", "monitoring.test_alert", policy, **given)
    call.show(
        found,
        lambda test: {
            "policy": test.policy,
            "seconds": round(test.seconds, 1),
            "incident": test.incident.id,
            "value": test.value,
            "mark": test.mark,
            "channels": len(test.channels),
        },
    )


@command(
    monitoring,
    "snooze",
    changes=True,
    example="gcpmlops monitoring snooze 'flights: drift' --hours 8 --why 'holiday season, expected'",
)
@click.argument("policy")
@click.option("--hours", type=float, required=True, help="How long.")
@click.option("--why", required=True, help="The reason.")
def snooze(call: Call, policy: str, **given: Any) -> None:
    """Let a policy open no incidents for a time."""
    found = call.change("SnoozeService.CreateSnooze", "monitoring.snooze", policy, **given)
    call.show(found, lambda each: {"name": each.name, "why": each.display_name, "until": each.until})


@command(
    monitoring,
    "ensure-dashboard",
    changes=True,
    example="gcpmlops monitoring ensure-dashboard flights --served-by flights --model flights --metric roc_auc",
)
@_NAME
@click.option("--served-by", "served_by", help="The endpoint: id or display name.")
@click.option("--model", help="As its quality and drift are published.")
@click.option("--metric", "metrics", multiple=True, default=("roc_auc",), show_default=True, help="May be repeated.")
@click.option("--alert", "alerts", multiple=True, help="A policy that is shown; may be repeated.")
@click.option("--drift-above", default=0.3, show_default=True, help="The limit in the picture of drift.")
@click.option("--logs", default="", help="A filter of Cloud Logging for the last panel.")
def ensure_dashboard(call: Call, name: str, served_by: str | None, **given: Any) -> None:
    """Make the dashboard of a model's life, or bring it up to date."""
    found = call.change(
        "DashboardsService.CreateDashboard, UpdateDashboard",
        "monitoring.ensure_dashboard",
        name,
        endpoint=served_by,
        **given,
    )
    call.show(found, _dashboard)


@command(monitoring, "list-dashboards", example="gcpmlops monitoring list-dashboards")
def list_dashboards(call: Call) -> None:
    """List the dashboards."""
    call.show_all(call.read("monitoring.list_dashboards"), _dashboard, what="dashboards")


@command(monitoring, "delete-dashboard", changes=True, example="gcpmlops monitoring delete-dashboard flights")
@_NAME
def delete_dashboard(call: Call, name: str) -> None:
    """Delete a dashboard."""
    call.change("DashboardsService.DeleteDashboard", "monitoring.delete_dashboard", name)
    call.say(f"Deleted {name}.")


@command(
    monitoring,
    "render-dashboard",
    example="gcpmlops monitoring render-dashboard flights --since 7d --output flights.html",
)
@_NAME
@_SINCE
@click.option("--output", type=click.Path(dir_okay=False), help="HTML file; the dashboard's name otherwise.")
def render_dashboard(call: Call, name: str, since: Any, output: str | None) -> None:
    """Write a dashboard as one HTML page with the data that it names."""
    from gcpmlops._plots import slug

    click.echo(call.read("monitoring.render_dashboard", name, output or f"{slug(name)}.html", since=since or "1d"))
