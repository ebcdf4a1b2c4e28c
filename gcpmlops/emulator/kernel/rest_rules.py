"""Development-time: writes ``rest_rules.json``, the REST rules of APIs whose Python client ships no REST transport.

gcloud and Terraform use REST there. The rules are read off the discovery documents in google-api-python-client, which
is no run-time dependency (111 MB): ``python -m gcpmlops.emulator.kernel.rest_rules``.
"""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gcpmlops.emulator.kernel import contract
from gcpmlops.emulator.kernel.masks import raw

_DOCUMENTS = {
    "google.cloud.logging_v2": "logging.v2.json",
    "google.cloud.monitoring_v3": "monitoring.v3.json",
    "google.cloud.iam_admin_v1": "iam.v1.json",
}
_KEY_VERBS = ("create", "get", "delete", "disable", "enable", "upload")
# Where resource and verb don't spell the RPC's name.
_NAMES = {
    "entries.write": "WriteLogEntries",
    "entries.list": "ListLogEntries",
    "entries.tail": "TailLogEntries",
    "entries.copy": "CopyLogEntries",
    "logs.list": "ListLogs",
    "logs.delete": "DeleteLog",
    "metrics.list": "ListLogMetrics",
    "metrics.get": "GetLogMetric",
    "metrics.create": "CreateLogMetric",
    "metrics.update": "UpdateLogMetric",
    "metrics.delete": "DeleteLogMetric",
    "monitoredResourceDescriptors.list": "ListMonitoredResourceDescriptors",
    "buckets.createAsync": "CreateBucketAsync",
    "buckets.updateAsync": "UpdateBucketAsync",
    "buckets.undelete": "UndeleteBucket",
    "timeSeries.create": "CreateTimeSeries",
    "timeSeries.createService": "CreateServiceTimeSeries",
    "timeSeries.query": "QueryTimeSeries",
    "members.list": "ListGroupMembers",
    "notificationChannels.getVerificationCode": "GetNotificationChannelVerificationCode",
    "notificationChannels.sendVerificationCode": "SendNotificationChannelVerificationCode",
    "serviceAccounts.patch": "PatchServiceAccount",
    "serviceAccounts.getIamPolicy": "GetIamPolicy",
    "serviceAccounts.setIamPolicy": "SetIamPolicy",
    "serviceAccounts.testIamPermissions": "TestIamPermissions",
    "serviceAccounts.signBlob": "SignBlob",
    "serviceAccounts.signJwt": "SignJwt",
    **{f"keys.{verb}": f"{verb.capitalize()}ServiceAccountKey" for verb in _KEY_VERBS},
    "keys.list": "ListServiceAccountKeys",
    "roles.queryGrantableRoles": "QueryGrantableRoles",
    "permissions.queryTestablePermissions": "QueryTestablePermissions",
    "iamPolicies.lintPolicy": "LintPolicy",
    "iamPolicies.queryAuditableServices": "QueryAuditableServices",
}
_OTHERS = re.compile(r"\.(?:workforcePools|workloadIdentityPools)\.")  # in no package's contract
_VERBS = {"patch": "Update"}
_INSIDE = {
    "iam.projects.serviceAccounts.patch": "service_account"
}  # the whole request is the body, the name deep in it
_WHOLE = ("ServiceAccount",)  # a resource that is a request itself


def rules(package: str, document: str) -> dict[str, dict[str, list[list[str]]]]:
    """REST rules by proto service and RPC."""
    api = json.loads((_cache() / document).read_text("utf-8"))
    found: dict[str, dict[str, list[list[str]]]] = {}
    for folder in contract.services(package):
        service = contract.load(package, folder)
        for name, method in _calls(api):
            if name in service.methods and not _OTHERS.search(method["id"]):
                body = _body(method)
                template = _template(method, service.methods[name].request, body)
                rule = [method["httpMethod"], template, body]
                known = found.setdefault(service.proto, {}).setdefault(name, [])
                known += [rule] if rule not in known else []
    return found


def _calls(resource: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for method in resource.get("methods", {}).values():
        kind, verb = method["id"].split(".")[-2:]
        name = _NAMES.get(f"{kind}.{verb}") or _VERBS.get(verb, verb.capitalize()) + _noun(kind, verb)
        yield name, method
    for child in resource.get("resources", {}).values():
        yield from _calls(child)


def _noun(kind: str, verb: str) -> str:
    plural = kind[0].upper() + kind[1:]
    if verb == "list":
        return plural
    return f"{plural.removesuffix('ies')}y" if plural.endswith("ies") else plural.removesuffix("s")


def _template(method: dict[str, Any], request: Any, body: str) -> str:
    """The path; its name is the resource's where the request has none of its own (``{snooze.name=...}``)."""

    def variable(match: re.Match[str]) -> str:
        pattern: str = method["parameters"][match[1]].get("pattern", "^[^/]+$").strip("^$")
        own = any(match[1] in (field.name, field.json_name) for field in raw(request()).DESCRIPTOR.fields)
        name = match[1] if own else f"{_INSIDE.get(method['id'], body)}.{match[1]}"
        return "{" + name + "=" + pattern.replace("[^/]+", "*").replace(".*", "**") + "}"

    return "/" + re.sub(r"\{\+?(\w+)\}", variable, method["path"])


def _body(method: dict[str, Any]) -> str:
    """The whole request, or the one field that the body is: discovery tells by the request type's name."""
    reference = method.get("request", {}).get("$ref", "")
    if not reference or reference.endswith("Request") or reference in _WHOLE:
        return "*" if reference else ""
    field: str = {"LogBucket": "bucket", "LogView": "view", "LogSink": "sink", "LogExclusion": "exclusion",
            "LogMetric": "metric", "Link": "link", "CmekSettings": "cmek_settings", "Settings": "settings",
            "SavedQuery": "saved_query", "AlertPolicy": "alert_policy", "Group": "group",
            "MetricDescriptor": "metric_descriptor", "NotificationChannel": "notification_channel",
            "Snooze": "snooze", "UptimeCheckConfig": "uptime_check_config", "Service": "service",
            "ServiceLevelObjective": "service_level_objective", "Role": "role"}[reference]  # fmt: skip
    return field


def _cache() -> Path:
    cache = importlib.import_module("googleapiclient.discovery_cache")
    return Path(str(cache.__file__)).parent / "documents"


def main() -> None:
    """Writes the file beside this module."""
    everything: dict[str, Any] = {}
    contract._recorded_rules.cache_clear()
    for package, document in _DOCUMENTS.items():
        everything |= rules(package, document)
    path = Path(__file__).with_name("rest_rules.json")
    path.write_text(json.dumps(everything, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
