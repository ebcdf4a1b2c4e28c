"""`gcpmlops monitoring` against the emulator."""

import json

from gcpmlops import Client


def test_a_metric_on_the_command_line(gcpmlops, client: Client, unique) -> None:
    name = unique("queue").replace("-", "_")
    gcpmlops("monitoring", "ensure-metric", name, "--label", "lane", "--value-type", "INT64", "--unit", "{rows}")
    assert name in gcpmlops("monitoring", "list-metrics").stdout
    gcpmlops("monitoring", "write", name, "17", "--label", "lane=fast", "--dry-run")
    gcpmlops("monitoring", "write", name, "19", "--label", "lane=fast")
    assert "17.5" in gcpmlops("monitoring", "write", name, "17.5", code=2).stderr
    (row,) = json.loads(gcpmlops("monitoring", "read", name, "--format", "json").stdout)
    assert (row["value"], row["lane"]) == (19, "fast")
    assert "ensure-metric" in gcpmlops("monitoring", "write", "nobody/made/it", "1", code=1).stderr
    assert "time zone" in gcpmlops("monitoring", "read", name, "--since", "2026-01-01", code=2).stderr


def test_what_an_alert_needs_is_said_before_any_call(gcpmlops) -> None:
    ensure = ("monitoring", "ensure-alert", "errors")
    assert "needs endpoint" in gcpmlops(*ensure, "error_rate", code=1).stderr
    assert "'abov' is unknown" in gcpmlops(*ensure, "error_rate", "--set", "abov=1", code=2).stderr
    assert "a number" in gcpmlops(*ensure, "drift", "--set", "above=high", code=1).stderr
    assert "ErrorRate" in gcpmlops(*ensure, "error_rate", "--set", "endpoint=flights", "--dry-run").stdout
