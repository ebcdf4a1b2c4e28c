"""Buckets through the official client."""

from __future__ import annotations

import pytest
import requests
from google.api_core import exceptions
from google.cloud.storage import constants


def test_defaults(bucket):
    bucket.reload()
    assert (bucket.location, bucket.location_type) == ("US", "multi-region")
    assert bucket.storage_class == "STANDARD"
    assert bucket.metageneration == 1
    assert bucket.project_number == 123456789012
    assert not bucket.versioning_enabled
    assert bucket.iam_configuration.public_access_prevention == "inherited"


@pytest.mark.parametrize(
    ("location", "kind"),
    [("us-central1", "region"), ("EU", "multi-region"), ("nam4", "dual-region"), ("europe-west12", "region")],
)
def test_locations(storage_client, location, kind):
    bucket = storage_client.create_bucket("located", location=location)
    assert (bucket.location, bucket.location_type) == (location.upper(), kind)


@pytest.mark.parametrize("location", ["mars", "us central", "x"])
def test_no_locations(storage_client, location):
    with pytest.raises(exceptions.BadRequest, match="location"):
        storage_client.create_bucket("located", location=location)


@pytest.mark.parametrize(
    "name", ["ab", "A-b-c", "-abc", "abc-", "a..b", "192.168.5.4", "goog-x", "x" * 64, "a b c", "my-google-x"]
)
def test_refused_names(storage_client, name):
    with pytest.raises((exceptions.BadRequest, ValueError)):
        storage_client.create_bucket(name)
    assert list(storage_client.list_buckets()) == []


def test_taken_and_missing(storage_client, bucket):
    with pytest.raises(exceptions.Conflict, match="already own it"):
        storage_client.create_bucket("bucket-1")
    with pytest.raises(exceptions.NotFound, match="The specified bucket does not exist"):
        storage_client.get_bucket("bucket-9")
    assert storage_client.lookup_bucket("bucket-9") is None


def test_full_buckets_are_not_deleted(bucket):
    bucket.blob("o").upload_from_string(b"x")
    with pytest.raises(exceptions.Conflict, match="not empty"):
        bucket.delete()
    bucket.delete(force=True)
    assert not bucket.exists()


def test_patch_labels_versioning_lifecycle(storage_client, bucket):
    bucket.labels = {"team": "ml", "env": "dev"}
    bucket.versioning_enabled = True
    bucket.add_lifecycle_delete_rule(age=30)
    bucket.cors = [{"origin": ["*"], "method": ["GET"]}]
    bucket.configure_website("index.html")
    bucket.patch()
    found = storage_client.get_bucket("bucket-1")
    assert found.labels == {"team": "ml", "env": "dev"}
    assert found.versioning_enabled
    assert next(iter(found.lifecycle_rules))["condition"] == {"age": 30}
    assert found.cors == [{"origin": ["*"], "method": ["GET"]}]
    assert found.metageneration == 2
    labels = found.labels
    del labels["env"]
    found.labels = labels
    found.patch()
    assert storage_client.get_bucket("bucket-1").labels == {"team": "ml"}
    found.labels = {"Upper": "x"}
    with pytest.raises(exceptions.BadRequest, match="label"):
        found.patch()
    with pytest.raises(exceptions.PreconditionFailed):
        found.patch(if_metageneration_match=1)


def test_update_replaces(storage_client, bucket, served):
    bucket.labels = {"a": "b"}
    bucket.patch()
    reply = requests.put(f"{served.url}/storage/v1/b/bucket-1", json={"versioning": {"enabled": True}})
    assert "labels" not in reply.json()
    assert reply.json()["location"] == "US"


def test_list_by_prefix_in_pages(storage_client):
    for name in ("aaa-1", "aaa-2", "bbb-1", "aaa-3"):
        storage_client.create_bucket(name)
    storage_client.create_bucket("elsewhere", project="another")
    assert [bucket.name for bucket in storage_client.list_buckets()] == ["aaa-1", "aaa-2", "aaa-3", "bbb-1"]
    pages = storage_client.list_buckets(prefix="aaa", page_size=2).pages
    assert [[bucket.name for bucket in page] for page in pages] == [["aaa-1", "aaa-2"], ["aaa-3"]]
    assert [bucket.name for bucket in storage_client.list_buckets(project="another")] == ["elsewhere"]


def test_iam(bucket):
    policy = bucket.get_iam_policy(requested_policy_version=3)
    assert {binding["role"] for binding in policy.bindings} >= {"roles/storage.legacyBucketOwner"}
    policy.bindings.append({"role": "roles/storage.objectViewer", "members": {"allUsers", "user:a@example.com"}})
    bucket.set_iam_policy(policy)
    found = bucket.get_iam_policy()
    assert found["roles/storage.objectViewer"] == {"allUsers", "user:a@example.com"}
    assert found.etag != policy.etag
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.set_iam_policy(policy)
    found["roles/storage.objectViewer"] = {"nobody"}
    with pytest.raises(exceptions.BadRequest, match="member"):
        bucket.set_iam_policy(found)
    assert bucket.test_iam_permissions(["storage.objects.get"]) == ["storage.objects.get"]
    with pytest.raises(exceptions.BadRequest):
        bucket.test_iam_permissions(["compute.instances.get"])


def test_acls(bucket):
    bucket.acl.reload()
    assert {"entity": "project-owners-123456789012", "role": "OWNER"} in list(bucket.acl)
    bucket.acl.all_authenticated().grant_read()
    bucket.acl.save()
    bucket.default_object_acl.save_predefined("publicRead")
    bucket.default_object_acl.reload()
    assert {"entity": "allUsers", "role": "READER"} in list(bucket.default_object_acl)
    blob = bucket.blob("o")
    blob.upload_from_string(b"x")
    blob.acl.reload()
    assert {"entity": "allUsers", "role": "READER"} in list(blob.acl)


def test_acl_entries_one_by_one(bucket, served):
    url = f"{served.url}/storage/v1/b/bucket-1/acl"
    assert requests.post(url, json={"entity": "allUsers", "role": "READER"}).json()["role"] == "READER"
    assert requests.put(f"{url}/allUsers", json={"role": "WRITER"}).json()["role"] == "WRITER"
    assert requests.get(f"{url}/allUsers").json()["role"] == "WRITER"
    assert requests.delete(f"{url}/allUsers").status_code == 204
    assert requests.get(f"{url}/allUsers").status_code == 404
    assert requests.post(url, json={"entity": "allUsers", "role": "KING"}).status_code == 400


def test_retention_lock(bucket):
    bucket.retention_period = 60
    bucket.patch()
    bucket.lock_retention_policy()
    bucket.reload()
    assert bucket.retention_policy_locked


def test_uniform_access_and_public_access_prevention(bucket):
    bucket.iam_configuration.uniform_bucket_level_access_enabled = True
    bucket.iam_configuration.public_access_prevention = constants.PUBLIC_ACCESS_PREVENTION_ENFORCED
    bucket.patch()
    bucket.reload()
    assert bucket.iam_configuration.uniform_bucket_level_access_enabled
    assert bucket.iam_configuration.uniform_bucket_level_access_locked_time
    assert bucket.iam_configuration.public_access_prevention == "enforced"


def test_service_account_and_layout(storage_client, bucket, served):
    assert "123456789012" in storage_client.get_service_account_email()
    layout = requests.get(f"{served.url}/storage/v1/b/bucket-1/storageLayout").json()
    assert (layout["location"], layout["hierarchicalNamespace"]) == ("US", {"enabled": False})
    assert list(bucket.list_notifications()) == []


def test_required_parameters(served):
    reply = requests.post(f"{served.url}/storage/v1/b", json={"name": "abc"})
    assert reply.status_code == 400
    assert reply.json()["error"]["errors"][0]["reason"] == "required"
