"""Buckets and objects as the JSON API's resources."""

from __future__ import annotations

from urllib.parse import quote

from gcpmlops.emulator.services.storage import acls
from gcpmlops.emulator.services.storage.locations import location_type
from gcpmlops.emulator.services.storage.records import BucketRecord, Json, ObjectRecord, etag, rfc3339


def bucket(record: BucketRecord, base: str, project_number: str, *, full: bool = False) -> Json:
    """``storage#bucket``; ``full`` adds the ACLs. ``base`` is the scheme and host that links begin with."""
    placement = record.config.get("customPlacementConfig")
    resource: Json = {
        "kind": "storage#bucket",
        "id": record.name,
        "name": record.name,
        "selfLink": f"{base}/storage/v1/b/{record.name}",
        "projectNumber": project_number,
        "generation": str(record.generation),
        "metageneration": str(record.metageneration),
        "etag": record.etag,
        "timeCreated": rfc3339(record.created),
        "updated": rfc3339(record.updated),
        **record.config,
        "locationType": location_type(record.config["location"], placement),
    }
    if resource["locationType"] != "region":
        resource.setdefault("rpo", "DEFAULT")
    if full and not record.uniform_access:
        resource["owner"] = {"entity": f"project-owners-{project_number}"}
        resource["acl"] = [bucket_acl(record, entry, base) for entry in record.acl]
        resource["defaultObjectAcl"] = [default_acl(record, entry) for entry in record.default_acl]
    return resource


def object_(record: ObjectRecord, base: str) -> Json:
    """``storage#object`` without ACL."""
    bucket_name, generation = record.bucket, record.generation
    path = f"storage/v1/b/{bucket_name}/o/{quote(record.name, safe='')}"
    created = rfc3339(record.created)
    resource: Json = {
        "kind": "storage#object",
        "id": f"{bucket_name}/{record.name}/{generation}",
        "selfLink": f"{base}/{path}",
        "mediaLink": f"{base}/download/{path}?generation={generation}&alt=media",
        "name": record.name,
        "bucket": bucket_name,
        "generation": str(generation),
        "metageneration": str(record.metageneration),
        "size": str(record.size),
        "crc32c": record.crc32c,
        "etag": record.etag,
        "timeCreated": created,
        "updated": created if record.updated == record.created else rfc3339(record.updated),
        "timeStorageClassUpdated": created,
        "timeFinalized": created,
        **record.fields,
    }
    if record.md5 is not None:
        resource["md5Hash"] = record.md5
    if record.components is not None:
        resource["componentCount"] = record.components
    if record.deleted is not None:
        resource["timeDeleted"] = rfc3339(record.deleted)
    return resource


def full_object(record: ObjectRecord, home: BucketRecord, base: str) -> Json:
    """``storage#object`` with its ACL, unless IAM alone decides."""
    resource = object_(record, base)
    if not home.uniform_access:
        entries = home.default_acl if record.acl is None else record.acl
        resource["owner"] = {"entity": home.acl[0]["entity"] if home.acl else ""}
        resource["acl"] = [object_acl(record, entry, base) for entry in entries]
    return resource


def bucket_acl(record: BucketRecord, entry: Json, base: str) -> Json:
    """``storage#bucketAccessControl``."""
    return {
        "kind": "storage#bucketAccessControl",
        "id": f"{record.name}/{entry['entity']}",
        "selfLink": f"{base}/storage/v1/b/{record.name}/acl/{entry['entity']}",
        "bucket": record.name,
        **entry,
        "etag": record.etag,
    }


def default_acl(record: BucketRecord, entry: Json) -> Json:
    """An entry of the ACL that new objects get."""
    return {"kind": "storage#objectAccessControl", **entry, "etag": record.etag}


def object_acl(record: ObjectRecord, entry: Json, base: str) -> Json:
    """``storage#objectAccessControl``."""
    path = f"storage/v1/b/{record.bucket}/o/{quote(record.name, safe='')}"
    return {
        "kind": "storage#objectAccessControl",
        "id": f"{record.bucket}/{record.name}/{record.generation}/{entry['entity']}",
        "selfLink": f"{base}/{path}/acl/{entry['entity']}",
        "bucket": record.bucket,
        "object": record.name,
        "generation": str(record.generation),
        **entry,
        "etag": etag(record.generation, record.metageneration),
    }


def acl_list(kind: str, entries: acls.Acl) -> Json:
    """``storage#...AccessControls``."""
    return {"kind": kind, "items": entries}
