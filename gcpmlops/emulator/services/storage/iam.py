"""IAM policies of buckets: the default one, etags, and permission tests."""

from __future__ import annotations

from gcpmlops.emulator.services.storage import errors
from gcpmlops.emulator.services.storage.records import BucketRecord, Json


def policy_of(bucket: BucketRecord) -> Json:
    """The policy with its etag; the project's teams hold the legacy roles until one was set."""
    return {
        "kind": "storage#policy",
        "resourceId": f"projects/_/buckets/{bucket.name}",
        "version": 1,
        **(bucket.policy or {"bindings": _default_bindings(bucket)}),
        "etag": bucket.etag,
    }


def checked(policy: Json, bucket: BucketRecord) -> Json:
    """What is stored of a policy to set. Raises PreconditionFailed for a stale etag, BadRequest for a malformed one."""
    if policy.get("etag") not in (None, "", bucket.etag):
        raise errors.condition_not_met()
    bindings = policy.get("bindings", [])
    for binding in bindings:
        if not isinstance(binding, dict) or not str(binding.get("role", "")).strip():
            raise errors.invalid("Invalid argument: every binding needs a role.")
        for member in binding.get("members", []):
            if member not in ("allUsers", "allAuthenticatedUsers") and ":" not in member:
                raise errors.invalid(f"Invalid argument: invalid member '{member}'.")
    if any("condition" in binding for binding in bindings) and policy.get("version") != 3:
        raise errors.invalid("Conditional bindings need policy version 3.")
    return {"version": policy.get("version", 1), "bindings": bindings}


def tested(permissions: list[str]) -> list[str]:
    """The permissions that a call asks about. Raises BadRequest for one that no bucket or object knows."""
    for permission in permissions:
        if not permission.startswith(("storage.", "resourcemanager.")):
            raise errors.invalid(f"Permission {permission} is not valid for this resource.")
    return permissions


def _default_bindings(bucket: BucketRecord) -> list[Json]:
    project = bucket.project
    owners = [f"projectEditor:{project}", f"projectOwner:{project}"]
    return [
        {"role": "roles/storage.legacyBucketOwner", "members": owners},
        {"role": "roles/storage.legacyBucketReader", "members": [f"projectViewer:{project}"]},
    ]
