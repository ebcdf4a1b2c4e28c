"""The methods of BigQuery's v2 API, and which of them answer; the rest are 501 by name."""

from __future__ import annotations

_BUILT = {
    "datasets": ("delete", "get", "insert", "list", "patch", "update"),
    "jobs": ("cancel", "delete", "get", "getQueryResults", "insert", "list", "query"),
    "projects": ("getServiceAccount", "list"),
    "routines": ("delete", "get", "insert", "list", "update"),
    "tabledata": ("insertAll", "list"),
    "tables": ("delete", "get", "insert", "list", "patch", "update"),
}
_NOT_BUILT = {
    "datasets": ("undelete",),
    "models": ("delete", "get", "list", "patch"),
    "routines": ("getIamPolicy", "setIamPolicy", "testIamPermissions"),
    "rowAccessPolicies": ("batchDelete", "delete", "get", "insert", "list", "update"),
    "tables": ("getIamPolicy", "setIamPolicy", "testIamPermissions"),
}


def methods() -> list[tuple[str, bool]]:
    """Every method, ``bigquery.tables.get`` and so on, and whether it is built."""
    tagged = [(_BUILT, True), (_NOT_BUILT, False)]
    return sorted(
        (f"bigquery.{resource}.{verb}", built)
        for table, built in tagged
        for resource, verbs in table.items()
        for verb in verbs
    )
