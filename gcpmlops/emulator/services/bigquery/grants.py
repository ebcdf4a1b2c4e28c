"""GRANT and REVOKE on datasets: BigQuery's data control language changes their access entries."""

from __future__ import annotations

import json
import re
from typing import Any

from gcpmlops.emulator.services.bigquery.errors import BigQueryError, from_engine
from gcpmlops.emulator.services.bigquery.process import BigQueryEngine

_STATEMENT = re.compile(
    r"""\s*(?P<verb>GRANT|REVOKE)\s+(?P<roles>`[^`]+`(?:\s*,\s*`[^`]+`)*)\s+ON\s+(?P<kind>SCHEMA|TABLE|VIEW)\s+"""
    r"""(?P<name>[`\w.:-]+)\s+(?:TO|FROM)\s+(?P<members>["'][^"']+["'](?:\s*,\s*["'][^"']+["'])*)\s*;?\s*""",
    re.IGNORECASE,
)
_LEGACY = {
    "roles/bigquery.dataViewer": "READER",
    "roles/bigquery.dataEditor": "WRITER",
    "roles/bigquery.dataOwner": "OWNER",
}


def parsed(sql: str) -> re.Match[str] | None:
    """The parts of a GRANT or REVOKE; None for another statement."""
    return _STATEMENT.fullmatch(sql)


def run(engine: BigQueryEngine, project: str, found: re.Match[str]) -> dict[str, Any]:
    """Changes the dataset's access; a query job's answer. Raises: notImplemented for tables and views."""
    if found["kind"].upper() != "SCHEMA":
        raise BigQueryError("notImplemented", f"{found['verb']} ON {found['kind'].upper()} is not implemented")
    owner, dataset = _place(found, project)
    target = f"/bigquery/v2/projects/{owner}/datasets/{dataset}"
    entries = _request(engine, "GET", target).get("access", [])
    wanted = [_entry(role, member) for role in _quoted(found["roles"]) for member in _quoted(found["members"])]
    kept = [entry for entry in entries if entry not in wanted]
    granted = found["verb"].upper() == "GRANT"
    _request(engine, "PATCH", target, {"access": [*kept, *wanted] if granted else kept})
    kind = "GRANT" if granted else "REVOKE"
    return {"statistics": {"query": {"statementType": kind}, "totalBytesProcessed": "0"}, "schema": []}


def accesses(sql: str, project: str) -> list[tuple[str, tuple[str, str, str]]] | None:
    """What it does with what, as the engine says it of other statements; None for another statement."""
    found = parsed(sql)
    return None if found is None else [("write dataset", (*_place(found, project), ""))]


def _place(found: re.Match[str], project: str) -> tuple[str, str]:
    """Project and dataset."""
    owner, _, dataset = found["name"].replace("`", "").replace(":", ".").rpartition(".")
    return owner or project, dataset


def make_owner(engine: BigQueryEngine, project: str, dataset: str, email: str) -> None:
    """Of a dataset that a statement has made; nothing where it has not."""
    entries = access_of(engine, project, dataset)
    if entries is not None and email:
        body = {"access": [*entries, _entry("OWNER", f"user:{email}")]}
        _request(engine, "PATCH", f"/bigquery/v2/projects/{project}/datasets/{dataset}", body)


def access_of(engine: BigQueryEngine, project: str, dataset: str) -> list[dict[str, Any]] | None:
    """A dataset's access entries; None where it isn't there."""
    try:
        entries: list[dict[str, Any]] = _request(
            engine, "GET", f"/bigquery/v2/projects/{project}/datasets/{dataset}"
        ).get("access", [])
    except BigQueryError as error:
        if error.reason == "notFound":
            return None
        raise
    return entries


def _request(engine: BigQueryEngine, verb: str, target: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    reply = engine.request(verb, target, json.dumps(body).encode() if body is not None else b"")
    if reply.status >= 400:
        raise from_engine(reply.body)
    answer: dict[str, Any] = json.loads(reply.body)
    return answer


def _quoted(text: str) -> list[str]:
    return re.findall(r"[`\"']([^`\"']+)[`\"']", text)


def _entry(role: str, member: str) -> dict[str, str]:
    kind, _, email = member.partition(":")
    keys = {"user": "userByEmail", "serviceAccount": "userByEmail", "group": "groupByEmail", "domain": "domain"}
    if kind not in keys or not email:
        raise BigQueryError("invalidQuery", f"Invalid grantee {member!r}: expected user:EMAIL and the like")
    return {"role": _LEGACY.get(role, role), keys[kind]: email}
