"""storage.buckets.*: requests to the domain, records to resources."""

from __future__ import annotations

from gcpmlops.emulator.services.storage import acls, errors, iam, representation
from gcpmlops.emulator.services.storage.call import Call, Reply
from gcpmlops.emulator.services.storage.listing import MAX_PAGE, Position
from gcpmlops.emulator.services.storage.locations import location_type
from gcpmlops.emulator.services.storage.preconditions import number
from gcpmlops.emulator.services.storage.records import BucketRecord, Json


def insert(call: Call) -> Reply:
    """storage.buckets.insert."""
    resource = call.json()
    acl, default = call.params.get("predefinedAcl"), call.params.get("predefinedDefaultObjectAcl")
    bucket = call.engine.buckets.insert(_project(call), resource, acl, default)
    return _reply(call, bucket, full=call.full or "acl" in resource)


def get(call: Call) -> Reply:
    """storage.buckets.get."""
    return _reply(call, call.engine.buckets.get(call.path["bucket"], call.conditions))


def list_(call: Call) -> Reply:
    """storage.buckets.list."""
    limit = page_size(call)
    token = call.params.get("pageToken")
    after = Position.from_token(token).name if token else ""
    found = call.engine.buckets.list(_project(call), call.params.get("prefix", ""), after, limit + 1)
    page = found[:limit]
    body: Json = {"kind": "storage#buckets"}
    if page:
        body["items"] = [_resource(call, bucket, full=call.full) for bucket in page]
    if len(found) > limit:
        body["nextPageToken"] = Position(page[-1].name, 0).to_token()
    return call.reply(body)


def patch(call: Call) -> Reply:
    """storage.buckets.patch."""
    resource = _with_predefined(call)
    return _reply(call, call.engine.buckets.patch(call.path["bucket"], resource, call.conditions))


def update(call: Call) -> Reply:
    """storage.buckets.update."""
    resource = _with_predefined(call)
    return _reply(call, call.engine.buckets.update(call.path["bucket"], resource, call.conditions))


def delete(call: Call) -> Reply:
    """storage.buckets.delete."""
    call.engine.buckets.delete(call.path["bucket"], call.conditions)
    call.engine.notifications.forget(call.path["bucket"])
    return Reply(204)


def lock_retention_policy(call: Call) -> Reply:
    """storage.buckets.lockRetentionPolicy."""
    return _reply(call, call.engine.buckets.lock_retention(call.path["bucket"], call.conditions))


def get_iam_policy(call: Call) -> Reply:
    """storage.buckets.getIamPolicy."""
    return call.reply(iam.policy_of(call.engine.buckets.get(call.path["bucket"])))


def set_iam_policy(call: Call) -> Reply:
    """storage.buckets.setIamPolicy."""
    return call.reply(iam.policy_of(call.engine.buckets.set_policy(call.path["bucket"], call.json())))


def test_iam_permissions(call: Call) -> Reply:
    """storage.buckets.testIamPermissions."""
    call.engine.buckets.get(call.path["bucket"])
    asked = call.queries.get("permissions", [])
    if not asked:
        raise errors.required("permissions")
    allowed = call.granted(iam.tested(asked), f"buckets/{call.path['bucket']}")
    return call.reply({"kind": "storage#testIamPermissionsResponse", "permissions": allowed})


def get_storage_layout(call: Call) -> Reply:
    """storage.buckets.getStorageLayout."""
    bucket = call.engine.buckets.get(call.path["bucket"])
    return call.reply(
        {
            "kind": "storage#storageLayout",
            "bucket": bucket.name,
            "location": bucket.config["location"],
            "locationType": location_type(bucket.config["location"], bucket.config.get("customPlacementConfig")),
            "hierarchicalNamespace": bucket.config.get("hierarchicalNamespace", {"enabled": False}),
        }
    )


def service_account(call: Call) -> Reply:
    """storage.projects.serviceAccount.get."""
    email = f"service-{call.engine.project_number}@gs-project-accounts.iam.gserviceaccount.com"
    return call.reply({"kind": "storage#serviceAccount", "email_address": email})


def list_managed_folders(call: Call) -> Reply:
    """storage.managedFolders.list: none can be made, so none are there (`gcloud storage rm -r` asks)."""
    call.engine.buckets.get(call.path["bucket"])
    return call.reply({"kind": "storage#managedFolders", "items": []})


def page_size(call: Call) -> int:
    """maxResults, 1,000 by default and at most. Raises BadRequest."""
    asked = number(call.params, "maxResults")
    if asked is not None and asked < 0:
        raise errors.invalid(f"Invalid value for maxResults: '{asked}'.")
    return min(asked or MAX_PAGE, MAX_PAGE)


def _project(call: Call) -> str:
    project = call.params.get("project")
    if not project:
        raise errors.required("project")
    return call.engine.project if project == call.engine.project_number else project


def _with_predefined(call: Call) -> Json:
    resource = call.json()
    number_ = call.engine.project_number
    for parameter, key in (("predefinedAcl", "acl"), ("predefinedDefaultObjectAcl", "defaultObjectAcl")):
        if name := call.params.get(parameter):
            resource[key] = acls.predefined(name, number_)
    return resource


def _resource(call: Call, bucket: BucketRecord, *, full: bool) -> Json:
    return representation.bucket(bucket, call.base, call.engine.project_number, full=full)


def _reply(call: Call, bucket: BucketRecord, *, full: bool | None = None) -> Reply:
    resource = _resource(call, bucket, full=call.full if full is None else full)
    return call.reply(resource, etag=bucket.etag)
