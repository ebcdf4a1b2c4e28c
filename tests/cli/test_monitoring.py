"""`gcpmlops monitoring` against the emulator."""

import json
from pathlib import Path

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


def test_alerts_channels_and_the_dashboard(gcpmlops, client: Client, unique, tmp_path: Path) -> None:
    name = unique("cli")
    topic = ("pubsub", "--set", "topic=alerts", "--label", "team=risk")
    gcpmlops("monitoring", "ensure-channel", name, *topic, "--dry-run")
    assert name not in gcpmlops("monitoring", "list-channels").stdout
    assert "projects/local-project/topics/alerts" in gcpmlops("monitoring", "ensure-channel", name, *topic).stdout
    quality = ("quality", "--set", f"model={name}", "--set", "metric=roc_auc", "--set", "below=0.65", "--channel", name)
    gcpmlops("monitoring", "ensure-alert", name, *quality, "--severity", "CRITICAL")
    assert "roc_auc is below 0.65" in gcpmlops("monitoring", "ensure-alert", name, *quality).stdout
    assert gcpmlops("monitoring", "list-alerts").stdout.count(name) == 1
    tested = json.loads(gcpmlops("monitoring", "test-alert", name, "--timeout", 60, "--format", "json").stdout)
    assert tested["mark"].startswith("gcpmlops-test-")
    found = json.loads(gcpmlops("monitoring", "incidents", "--policy", name, "--format", "json").stdout)
    assert [each["policy"]["displayName"] for each in found] == [name]
    assert f"opened: {name}" in gcpmlops("monitoring", "timeline", tested["incident"]).stdout
    page = tmp_path / "incident.html"
    gcpmlops("monitoring", "render-incident", tested["incident"], "--output", page)
    assert "by the outcomes that came" in page.read_text()
    assert "the holidays" in gcpmlops("monitoring", "snooze", name, "--hours", 2, "--why", "the holidays").stdout
    gcpmlops("monitoring", "ensure-dashboard", name, "--model", name, "--alert", name)
    assert name in gcpmlops("monitoring", "list-dashboards").stdout
    page = tmp_path / "dashboard.html"
    assert str(page) in gcpmlops("monitoring", "render-dashboard", name, "--since", "1h", "--output", page).stdout
    assert "Drift by feature" in page.read_text()
    for noun, more in (("dashboard", ()), ("alert", ()), ("channel", ("--force",))):
        gcpmlops("monitoring", f"delete-{noun}", name, *more)
    assert "list-alerts" in gcpmlops("monitoring", "get-alert", name, code=1).stderr


def test_a_file_of_alerts(gcpmlops, client: Client, unique, tmp_path: Path) -> None:
    name, file = unique("file"), tmp_path / "alerts.yaml"
    file.write_text(f"alerts:\n  {name}:\n    kind: drift\n    model: m\n    abov: 0.2\n")
    assert f"{file}:5: unknown key 'abov'" in gcpmlops("monitoring", "apply", file, code=1).stderr
    file.write_text(file.read_text().replace("abov:", "above:"))
    assert "drifted by more than 0.2" in gcpmlops("monitoring", "apply", file).stdout
    client.monitoring.delete_alert(name)
