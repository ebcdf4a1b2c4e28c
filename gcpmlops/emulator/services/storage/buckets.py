"""Buckets: their rules and their rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime

from gcpmlops.emulator.services.storage import acls, errors, iam, lifecycle_rules, naming
from gcpmlops.emulator.services.storage.locations import location_type
from gcpmlops.emulator.services.storage.preconditions import NONE, Preconditions
from gcpmlops.emulator.services.storage.records import (
    BUCKET_COLUMNS,
    BucketRecord,
    Json,
    compact,
    merge,
    micros,
    rfc3339,
)
from gcpmlops.emulator.state.store import Store

# What the server sets, or keeps elsewhere than in the config.
_SERVER_FIELDS = frozenset(
    [
        "kind",
        "id",
        "selfLink",
        "name",
        "projectNumber",
        "projectId",
        "generation",
        "metageneration",
        "timeCreated",
        "updated",
        "etag",
        "owner",
        "locationType",
        "acl",
        "defaultObjectAcl",
        "softDeleteTime",
        "hardDeleteTime",
        "satisfiesPZS",
        "satisfiesPZI",
    ]
)
_CLASSES = {
    "STANDARD",
    "NEARLINE",
    "COLDLINE",
    "ARCHIVE",
    "MULTI_REGIONAL",
    "REGIONAL",
    "DURABLE_REDUCED_AVAILABILITY",
    "RAPID",
}
Change = Callable[[BucketRecord], Json]


class Buckets:
    """The buckets of one emulator, whatever their project.

    Args:
        now: the emulator's clock.
        project_number: stands in default ACLs.

    Attributes:
        listeners: called with the name of a bucket that was made, changed or deleted, after the commit.
        check_member: raises for a member that no policy takes.
        check_role: raises for a role that the policy of a bucket, by its name, does not take.
    """

    def __init__(self, store: Store, now: Callable[[], datetime], project_number: str) -> None:
        self._store = store
        self._now = now
        self._project_number = project_number
        self.listeners: list[Callable[[str], None]] = []
        self.check_member: Callable[[str], None] = lambda _: None
        self.check_role: Callable[[str, str], None] = lambda _, __: None

    def find(self, conn: sqlite3.Connection, name: str) -> BucketRecord | None:
        row = conn.execute(f"SELECT {BUCKET_COLUMNS} FROM storage_bucket WHERE name = ?", (name,)).fetchone()
        return None if row is None else BucketRecord.from_row(row)

    def require(self, conn: sqlite3.Connection, name: str) -> BucketRecord:
        """Raises NotFound."""
        found = self.find(conn, name)
        if found is None:
            raise errors.no_bucket()
        return found

    def access(self, name: str) -> tuple[str, list[Json]] | None:
        """A bucket's project and its policy's bindings; None where it isn't there."""
        bucket = self._store.read(lambda conn: self.find(conn, name))
        return None if bucket is None else (bucket.project, iam.policy_of(bucket)["bindings"])

    def get(self, name: str, conditions: Preconditions = NONE) -> BucketRecord:
        """Raises NotFound, NotModified, PreconditionFailed."""
        bucket = self._store.read(lambda conn: self.require(conn, name))
        conditions.check(bucket, reading=True)
        return bucket

    def list(self, project: str, prefix: str, after: str, limit: int) -> list[BucketRecord]:
        """Up to ``limit`` buckets of a project by name, after the name ``after``."""
        query = (
            f"SELECT {BUCKET_COLUMNS} FROM storage_bucket WHERE project = ? AND name > ? AND substr(name, 1, ?) = ? "
            "ORDER BY name LIMIT ?"
        )
        values = (project, after, len(prefix), prefix, limit)
        return self._store.read(lambda conn: [BucketRecord.from_row(row) for row in conn.execute(query, values)])

    def insert(
        self,
        project: str,
        resource: Json,
        acl: str | None = None,
        default_acl: str | None = None,
        *,
        is_services: bool = False,
    ) -> BucketRecord:
        """Creates a bucket; one of a service's own may be called after Google.

        Raises: BadRequest, Conflict when the name is taken.
        """
        name = resource.get("name")
        if not name:
            raise errors.required("name")
        if not is_services:
            naming.check_bucket(name)
        time = micros(self._now())
        config = self._new_config({k: v for k, v in resource.items() if k not in _SERVER_FIELDS}, time)
        own, default = self._acl(resource, "acl", acl), self._acl(resource, "defaultObjectAcl", default_acl)
        bucket = BucketRecord(name, project, time, 1, time, time, config, own, default, None)
        self._store.write(lambda conn: self._insert(conn, bucket))
        self._tell(name)
        return bucket

    def patch(self, name: str, patch: Json, conditions: Preconditions = NONE) -> BucketRecord:
        """Merges fields in; null deletes. Raises NotFound, PreconditionFailed, BadRequest."""
        own = {key: value for key, value in patch.items() if key not in _SERVER_FIELDS}
        return self._change(name, conditions, lambda bucket: merge(bucket.config, own), patch)

    def update(self, name: str, resource: Json, conditions: Preconditions = NONE) -> BucketRecord:
        """Replaces every field that the caller may set."""
        own = {key: value for key, value in resource.items() if key not in _SERVER_FIELDS}
        fixed = ("location", "storageClass", "iamConfiguration", "customPlacementConfig", "rpo", "softDeletePolicy")

        def change(bucket: BucketRecord) -> Json:
            return {**{key: bucket.config[key] for key in fixed if key in bucket.config}, **own}

        return self._change(name, conditions, change, resource)

    def delete(self, name: str, conditions: Preconditions = NONE) -> None:
        """Raises NotFound, PreconditionFailed, Conflict when any generation of an object is left."""

        def run(conn: sqlite3.Connection) -> None:
            conditions.check(self.require(conn, name))
            if conn.execute("SELECT 1 FROM storage_object WHERE bucket = ? LIMIT 1", (name,)).fetchone():
                raise errors.bucket_not_empty()
            conn.execute("DELETE FROM storage_bucket WHERE name = ?", (name,))
            conn.execute("DELETE FROM storage_notification WHERE bucket = ?", (name,))

        self._store.write(run)
        self._tell(name)

    def set_policy(self, name: str, policy: Json) -> BucketRecord:
        """Raises NotFound, PreconditionFailed for a stale etag, BadRequest."""
        before = self._store.read(lambda conn: self.require(conn, name))
        had = {binding["role"] for binding in (before.policy or {}).get("bindings", [])}
        for binding in iam.checked(policy, before)["bindings"]:
            if binding["role"] not in had:
                self.check_role(binding["role"], f"buckets/{name}")
            for member in binding.get("members", []):
                self.check_member(member)

        def run(conn: sqlite3.Connection) -> BucketRecord:
            bucket = self.require(conn, name)
            return self._save(conn, bucket, "policy", compact(iam.checked(policy, bucket)))

        return self._store.write(run)

    def rename_member(self, before: str, after: str) -> None:
        """In every policy: of a service account that was deleted, or is back."""

        def run(conn: sqlite3.Connection) -> None:
            rows = conn.execute("SELECT name FROM storage_bucket WHERE instr(policy, ?)", (json.dumps(before),))
            for row in rows.fetchall():
                bucket = self.require(conn, row[0])
                policy: Json = bucket.policy or {}
                for binding in policy.get("bindings", []):
                    members = binding.get("members", [])
                    binding["members"] = [after if member == before else member for member in members]
                self._save(conn, bucket, "policy", compact(policy))

        self._store.write(run)

    def edit_acl(self, name: str, column: str, edit: Callable[[acls.Acl], acls.Acl]) -> acls.Acl:
        """Edits ``acl`` or ``default_acl``; returns the new one. Raises NotFound, BadRequest under uniform access."""

        def run(conn: sqlite3.Connection) -> BucketRecord:
            bucket = self.require(conn, name)
            acls.check_allowed(bucket)
            return self._save(conn, bucket, column, compact(edit(getattr(bucket, column))))

        edited: acls.Acl = getattr(self._store.write(run), column)
        return edited

    def lock_retention(self, name: str, conditions: Preconditions) -> BucketRecord:
        """Raises BadRequest without a policy to lock, or without ifMetagenerationMatch."""
        if conditions.metageneration_match is None:
            raise errors.required("ifMetagenerationMatch")

        def change(bucket: BucketRecord) -> Json:
            if "retentionPolicy" not in bucket.config:
                raise errors.invalid("The bucket has no retention policy to lock.")
            return merge(bucket.config, {"retentionPolicy": {"isLocked": True}})

        return self._change(name, conditions, change, {})

    def _change(self, name: str, conditions: Preconditions, change: Change, resource: Json) -> BucketRecord:
        def run(conn: sqlite3.Connection) -> BucketRecord:
            bucket = self.require(conn, name)
            conditions.check(bucket)
            config = self._completed(change(bucket), micros(self._now()))
            if config["location"] != bucket.config["location"]:
                raise errors.invalid("The location of a bucket can't be changed.")
            changed = self._save(conn, bucket, "config", compact(config))
            for key, column in (("acl", "acl"), ("defaultObjectAcl", "default_acl")):
                if resource.get(key):
                    text = compact(acls.given(resource[key]))
                    conn.execute(f"UPDATE storage_bucket SET {column} = ? WHERE name = ?", (text, name))
                    changed = self.require(conn, name)
            return changed

        record = self._store.write(run)
        self._tell(name)
        return record

    def _tell(self, name: str) -> None:
        for listener in list(self.listeners):
            listener(name)

    def _save(self, conn: sqlite3.Connection, bucket: BucketRecord, column: str, text: str) -> BucketRecord:
        conn.execute(
            f"UPDATE storage_bucket SET {column} = ?, metageneration = metageneration + 1, updated = ? WHERE name = ?",
            (text, micros(self._now()), bucket.name),
        )
        return self.require(conn, bucket.name)

    def _insert(self, conn: sqlite3.Connection, bucket: BucketRecord) -> None:
        if self.find(conn, bucket.name) is not None:
            raise errors.bucket_exists()
        values = (bucket.name, bucket.project, bucket.generation, 1, bucket.created, bucket.updated)
        documents = (compact(bucket.config), compact(bucket.acl), compact(bucket.default_acl), None)
        conn.execute(f"INSERT INTO storage_bucket ({BUCKET_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?)", values + documents)

    def _new_config(self, given: Json, time: int) -> Json:
        config = {key: value for key, value in given.items() if value is not None}
        config["location"] = str(config.get("location") or "US").upper()
        # No soft delete here: saying so is better than a promise to keep deleted objects.
        config.setdefault("softDeletePolicy", {"retentionDurationSeconds": "0", "effectiveTime": rfc3339(time)})
        return self._completed(config, time)

    def _completed(self, config: Json, time: int) -> Json:
        location_type(config["location"], config.get("customPlacementConfig"))
        config.setdefault("storageClass", "STANDARD")
        if config["storageClass"] not in _CLASSES:
            raise errors.invalid(f"Invalid argument: storage class '{config['storageClass']}'.")
        _check_labels(config)
        if config.get("lifecycle") is not None:
            lifecycle_rules.parse(config["lifecycle"])
        _complete_access(config, time)
        if "retentionPolicy" in config:
            config["retentionPolicy"].setdefault("effectiveTime", rfc3339(time))
        return config

    def _acl(self, resource: Json, key: str, name: str | None) -> acls.Acl:
        if name:
            return acls.predefined(name, self._project_number)
        return acls.given(resource.get(key) or []) or acls.project_private(self._project_number)


def _check_labels(config: Json) -> None:
    labels = config.get("labels")
    if not labels:
        config.pop("labels", None)
        return
    for key, value in labels.items():
        if not isinstance(value, str) or any(len(text) > 63 or text != text.lower() for text in (key, value)):
            raise errors.invalid(f"Invalid label: '{key}': '{value}'.")
    if len(labels) > 64:
        raise errors.invalid("A bucket can have 64 labels at most.")


def _complete_access(config: Json, time: int) -> None:
    access = config.setdefault("iamConfiguration", {})
    uniform = access.setdefault("uniformBucketLevelAccess", access.get("bucketPolicyOnly", {"enabled": False}))
    if uniform.get("enabled"):
        uniform.setdefault("lockedTime", rfc3339(time + 90 * 24 * 3600 * 1_000_000))
    else:
        uniform.pop("lockedTime", None)
    access["bucketPolicyOnly"] = uniform
    access.setdefault("publicAccessPrevention", "inherited")
