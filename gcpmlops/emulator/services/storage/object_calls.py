"""storage.objects.* without contents: metadata, listing, copies."""

from __future__ import annotations

from gcpmlops.emulator.services.storage import acls, errors, iam, representation
from gcpmlops.emulator.services.storage.bucket_calls import page_size
from gcpmlops.emulator.services.storage.call import Call, Reply
from gcpmlops.emulator.services.storage.copies import Source
from gcpmlops.emulator.services.storage.listing import Query
from gcpmlops.emulator.services.storage.objects import own_fields
from gcpmlops.emulator.services.storage.preconditions import Preconditions, from_query, number
from gcpmlops.emulator.services.storage.records import Json, ObjectRecord


def get(call: Call) -> Reply:
    """storage.objects.get with alt=json."""
    bucket, name = call.path["bucket"], call.path["object"]
    if call.flag("softDeleted"):
        call.engine.buckets.get(bucket)
        raise errors.no_object(bucket, name, call.generation)  # nothing is kept after a deletion
    return reply(call, call.engine.objects.get(bucket, name, call.generation, call.conditions))


def list_(call: Call) -> Reply:
    """storage.objects.list."""
    query = _query(call)
    page = call.engine.page(query, call.params.get("pageToken") or None)
    home = call.engine.buckets.get(query.bucket) if call.full else None
    body: Json = {"kind": "storage#objects"}
    if call.flag("softDeleted"):
        return call.reply(body)
    if page.token:
        body["nextPageToken"] = page.token
    if page.prefixes:
        body["prefixes"] = page.prefixes
    if page.items and home:
        body["items"] = [representation.full_object(record, home, call.base) for record in page.items]
    elif page.items:
        body["items"] = [representation.object_(record, call.base) for record in page.items]
    return call.reply(body)


def patch(call: Call) -> Reply:
    """storage.objects.patch."""
    return _change(call, replace=False)


def update(call: Call) -> Reply:
    """storage.objects.update."""
    return _change(call, replace=True)


def delete(call: Call) -> Reply:
    """storage.objects.delete."""
    call.engine.objects.delete(call.path["bucket"], call.path["object"], call.generation, call.conditions)
    return Reply(204)


def compose(call: Call) -> Reply:
    """storage.objects.compose."""
    body = call.json()
    bucket = call.path["bucket"]
    sources = [_component(bucket, entry) for entry in body.get("sourceObjects", [])]
    destination = body.get("destination") or {}
    record = call.engine.copies.compose(
        bucket, call.path["object"], sources, own_fields(destination), call.conditions, _acl(call, destination)
    )
    if call.flag("deleteSourceObjects"):
        for source in sources:
            call.engine.objects.delete(source.bucket, source.name, source.generation)
    return reply(call, record)


def copy(call: Call) -> Reply:
    """storage.objects.copy."""
    return reply(call, _copied(call))


def rewrite(call: Call) -> Reply:
    """storage.objects.rewrite: done in one call, whatever the size."""
    record = _copied(call)
    size = str(record.size)
    return call.reply(
        {
            "kind": "storage#rewriteResponse",
            "totalBytesRewritten": size,
            "objectSize": size,
            "done": True,
            "resource": resource(call, record),
        }
    )


def move(call: Call) -> Reply:
    """storage.objects.move."""
    source = Source(call.path["bucket"], call.path["object"], None, from_query(call.params, "ifSource"))
    return reply(call, call.engine.copies.move(source, call.path["destination"], call.conditions))


def get_iam_policy(call: Call) -> Reply:
    """storage.objects.getIamPolicy: an object has no policy of its own under IAM, so it shows an empty one."""
    record = call.engine.objects.get(call.path["bucket"], call.path["object"], call.generation)
    resource_id = f"projects/_/buckets/{record.bucket}/objects/{record.name}"
    return call.reply({"kind": "storage#policy", "resourceId": resource_id, "version": 1, "etag": record.etag})


def test_iam_permissions(call: Call) -> Reply:
    """storage.objects.testIamPermissions."""
    call.engine.objects.get(call.path["bucket"], call.path["object"], call.generation)
    asked = call.queries.get("permissions", [])
    if not asked:
        raise errors.required("permissions")
    allowed = call.granted(iam.tested(asked), f"buckets/{call.path['bucket']}/objects/{call.path['object']}")
    return call.reply({"kind": "storage#testIamPermissionsResponse", "permissions": allowed})


def resource(call: Call, record: ObjectRecord) -> Json:
    """The object's resource, with its ACL when the caller asked for the full projection."""
    if not call.full:
        return representation.object_(record, call.base)
    return representation.full_object(record, call.engine.buckets.get(record.bucket), call.base)


def reply(call: Call, record: ObjectRecord) -> Reply:
    """The object's resource as a reply."""
    return call.reply(resource(call, record), etag=record.etag)


def destination_acl(call: Call, given: Json, parameter: str) -> acls.Acl | None:
    """The ACL that a new object is given: by name, or in its resource. None: the bucket's default."""
    name = call.params.get(parameter)
    if not name and not given.get("acl"):
        return None
    acls.check_allowed(call.engine.buckets.get(call.path["bucket"]))
    return acls.predefined(name, call.engine.project_number) if name else acls.given(given["acl"])


def _acl(call: Call, given: Json) -> acls.Acl | None:
    return destination_acl(call, given, "destinationPredefinedAcl")


def _change(call: Call, *, replace: bool) -> Reply:
    body = call.json()
    bucket, name = call.path["bucket"], call.path["object"]
    objects = call.engine.objects
    change = objects.update if replace else objects.patch
    acl = destination_acl(call, body, "predefinedAcl")
    record = change(bucket, name, body, call.conditions, call.generation)
    if acl is not None:
        objects.edit_acl(bucket, name, lambda _: acl, record.generation)
        record = objects.get(bucket, name, record.generation)
    return reply(call, record)


def _copied(call: Call) -> ObjectRecord:
    path, body = call.path, call.json()
    generation = number(call.params, "sourceGeneration")
    source = Source(path["bucket"], path["object"], generation, from_query(call.params, "ifSource"))
    acl = None
    if body.get("acl") or "destinationPredefinedAcl" in call.params:
        acls.check_allowed(call.engine.buckets.get(path["destinationBucket"]))
        name = call.params.get("destinationPredefinedAcl")
        acl = acls.predefined(name, call.engine.project_number) if name else acls.given(body["acl"])
    return call.engine.copies.copy(
        source, path["destinationBucket"], path["destinationObject"], body, call.conditions, acl
    )


def _component(bucket: str, entry: Json) -> Source:
    match = (entry.get("objectPreconditions") or {}).get("ifGenerationMatch")
    conditions = Preconditions(generation_match=None if match is None else int(match))
    generation = entry.get("generation")
    if not entry.get("name"):
        raise errors.required("sourceObjects.name")
    return Source(bucket, entry["name"], None if generation is None else int(generation), conditions)


def _query(call: Call) -> Query:
    params = call.params
    return Query(
        bucket=call.path["bucket"],
        prefix=params.get("prefix", ""),
        delimiter=params.get("delimiter", ""),
        start_offset=params.get("startOffset", ""),
        end_offset=params.get("endOffset", ""),
        trailing=call.flag("includeTrailingDelimiter"),
        glob=params.get("matchGlob", ""),
        versions=call.flag("versions"),
        limit=page_size(call),
    )
