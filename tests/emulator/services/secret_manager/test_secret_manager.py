"""Secrets through the official client, over gRPC and REST."""

import uuid
from datetime import timedelta

import google_crc32c
import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1, secretmanager_v1

from gcpmlops.emulator.services.secret_manager import checks

AUTOMATIC = {"replication": {"automatic": {}}}
REGIONAL = "secretmanager.us-central1.rep.googleapis.com"
State = secretmanager_v1.SecretVersion.State


@pytest.fixture(params=["grpc", "rest"])
def secrets(request, google_environment):
    return secretmanager_v1.SecretManagerServiceClient(transport=request.param)


@pytest.fixture
def only(google_environment):
    """For what does not depend on the transport."""
    return secretmanager_v1.SecretManagerServiceClient()


@pytest.fixture
def parent(emulator) -> str:
    return f"projects/{emulator.project}"


@pytest.fixture
def make(only, parent):
    def create(where=parent, **fields):
        secret = {**AUTOMATIC, **fields} if where == parent else fields
        return only.create_secret(parent=where, secret_id=f"s-{uuid.uuid4().hex[:8]}", secret=secret)

    return create


def test_life_of_a_secret(secrets, parent) -> None:
    name = f"{parent}/secrets/life-{uuid.uuid4().hex[:8]}"
    made = secrets.create_secret(
        parent=parent, secret_id=name.rpartition("/")[2], secret={**AUTOMATIC, "labels": {"team": "ml"}}
    )
    assert (made.name, dict(made.labels)) == (name, {"team": "ml"})
    with pytest.raises(exceptions.NotFound, match="has no versions"):
        secrets.access_secret_version(name=f"{name}/versions/latest")
    data = b"\x00one\xff"
    first = secrets.add_secret_version(parent=name, payload={"data": data, "data_crc32c": google_crc32c.value(data)})
    assert first.name == f"{name}/versions/1"
    assert first.client_specified_payload_checksum
    second = secrets.add_secret_version(parent=name, payload={"data": b"two"})
    latest = secrets.access_secret_version(name=f"{name}/versions/latest")
    assert (latest.name, latest.payload.data) == (second.name, b"two")
    assert latest.payload.data_crc32c == google_crc32c.value(b"two")
    assert secrets.access_secret_version(name=first.name).payload.data == data
    assert [version.name for version in secrets.list_secret_versions(parent=name)] == [second.name, first.name]
    secrets.delete_secret(name=name)
    with pytest.raises(exceptions.NotFound, match=f"{name}\\] not found"):
        secrets.access_secret_version(name=first.name)


def test_the_project_number_names_the_same_secret(only, make, emulator) -> None:
    from google.cloud import resourcemanager_v3

    number = resourcemanager_v3.ProjectsClient().get_project(name=f"projects/{emulator.project}").name
    secret = make()
    only.add_secret_version(parent=secret.name, payload={"data": b"x"})
    by_number = secret.name.replace(f"projects/{emulator.project}", number)
    assert only.access_secret_version(name=f"{by_number}/versions/1").payload.data == b"x"


def test_states(secrets, make) -> None:
    secret = make()
    version = secrets.add_secret_version(parent=secret.name, payload={"data": b"x"})
    with pytest.raises(exceptions.BadRequest, match="aliases are for access alone"):
        secrets.disable_secret_version(name=f"{secret.name}/versions/latest")
    disabled = secrets.disable_secret_version(name=version.name)
    assert (disabled.state, disabled.etag != version.etag) == (State.DISABLED, True)
    with pytest.raises(exceptions.BadRequest, match="is in DISABLED state"):
        secrets.access_secret_version(name=f"{secret.name}/versions/latest")
    with pytest.raises(exceptions.BadRequest, match="etag"):
        secrets.enable_secret_version(request={"name": version.name, "etag": version.etag})
    secrets.enable_secret_version(request={"name": version.name, "etag": disabled.etag})
    assert secrets.access_secret_version(name=version.name).payload.data == b"x"
    destroyed = secrets.destroy_secret_version(name=version.name)
    assert (destroyed.state, "destroy_time" in destroyed) == (State.DESTROYED, True)
    for change in (secrets.access_secret_version, secrets.enable_secret_version, secrets.destroy_secret_version):
        with pytest.raises(exceptions.BadRequest, match="is in DESTROYED state"):
            change(name=version.name)
    following = secrets.add_secret_version(parent=secret.name, payload={"data": b"y"})
    assert following.name.endswith("/versions/2")


def test_aliases_and_etags(only, make) -> None:
    secret = make()
    for data in (b"one", b"two"):
        only.add_secret_version(parent=secret.name, payload={"data": data})
    aliased = {"name": secret.name, "etag": secret.etag, "version_aliases": {"live": 1}}
    changed = only.update_secret(secret=aliased, update_mask={"paths": ["version_aliases"]})
    assert only.access_secret_version(name=f"{secret.name}/versions/live").payload.data == b"one"
    assert only.get_secret_version(name=f"{secret.name}/versions/live").name == f"{secret.name}/versions/1"
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        only.update_secret(secret=aliased, update_mask={"paths": ["version_aliases"]})
    with pytest.raises(exceptions.InvalidArgument, match="version 9 is not found"):
        only.update_secret(
            secret={"name": secret.name, "version_aliases": {"next": 9}}, update_mask={"paths": ["version_aliases"]}
        )
    with pytest.raises(exceptions.FailedPrecondition, match="etag"):
        only.delete_secret(request={"name": secret.name, "etag": secret.etag})
    only.delete_secret(request={"name": secret.name, "etag": changed.etag})


def test_lists(only, make, parent) -> None:
    tag = f"t{uuid.uuid4().hex[:8]}"
    made = [make(labels={"run": tag, "turn": str(turn)}).name for turn in range(3)]
    mine = {"parent": parent, "filter": f"labels.run={tag}"}
    assert [secret.name for secret in only.list_secrets(mine)] == made[::-1]
    page = next(only.list_secrets({**mine, "page_size": 2}).pages)
    assert ([secret.name for secret in page.secrets], page.total_size) == (made[:0:-1], 3)
    assert [secret.name for secret in only.list_secrets({**mine, "filter": f"name:{made[1].rpartition('/')[2]}"})] == [
        made[1]
    ]
    for data in (b"a", b"b"):
        only.add_secret_version(parent=made[0], payload={"data": data})
    only.disable_secret_version(name=f"{made[0]}/versions/1")
    enabled = only.list_secret_versions({"parent": made[0], "filter": "state:ENABLED"})
    assert [version.name for version in enabled] == [f"{made[0]}/versions/2"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"replication": {}}, "secret.replication"),
        ({"replication": {"user_managed": {"replicas": []}}}, "replicas"),
        ({"replication": {"user_managed": {"replicas": [{"location": "mars"}]}}}, "Location mars is unknown"),
        ({"labels": {"Bad": "x"}}, "labels.Bad"),
        ({"annotations": {"-": "x"}}, "annotations.-"),
        ({"ttl": {"seconds": -5}}, "secret.ttl"),
        ({"expire_time": {"seconds": 1}}, "is past"),
        ({"version_aliases": {"latest": 1}}, "aliases.latest"),
        ({"rotation": {"next_rotation_time": {"seconds": 9_000_000_000}}}, "topics"),
        ({"version_destroy_ttl": {"seconds": 60}}, "version_destroy_ttl"),
    ],
)
def test_a_secret_that_is_not_allowed(make, fields, told) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=told):
        make(**fields)


def test_bad_input(only, make, parent) -> None:
    secret = make()
    with pytest.raises(exceptions.AlreadyExists):
        only.create_secret(parent=parent, secret_id=secret.name.rpartition("/")[2], secret=AUTOMATIC)
    with pytest.raises(exceptions.InvalidArgument, match="secret_id"):
        only.create_secret(parent=parent, secret_id="a.b", secret=AUTOMATIC)
    with pytest.raises(exceptions.InvalidArgument, match="65536 are allowed"):
        only.add_secret_version(parent=secret.name, payload={"data": bytes(checks.MAX_PAYLOAD + 1)})
    with pytest.raises(exceptions.InvalidArgument, match="damaged"):
        only.add_secret_version(parent=secret.name, payload={"data": b"x", "data_crc32c": 1})
    with pytest.raises(exceptions.NotFound):
        only.add_secret_version(parent=f"{parent}/secrets/none", payload={"data": b"x"})
    with pytest.raises(exceptions.InvalidArgument, match="update_mask"):
        only.update_secret(secret={"name": secret.name})
    elsewhere = {"user_managed": {"replicas": [{"location": "us-east1"}]}}
    for other in ({}, elsewhere):
        with pytest.raises(exceptions.InvalidArgument, match="replication"):
            only.update_secret(
                secret={"name": secret.name, "replication": other}, update_mask={"paths": ["replication"]}
            )
    key = {"automatic": {"customer_managed_encryption": {"kms_key_name": "projects/p/locations/global/keyRings/r"}}}
    keyed = only.update_secret(secret={"name": secret.name, "replication": key}, update_mask={"paths": ["replication"]})
    assert keyed.replication.automatic.customer_managed_encryption.kms_key_name.endswith("keyRings/r")
    assert list(only.list_secret_versions(parent=secret.name)) == []  # nothing of it was stored
    only.add_secret_version(parent=secret.name, payload={"data": bytes(checks.MAX_PAYLOAD)})


def test_policies(secrets, make, parent) -> None:
    secret = make()
    binding = {"role": "roles/secretmanager.secretAccessor", "members": ["user:someone@example.com"]}
    kept = secrets.set_iam_policy(request={"resource": secret.name, "policy": {"bindings": [binding]}})
    assert secrets.get_iam_policy(request={"resource": secret.name}) == kept
    with pytest.raises(exceptions.NotFound):
        secrets.get_iam_policy(request={"resource": f"{secret.name}-none"})
    secrets.delete_secret(name=secret.name)
    secrets.create_secret(parent=parent, secret_id=secret.name.rpartition("/")[2], secret=AUTOMATIC)
    assert list(secrets.get_iam_policy(request={"resource": secret.name}).bindings) == []  # it is another secret


def test_regional_secrets(google_environment, parent, make, only) -> None:
    regional = secretmanager_v1.SecretManagerServiceClient(client_options={"api_endpoint": REGIONAL})
    secret = make(f"{parent}/locations/us-central1")
    regional.add_secret_version(parent=secret.name, payload={"data": b"here"})
    assert regional.access_secret_version(name=f"{secret.name}/versions/1").payload.data == b"here"
    assert secret.name not in [found.name for found in only.list_secrets(parent=parent)]
    with pytest.raises(exceptions.InvalidArgument, match="regional"):
        make(f"{parent}/locations/us-central1", **AUTOMATIC)


def test_topics_are_told(only, make, parent, emulator_clock) -> None:
    publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    topic, subscription = (f"{parent}/{kind}/secrets-{uuid.uuid4().hex[:8]}" for kind in ("topics", "subscriptions"))
    with pytest.raises(exceptions.FailedPrecondition, match="is not found"):
        make(topics=[{"name": topic}])
    publisher.create_topic(name=topic)
    subscriber.create_subscription(name=subscription, topic=topic)
    first = emulator_clock.now() + timedelta(hours=1)
    rotation = {"next_rotation_time": first, "rotation_period": timedelta(days=1)}
    secret = make(topics=[{"name": topic}], rotation=rotation)
    only.add_secret_version(parent=secret.name, payload={"data": b"x"})
    emulator_clock.advance("90m")
    pulled = subscriber.pull(subscription=subscription, max_messages=10).received_messages
    told = {message.message.attributes["eventType"]: message.message for message in pulled}
    assert set(told) == {"SECRET_CREATE", "SECRET_VERSION_ADD", "SECRET_ROTATE"}
    assert told["SECRET_VERSION_ADD"].attributes["versionId"] == f"{secret.name}/versions/1"
    assert only.get_secret(name=secret.name).rotation.next_rotation_time == first + timedelta(days=1)
    with pytest.raises(exceptions.InvalidArgument, match="needs topics"):
        only.update_secret(secret={"name": secret.name}, update_mask={"paths": ["topics"]})
    paths = ["rotation.next_rotation_time", "rotation.rotation_period"]  # as gcloud's --remove-rotation-schedule
    with pytest.raises(exceptions.InvalidArgument, match="where there is a rotation_period"):
        only.update_secret(secret={"name": secret.name}, update_mask={"paths": paths[:1]})
    assert "rotation" not in only.update_secret(secret={"name": secret.name}, update_mask={"paths": paths})
    only.delete_secret(name=secret.name)
