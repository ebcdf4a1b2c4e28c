"""The JSON that callers see: links, lists, and the heads of query answers."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote, urlencode

from gcpmlops.emulator.services.bigquery.records import Job

Body = dict[str, Any]

_QUERY_FIELDS = (
    "query",
    "defaultDataset",
    "useLegacySql",
    "parameterMode",
    "queryParameters",
    "maximumBytesBilled",
    "useQueryCache",
    "createSession",
    "connectionProperties",
    "destinationEncryptionConfiguration",
)
_PAGE_FIELDS = ("maxResults", "startIndex", "pageToken", "formatOptions.useInt64Timestamp")
_LINKS = {
    "bigquery#dataset": ("datasetReference", "datasets/{datasetId}"),
    "bigquery#table": ("tableReference", "datasets/{datasetId}/tables/{tableId}"),
}
_VERBS = {"GET": "get", "POST": "insert", "PATCH": "patch", "PUT": "update", "DELETE": "delete"}


def job(found: Job, base: str) -> Body:
    """A Job resource with its link."""
    reference = found["jobReference"]
    path = f"projects/{reference['projectId']}/jobs/{reference['jobId']}?location={reference['location']}"
    link = f"{base}/bigquery/v2/{path}"
    return {**{key: value for key, value in found.items() if key != "hasRows"}, "selfLink": link}


def job_list(jobs: list[Job], token: str | None) -> Body:
    """jobs.list: each entry carries its state and error beside the status."""
    items = []
    for found in jobs:
        item = {
            key: found[key]
            for key in ("kind", "id", "jobReference", "configuration", "status", "statistics", "user_email")
        }
        item.update(
            state=found["status"]["state"],
            **({"errorResult": found["status"]["errorResult"]} if "errorResult" in found["status"] else {}),
        )
        items.append({**item, "kind": "bigquery#job"})
    return {"kind": "bigquery#jobList", "etag": "", "jobs": items, **({"nextPageToken": token} if token else {})}


def job_of_query(body: Body) -> Job:
    """The job that a QueryRequest stands for."""
    configuration: Body = {"query": {name: body[name] for name in _QUERY_FIELDS if name in body}}
    if "labels" in body:
        configuration["labels"] = body["labels"]
    reference = {"location": body["location"]} if body.get("location") else {}
    return {"configuration": configuration, "jobReference": reference}


def query_head(found: Job, kind: str) -> Body:
    """A query answer without its rows."""
    head: Body = {
        "kind": kind,
        "etag": found["etag"],
        "jobReference": found["jobReference"],
        "jobComplete": found["status"]["state"] == "DONE",
    }
    if not head["jobComplete"]:
        return head
    query = found["statistics"]["query"]
    head.update(
        {name: query[name] for name in ("totalBytesProcessed", "cacheHit", "numDmlAffectedRows") if name in query}
    )
    if kind == "bigquery#queryResponse":
        head.update({name: query[name] for name in ("statementType", "ddlOperationPerformed") if name in query})
        head.update(
            {name: found["statistics"][name] for name in ("creationTime", "startTime", "endTime")},
            location=found["jobReference"]["location"],
        )
    return head if found.get("hasRows") else {**head, "schema": {"fields": []}}


def dry_run(found: Job) -> Body:
    """jobs.query with dryRun."""
    query = found["statistics"]["query"]
    return {
        "kind": "bigquery#queryResponse",
        "jobReference": {"projectId": found["jobReference"]["projectId"]},
        "jobComplete": True,
        "schema": query["schema"],
        "totalBytesProcessed": query["totalBytesProcessed"],
        "cacheHit": False,
    }


def encoded(query: Body) -> str:
    """The paging parameters of a query string."""
    return urlencode({name: query[name] for name in _PAGE_FIELDS if query.get(name) is not None})


def quoted(target: str) -> str:
    """A request target for the engine."""
    return quote(target, safe="/?&=%:+,;@!$'()*~.-_")


def projects(project: str) -> Body:
    """projects.list."""
    item = {
        "kind": "bigquery#project",
        "id": project,
        "numericId": "0",
        "projectReference": {"projectId": project},
        "friendlyName": project,
    }
    return {"kind": "bigquery#projectList", "projects": [item], "totalItems": 1}


def service_account(project: str) -> Body:
    """projects.getServiceAccount."""
    return {
        "kind": "bigquery#getServiceAccountResponse",
        "email": f"bq-{project}@bigquery-encryption.iam.gserviceaccount.com",
    }


def linked(body: Body, base: str) -> Body:
    """A resource with its selfLink."""
    found = _LINKS.get(str(body.get("kind")))
    if found is None:
        return body
    reference = body[found[0]]
    return {**body, "selfLink": f"{base}/bigquery/v2/projects/{reference['projectId']}/{found[1].format(**reference)}"}


def method_name(verb: str, path: str) -> str:
    """``bigquery.tables.getIamPolicy`` for a path that is not served."""
    names = [part for part in path.split("/projects/", 1)[-1].split("/") if part]
    last = names[-1] if names else ""
    if ":" in last:
        return f"bigquery.{names[-2]}.{last.rsplit(':', 1)[1]}"
    collections = [
        name
        for name in names
        if re.fullmatch(r"datasets|tables|routines|models|jobs|rowAccessPolicies|capacityCommitments", name)
    ]
    return f"bigquery.{collections[-1] if collections else 'projects'}.{_VERBS.get(verb, verb.lower())}"
