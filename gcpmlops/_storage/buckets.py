"""Buckets: the half of `client.storage` about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gcpmlops import _html
from gcpmlops.clients import Clients
from gcpmlops.exceptions import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, translated
from gcpmlops.types import GsUri, Labels, check_bucket_name, check_labels, one_of

if TYPE_CHECKING:
    import google.cloud.storage as storage

STORAGE_CLASSES = ("STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE")


@dataclass(frozen=True)
class Bucket:
    """A bucket as it was when asked for; `resource` is the JSON resource of the API."""

    name: str
    location: str
    storage_class: str
    labels: Mapping[str, str]
    created: datetime | None
    versioning: bool
    resource: Mapping[str, Any]

    @property
    def uri(self) -> str:
        """gs://NAME."""
        return f"gs://{self.name}"

    def _repr_html_(self) -> str:
        return _html.card(
            self.uri, {"location": self.location, "storage class": self.storage_class, "labels": dict(self.labels)}
        )


class Buckets:
    """Buckets of the project. API: Cloud Storage JSON v1, `buckets`."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def create_bucket(
        self,
        name: str,
        *,
        location: str | None = None,
        storage_class: str | None = None,
        labels: Labels | None = None,
        versioning: bool = False,
        uniform_access: bool = True,
        lifecycle: Sequence[Mapping[str, Any]] | None = None,
    ) -> Bucket:
        """Make a bucket, in the client's location unless another is given (storage.buckets.insert).

        `lifecycle` are rules as in the API: `{"action": {"type": "Delete"}, "condition": {"age": 30}}`.
        Raises InvalidArgument, AlreadyExists.
        """
        bucket = self._handle(_bucket_name(name))
        if storage_class:
            bucket.storage_class = one_of(storage_class, STORAGE_CLASSES, field="storage_class")
        bucket.labels = check_labels(labels)
        bucket.versioning_enabled = versioning
        bucket.iam_configuration.uniform_bucket_level_access_enabled = uniform_access
        if lifecycle is not None:
            bucket.lifecycle_rules = _rules(lifecycle)
        with translated(f"gs://{bucket.name}"):
            bucket.create(location=location or self._clients.config.location, **self._clients.idempotent)
        return _bucket(bucket)

    def ensure_bucket(self, name: str, *, location: str | None = None, **settings: Any) -> Bucket:
        """Make the bucket, or bring an existing one to these settings (see `create_bucket`); its location stays."""
        try:
            bucket = self.get_bucket(name)  # who may not make buckets may use those that are there
        except NotFound:
            try:
                return self.create_bucket(name, location=location, **settings)
            except AlreadyExists:  # somebody else was quicker
                bucket = self.get_bucket(name)
        settings.pop("uniform_access", None)
        return self.update_bucket(name, **settings) if settings else bucket

    def get_bucket(self, name: str) -> Bucket:
        """The bucket (storage.buckets.get). Raises NotFound."""
        return _bucket(self._fetch(name))

    def list_buckets(self, *, prefix: str | None = None) -> list[Bucket]:
        """The project's buckets, by name (storage.buckets.list)."""
        with translated(f"buckets of {self._clients.config.project}"):
            found = self._clients.storage.list_buckets(prefix=prefix, **self._clients.idempotent)
            return [_bucket(bucket) for bucket in found]

    def update_bucket(
        self,
        name: str,
        *,
        labels: Labels | None = None,
        storage_class: str | None = None,
        versioning: bool | None = None,
        lifecycle: Sequence[Mapping[str, Any]] | None = None,
    ) -> Bucket:
        """Change what is given, leave the rest (storage.buckets.patch). Labels replace all labels. Raises NotFound."""
        bucket = self._fetch(name)
        if labels is not None:
            bucket.labels = check_labels(labels)
        if storage_class is not None:
            bucket.storage_class = one_of(storage_class, STORAGE_CLASSES, field="storage_class")
        if versioning is not None:
            bucket.versioning_enabled = versioning
        if lifecycle is not None:
            bucket.lifecycle_rules = _rules(lifecycle)
        with translated(f"gs://{bucket.name}"):
            bucket.patch(**self._clients.idempotent)
        return _bucket(bucket)

    def delete_bucket(self, name: str, *, force: bool = False) -> None:
        """Delete an empty bucket; with `force` its objects first, all versions (storage.buckets.delete).

        Raises NotFound, FailedPrecondition if it is not empty.
        """
        bucket = self._handle(_bucket_name(name))
        try:
            with translated(f"gs://{bucket.name}"):
                if force:
                    for blob in bucket.list_blobs(versions=True, **self._clients.idempotent):
                        bucket.delete_blob(blob.name, generation=blob.generation, **self._clients.idempotent)
                bucket.delete(**self._clients.idempotent)
        except (AlreadyExists, FailedPrecondition) as exc:  # 409: "not empty", in several wordings
            raise FailedPrecondition(
                f"gs://{bucket.name} is not empty",
                resource=f"gs://{bucket.name}",
                next_step="force=True deletes its objects too.",
            ) from exc

    def grant(self, bucket: str, *, member: str, role: str = "roles/storage.objectViewer") -> None:
        """Give a member a role on the bucket (storage.buckets.setIamPolicy).

        Members are "user:a@b.c", "serviceAccount:...", "group:...", "allUsers".
        """
        _check_member(member)
        target = self._handle(_bucket_name(bucket))
        with translated(f"gs://{target.name}"):
            policy = target.get_iam_policy(requested_policy_version=3, **self._clients.idempotent)
            bound = next((b for b in policy.bindings if b["role"] == role and not b.get("condition")), None)
            if bound is None:
                policy.bindings.append({"role": role, "members": {member}})
            else:
                bound["members"] = {*bound["members"], member}
            target.set_iam_policy(policy, **self._clients.idempotent)

    def grants(self, bucket: str) -> dict[str, list[str]]:
        """Role -> members of the bucket (storage.buckets.getIamPolicy)."""
        target = self._handle(_bucket_name(bucket))
        with translated(f"gs://{target.name}"):
            policy = target.get_iam_policy(requested_policy_version=3, **self._clients.idempotent)
        return {binding["role"]: sorted(binding["members"]) for binding in policy.bindings}

    def _handle(self, name: str) -> storage.Bucket:
        return self._clients.storage.bucket(name)

    def _fetch(self, name: str) -> storage.Bucket:
        checked = _bucket_name(name)
        hint = f"Make it with `gcpmlops storage create-bucket {checked}`; see `gcpmlops storage list-buckets`."
        try:
            with translated(f"gs://{checked}"):
                return self._clients.storage.get_bucket(checked, **self._clients.idempotent)
        except NotFound as exc:
            raise NotFound(f"gs://{checked} does not exist", resource=f"gs://{checked}", next_step=hint) from exc


def _bucket_name(name: str) -> str:
    uri = GsUri.parse(name, field="bucket")
    if uri.name:
        raise InvalidArgument(f"{name!r} names an object, not a bucket", field="bucket", value=name, allowed="a bucket")
    return check_bucket_name(uri.bucket)


def _rules(lifecycle: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    for rule in lifecycle:
        if "type" not in rule.get("action", {}) or "condition" not in rule:
            raise InvalidArgument(
                f"lifecycle rule {dict(rule)} lacks an action type or a condition",
                field="lifecycle",
                value=rule,
                allowed='{"action": {"type": "Delete"}, "condition": {"age": 30}}',
            )
    return [dict(rule) for rule in lifecycle]


def _check_member(member: str) -> None:
    kind = member.partition(":")[0]
    kinds = ("user", "serviceAccount", "group", "domain", "principal", "principalSet", "projectOwner", "projectEditor")
    if member not in ("allUsers", "allAuthenticatedUsers") and (
        ":" not in member or kind not in (*kinds, "projectViewer")
    ):
        raise InvalidArgument(
            f"{member!r} is not a member",
            field="member",
            value=member,
            allowed="user:, serviceAccount:, group:, ... or allUsers",
        )


def _bucket(official: storage.Bucket) -> Bucket:
    return Bucket(
        name=official.name,
        location=official.location or "",
        storage_class=official.storage_class or "",
        labels=dict(official.labels),
        created=official.time_created,
        versioning=bool(official.versioning_enabled),
        resource=dict(official._properties),
    )
