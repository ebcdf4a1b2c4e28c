"""Incidents as `projects.alerts` of the REST API has them, which no installed client knows."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from google.api_core import exceptions
from google.protobuf import struct_pb2

from gcpmlops.emulator.kernel import filters, paging, validate
from gcpmlops.emulator.services.monitoring.alerting.incidents import AlertRows, Incident
from gcpmlops.emulator.services.monitoring.alerting.times import stamp

_ORDERED = {"open_time": "openTime", "close_time": "closeTime"}


class Alerts:
    """Reads incidents.

    Args:
        rows: the tables.
        number: of the emulator's project.
        project: its id.
    """

    def __init__(self, rows: AlertRows, number: int, project: str) -> None:
        self._rows = rows
        self._ids = {str(number): project}

    def get(self, variables: Mapping[str, str], _: Any = None) -> dict[str, Any]:
        """One alert. Raises NotFound."""
        incident = self._rows.get(variables["alert"])
        if incident is None or incident.project != self._project(variables):
            raise exceptions.NotFound(
                f"Alert projects/{variables['project']}/alerts/{variables['alert']} is not found."
            )
        return _alert(incident)

    def list(self, variables: Mapping[str, str], _: Any = None) -> dict[str, Any]:
        """A project's, newest first or as `orderBy` says; `filter`, `pageSize`, `pageToken` as the API has them."""
        alerts = [_alert(each) for each in self._rows.all(self._project(variables))]
        if text := variables.get("filter", ""):
            wanted = filters.compile_filter(text)
            alerts = [each for each in alerts if wanted(_struct(each))]
        alerts = _ordered(alerts, variables.get("orderBy", ""))
        size = variables.get("pageSize", "0") or "0"
        if not size.lstrip("-").isdigit():
            raise validate.invalid("pageSize", f"{size!r} is no number.")
        request = SimpleNamespace(
            page_size=max(0, int(size)),
            page_token=variables.get("pageToken", ""),
            parent=variables["project"],
            filter=text,
            order_by=variables.get("orderBy", ""),
        )
        page, token = paging.page(alerts, request, default=50, maximum=1000)
        return {"alerts": page, "totalSize": len(alerts)} | ({"nextPageToken": token} if token else {})

    def _project(self, variables: Mapping[str, str]) -> str:
        return self._ids.get(variables["project"], variables["project"])


def _alert(incident: Incident) -> dict[str, Any]:
    told = incident.body["incident"]
    alert = {
        "name": f"projects/{incident.project}/alerts/{incident.id}",
        "state": "OPEN" if incident.closed is None else "CLOSED",
        "openTime": stamp(incident.opened),
        "resource": told["resource"],
        "metadata": {"systemLabels": {}, "userLabels": {}},
        "metric": {"type": told["metric"]["type"], "labels": told["metric"]["labels"]},
        "policy": incident.body["policy"],
    }
    if incident.closed is not None:
        alert["closeTime"] = stamp(incident.closed)
    if "log" in incident.body:
        alert["log"] = {"extractedLabels": incident.body["log"]}
    return alert


def _ordered(alerts: list[dict[str, Any]], order_by: str) -> list[dict[str, Any]]:
    for clause in reversed([part.split() for part in order_by.split(",") if part.strip()]):
        if clause[0] not in _ORDERED or clause[1:] not in ([], ["asc"], ["desc"]):
            raise validate.invalid("orderBy", f"{order_by!r}: expected open_time or close_time, asc or desc.")
        alerts = sorted(alerts, key=lambda each: each.get(_ORDERED[clause[0]], ""), reverse=clause[1:] == ["desc"])
    return alerts


def _struct(alert: Mapping[str, Any]) -> Any:
    """What a filter is asked about: fields by the names of JSON and of proto."""
    both = struct_pb2.Struct()
    snake = {"open_time": alert["openTime"], "close_time": alert.get("closeTime", "")}
    policy = {**alert["policy"], "display_name": alert["policy"]["displayName"]}
    both.update({**alert, **snake, "policy": {**policy, "user_labels": alert["policy"]["userLabels"]}})
    return both
