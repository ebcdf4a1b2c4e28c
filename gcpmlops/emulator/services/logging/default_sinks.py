"""The two sinks and the two log buckets that every project has."""

from __future__ import annotations

from google.cloud.logging_v2 import types

DEFAULT, REQUIRED = "_Default", "_Required"
# Audit logs that nothing excludes.
KEPT = (
    "/logs/cloudaudit.googleapis.com%2Factivity",
    "/logs/cloudaudit.googleapis.com%2Fsystem_event",
    "/logs/cloudaudit.googleapis.com%2Faccess_transparency",
)
_DAYS = {DEFAULT: 30, REQUIRED: 400}


def default_sinks(parent: str) -> list[types.LogSink]:
    """As they are until somebody changes `_Default`."""
    audit = [f'LOG_ID("{name.removeprefix("/logs/").replace("%2F", "/")}")' for name in KEPT]
    filters = {REQUIRED: " OR ".join(audit), DEFAULT: " AND ".join(f"NOT {each}" for each in audit)}
    return [
        types.LogSink(name=name, destination=f"logging.googleapis.com/{bucket_name(parent, name)}", filter=text)
        for name, text in filters.items()
    ]


def buckets(parent: str) -> list[types.LogBucket]:
    """Both of a project."""
    return [
        types.LogBucket(
            name=bucket_name(parent, key),
            description={DEFAULT: "Default bucket", REQUIRED: "Audit bucket"}[key],
            retention_days=days,
            locked=key == REQUIRED,
            lifecycle_state=types.LifecycleState.ACTIVE,
        )
        for key, days in _DAYS.items()
    ]


def bucket_name(parent: str, key: str) -> str:
    """Its resource name."""
    return f"{parent}/locations/global/buckets/{key}"
