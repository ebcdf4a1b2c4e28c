"""What each method and each job of BigQuery asks for. Source: https://cloud.google.com/bigquery/docs/access-control."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gcpmlops.emulator.kernel.access import Access
from gcpmlops.emulator.kernel.call import Call, Caller
from gcpmlops.emulator.kernel.gate import Asked, Gate, Wanted

_VERBS = {"GET": "get", "POST": "create", "PATCH": "update", "PUT": "update", "DELETE": "delete"}
_TABLE, _DATASET, _PROJECT = "tables/{table}", "", None
_NEEDED: dict[str, tuple[str | None, tuple[str, ...]]] = {  # by what a statement does: on what, and what
    "read": (_TABLE, ("bigquery.tables.getData",)),
    "write": (_TABLE, ("bigquery.tables.updateData",)),
    "create": (_TABLE, ("bigquery.tables.create", "bigquery.tables.updateData")),
    "delete": (_TABLE, ("bigquery.tables.delete",)),
    "create routine": (_DATASET, ("bigquery.routines.create",)),
    "delete routine": ("routines/{table}", ("bigquery.routines.delete",)),
    "create model": (_DATASET, ("bigquery.models.create",)),
    "delete model": ("models/{table}", ("bigquery.models.delete",)),
    "create dataset": (_PROJECT, ("bigquery.datasets.create",)),
    "write dataset": (_DATASET, ("bigquery.datasets.update",)),
    "delete dataset": (_DATASET, ("bigquery.datasets.delete",)),
    "list": (_DATASET, ("bigquery.tables.list",)),
    "dynamic": (_PROJECT, ("bigquery.tables.getData", "bigquery.tables.updateData", "bigquery.tables.create")),
}
_HEADERS = {"authorization": "told"}  # a call of somebody, not the emulator's own work
Accesses = Callable[[str, Mapping[str, Any]], list[tuple[str, tuple[str, str, str]]]]


class BigQueryGuard:
    """Asks the gate before a method is answered or a job is begun.

    Args:
        accesses: what a query does with what: (one of _NEEDED, (project, dataset, table, routine or model)).
    """

    def __init__(self, gate: Gate, access: Access, accesses: Accesses) -> None:
        self._gate, self._access, self._accesses = gate, access, accesses

    def resource(self, verb: str, template: str, variables: Mapping[str, str], caller: Caller) -> None:
        """Raises: PermissionDenied."""
        if self._gate.checks:
            pairs = tuple(_resource(verb, template, variables))
            self._ask(f"{verb} {template}", variables.get("project", ""), pairs, caller)

    def changed(self, verb: str, template: str) -> None:
        """After a dataset was made, changed or deleted: its access may be another."""
        if verb != "GET" and "/tables" not in template:
            self._access.changed()

    def datasets(self, project: str, query: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Those that a statement makes, changes or removes; none where nobody asks."""
        if not self._gate.checks or "SCHEMA" not in str(query.get("query", "")).upper():
            return []
        found = self._accesses(project, query)
        return [(owner, dataset) for kind, (owner, dataset, _) in found if kind.endswith(" dataset")]

    def job(self, project: str, configuration: Mapping[str, Any], email: str) -> None:
        """Raises: PermissionDenied."""
        if self._gate.checks:
            self._ask(
                "jobs.insert", project, (("bigquery.jobs.create", f"projects/{project}"),), Caller(email, project)
            )
            pairs = tuple(self._of_job(project, configuration))
            self._ask("jobs.insert", project, pairs, Caller(email, project))

    def others_job(self, project: str, owner: str, caller: Caller) -> None:
        """One's own jobs are free to look at. Raises: PermissionDenied."""
        if self._gate.checks and owner != caller.email:
            self._ask("jobs.get", project, (("bigquery.jobs.get", f"projects/{project}"),), caller)

    def _ask(self, method: str, project: str, pairs: tuple[tuple[str, str], ...], caller: Caller) -> None:
        self._gate(Asked(Call(caller, headers=_HEADERS), "bigquery", method, Wanted(project, pairs)))

    def _of_job(self, project: str, configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        for kind in ("load", "copy"):
            if kind in configuration:
                yield from _target(configuration[kind].get("destinationTable"), project)
        for source in _sources(configuration.get("copy", {})):
            yield "bigquery.tables.getData", _table(source, project)
        for uri in configuration.get("load", {}).get("sourceUris", ()):
            yield from _objects(uri, "get")
        for uri in _destinations(configuration.get("extract", {})):
            yield from _objects(uri, "create")
        if "extract" in configuration and "sourceTable" in configuration["extract"]:
            yield "bigquery.tables.export", _table(configuration["extract"]["sourceTable"], project)
        if "query" in configuration:
            yield from self._of_query(project, configuration["query"])

    def _of_query(self, project: str, query: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        yield from _target(query.get("destinationTable"), project)
        for kind, (owner, dataset, table) in self._accesses(project, query):
            if not dataset.startswith("_"):
                place, permissions = _NEEDED[kind]
                resource = f"projects/{owner}"
                if place is not _PROJECT and dataset:
                    resource = f"{resource}/datasets/{dataset}/{place}".format(table=table).rstrip("/")
                for permission in permissions:
                    yield permission, resource


def _target(reference: Mapping[str, str] | None, project: str) -> Iterator[tuple[str, str]]:
    if reference and not str(reference.get("datasetId", "_")).startswith("_"):
        yield "bigquery.tables.create", _table(reference, project)
        yield "bigquery.tables.updateData", _table(reference, project)


def _sources(copy: Mapping[str, Any]) -> list[Mapping[str, str]]:
    return [*copy.get("sourceTables", ()), *([copy["sourceTable"]] if "sourceTable" in copy else [])]


def _destinations(extract: Mapping[str, Any]) -> list[str]:
    return [*extract.get("destinationUris", ()), *([extract["destinationUri"]] if "destinationUri" in extract else [])]


def _objects(uri: str, verb: str) -> Iterator[tuple[str, str]]:
    """A job reads and writes objects as who submits it; for a wildcard what is before it counts."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    yield f"storage.objects.{verb}", f"buckets/{bucket}/objects/{name.partition('*')[0]}"
    if "*" in name and verb == "get":
        yield "storage.objects.list", f"buckets/{bucket}"


def _table(reference: Mapping[str, str], project: str) -> str:
    owner = reference.get("projectId") or project
    return f"projects/{owner}/datasets/{reference.get('datasetId', '')}/tables/{reference.get('tableId', '')}"


def _resource(verb: str, template: str, variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    project, dataset = f"projects/{variables.get('project', '')}", variables.get("dataset", "")
    place = f"{project}/datasets/{dataset}" if dataset else project
    if template.endswith("/data"):
        yield "bigquery.tables.getData", f"{place}/tables/{variables['table']}"
    elif template.endswith("/insertAll"):
        yield "bigquery.tables.updateData", f"{place}/tables/{variables['table']}"
    elif template.endswith("/rowAccessPolicies"):
        yield "bigquery.rowAccessPolicies.list", f"{place}/tables/{variables['table']}"
    else:
        yield from _plain(verb, template, variables, place)


def _plain(verb: str, template: str, variables: Mapping[str, str], place: str) -> Iterator[tuple[str, str]]:
    for kind, member in (("tables", "table"), ("routines", "routine"), ("models", "model")):
        if f"/{kind}" in template:
            if member in variables:
                yield f"bigquery.{kind}.{_verb(kind, verb)}", f"{place}/{kind}/{variables[member]}"
            else:
                yield f"bigquery.{kind}.{'create' if verb == 'POST' else 'list'}", place
            return
    if "dataset" in variables:
        yield f"bigquery.datasets.{_VERBS[verb]}", place
    elif verb == "POST":
        yield "bigquery.datasets.create", place


def _verb(kind: str, verb: str) -> str:
    if kind == "models":
        return {"get": "getMetadata", "update": "updateMetadata"}.get(_VERBS[verb], _VERBS[verb])
    return _VERBS[verb]
