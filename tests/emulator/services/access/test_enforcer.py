"""Who may do what: bindings of a resource and of what it stands in, members, a project's own roles."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.cloud.iam_admin_v1 import types
from google.iam.v1 import policy_pb2
from google.longrunning import operations_pb2

from gcpmlops.emulator.kernel.agenda import Agenda
from gcpmlops.emulator.kernel.call import Call, Caller, answering
from gcpmlops.emulator.kernel.clock import SystemClock, TravelClock
from gcpmlops.emulator.kernel.gate import Asked
from gcpmlops.emulator.kernel.locks import Locks
from gcpmlops.emulator.kernel.operations import Operations
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.access.bindings import Bindings, Elsewhere
from gcpmlops.emulator.services.access.enforcer import Enforcer
from gcpmlops.emulator.settings import Settings
from gcpmlops.emulator.state.store import Store

OWNER = "own@p.iam.gserviceaccount.com"
EMAIL = "a@p.iam.gserviceaccount.com"
ME = f"serviceAccount:{EMAIL}"
READ = "storage.objects.get"
TABLE = "projects/p/datasets/d/tables/t"

SUBSCRIPTION = pubsub_v1.types.Subscription(
    name="projects/p/subscriptions/s", topic="projects/p/topics/t",
    push_config={"push_endpoint": "https://x.example.com", "oidc_token": {"service_account_email": OWNER}},
)  # fmt: skip


@dataclass
class Cloud:
    """An enforcer with its policies; buckets and datasets are given as their own stores would."""

    context: Context
    buckets: dict[str, tuple[str, list[dict[str, Any]]]] = field(default_factory=dict)
    datasets: dict[tuple[str, str], list[dict[str, Any]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        elsewhere = Elsewhere(self.buckets.get, lambda *of: self.datasets.get(of))
        self.enforcer = Enforcer(self.context, Bindings(self.context.store, elsewhere, owner=OWNER))

    def bind(self, resource: str, role: str, *members: str, condition: str = "") -> None:
        policy = policy_pb2.Policy()
        binding = policy.bindings.add(role=role, members=members)
        if condition:
            binding.condition.expression = condition
        self.context.store.collection(policy_pb2.Policy).put(resource, policy, parent="")
        self.context.access.changed()

    def may(self, permission: str, resource: str, email: str = EMAIL) -> bool:
        return self.enforcer.allows(permission, resource, email=email)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    clock, pool = SystemClock(), ThreadPoolExecutor(1)
    store = Store(tmp_path / "state.db", now=clock.now)
    operations = Operations(store.collection(operations_pb2.Operation), clock, pool)
    settings = Settings(data_dir=tmp_path, project="p")
    yield Cloud(Context(store, clock, operations, Locks(), settings, Agenda(TravelClock(), pool)))
    pool.shutdown()
    store.close()


@pytest.mark.parametrize(
    ("bound", "resource", "role", "permission"),
    [
        ("projects/p", "projects/p/topics/t", "roles/pubsub.publisher", "pubsub.topics.publish"),
        ("projects/p/topics/t", "projects/p/topics/t", "roles/pubsub.publisher", "pubsub.topics.publish"),
        (
            f"projects/p/serviceAccounts/{OWNER}", f"projects/-/serviceAccounts/{OWNER}",
            "roles/iam.serviceAccountTokenCreator", "iam.serviceAccounts.getAccessToken",
        ),
        (
            "projects/p/secrets/s", "projects/p/secrets/s/versions/1", "roles/secretmanager.secretAccessor",
            "secretmanager.versions.access",
        ),
        (
            "projects/p/locations/l/repositories/r", "projects/p/locations/l/repositories/r/packages/x",
            "roles/artifactregistry.reader", "artifactregistry.packages.get",
        ),
    ],
)  # fmt: skip
def test_a_role_on_the_resource_or_above_counts_until_it_is_taken_away(
    cloud: Cloud, bound: str, resource: str, role: str, permission: str
) -> None:
    assert not cloud.may(permission, resource)
    cloud.bind(bound, role, ME)
    assert cloud.may(permission, resource)
    assert not cloud.may(permission, resource, "b@p.iam.gserviceaccount.com")
    cloud.bind(bound, "roles/browser", ME)
    assert not cloud.may(permission, resource)


def test_a_role_on_one_resource_is_none_on_its_neighbour(cloud: Cloud) -> None:
    cloud.bind("projects/p/topics/t", "roles/pubsub.publisher", ME)
    assert not cloud.may("pubsub.topics.publish", "projects/p/topics/t2")
    assert not cloud.may("pubsub.topics.publish", "projects/p")


@pytest.mark.parametrize(
    ("member", "email", "expected"),
    [
        ("allUsers", "", True),
        ("allUsers", EMAIL, True),
        ("allAuthenticatedUsers", "", False),
        ("allAuthenticatedUsers", EMAIL, True),
        ("user:me@example.com", "me@example.com", True),
        ("group:everybody@example.com", EMAIL, False),
        ("domain:p.iam.gserviceaccount.com", EMAIL, False),
        (f"deleted:{ME}?uid=1", EMAIL, False),
    ],
)
def test_members(cloud: Cloud, member: str, email: str, expected: bool) -> None:
    cloud.buckets["b"] = ("p", [{"role": "roles/storage.objectViewer", "members": [member]}])
    with answering(Call(Caller(email, "p"), headers={"authorization": "told"})):
        assert cloud.may(READ, "buckets/b/objects/o", email) is expected


def test_a_bucket_s_teams_are_the_project_s_basic_roles(cloud: Cloud) -> None:
    team = {"role": "roles/storage.legacyBucketReader", "members": ["projectViewer:p"]}
    cloud.buckets["b"] = ("p", [team])
    assert not cloud.may("storage.objects.list", "buckets/b")
    cloud.bind("projects/p", "roles/viewer", ME)
    assert cloud.may("storage.objects.list", "buckets/b")
    assert not cloud.may(READ, "buckets/b/objects/o")


def test_that_a_bucket_is_not_there_everybody_is_told_who_says_who_he_is(cloud: Cloud) -> None:
    """It stands in no project in which anybody could have a role; whoever may make it has to be told 404."""
    assert cloud.may(READ, "buckets/none/objects/o", OWNER)
    assert cloud.may(READ, "buckets/none/objects/o")
    with answering(Call(Caller("", "p"), headers={"host": "storage.googleapis.com"})):
        assert not cloud.may(READ, "buckets/none/objects/o", "")


@pytest.mark.parametrize(
    ("entry", "reads", "writes"),
    [
        ({"role": "READER", "userByEmail": EMAIL}, True, False),
        ({"role": "WRITER", "userByEmail": EMAIL}, True, True),
        ({"role": "roles/bigquery.dataOwner", "iamMember": ME}, True, True),
        ({"role": "READER", "specialGroup": "allAuthenticatedUsers"}, True, False),
        ({"role": "OWNER", "specialGroup": "projectOwners"}, False, False),
        ({"view": {"projectId": "p", "datasetId": "d", "tableId": "v"}}, False, False),
    ],
)
def test_access_entries_of_datasets(cloud: Cloud, entry: dict[str, Any], reads: bool, writes: bool) -> None:
    cloud.datasets["p", "d"] = [entry]
    assert cloud.may("bigquery.tables.getData", TABLE) is reads
    assert cloud.may("bigquery.tables.updateData", TABLE) is writes
    assert cloud.may("bigquery.datasets.delete", "projects/p/datasets/d", OWNER)


def test_a_condition_narrows_its_binding_and_is_asked_each_time(cloud: Cloud) -> None:
    cloud.bind("projects/p", "roles/pubsub.viewer", ME, condition='request.time > timestamp("2020-01-01T00:00:00Z")')
    assert cloud.may("pubsub.topics.get", "projects/p/topics/t")
    cloud.bind("projects/p", "roles/pubsub.viewer", ME, condition='request.time < timestamp("2020-01-01T00:00:00Z")')
    assert not cloud.may("pubsub.topics.get", "projects/p/topics/t")
    cloud.bind("projects/p", "roles/pubsub.viewer", ME, condition='resource.name.startsWith("projects/p/topics/a")')
    assert cloud.may("pubsub.topics.get", "projects/p/topics/ab")
    assert not cloud.may("pubsub.topics.get", "projects/p/topics/b")


def test_a_project_s_own_role_gives_what_it_includes_until_it_is_deleted(cloud: Cloud) -> None:
    name = "projects/p/roles/reader"
    roles = cloud.context.store.collection(types.Role)
    roles.insert(name, types.Role(name=name, included_permissions=["pubsub.topics.get"]), parent="projects/p")
    cloud.bind("projects/p", name, ME)
    assert cloud.may("pubsub.topics.get", "projects/p/topics/t")
    assert not cloud.may("pubsub.topics.delete", "projects/p/topics/t")
    roles.put(
        name, types.Role(name=name, included_permissions=["pubsub.topics.get"], deleted=True), parent="projects/p"
    )
    cloud.context.access.changed()
    assert not cloud.may("pubsub.topics.get", "projects/p/topics/t")


def test_what_was_read_before_a_change_does_not_outlive_it(cloud: Cloud) -> None:
    """A decision that is on its way while the policy changes is not kept."""
    cloud.bind("projects/p", "roles/pubsub.viewer", ME)
    decide = cloud.enforcer._decide

    def slow(permission: str, resource: str, email: str) -> tuple[bool, bool]:
        found = decide(permission, resource, email)
        cloud.enforcer._decide = decide  # type: ignore[method-assign]
        cloud.bind("projects/p", "roles/browser", ME)
        assert not cloud.may("pubsub.topics.get", "projects/p/topics/t")  # another thread's call, after the change
        return found

    cloud.enforcer._decide = slow  # type: ignore[method-assign]
    assert cloud.may("pubsub.topics.get", "projects/p/topics/t")
    assert not cloud.may("pubsub.topics.get", "projects/p/topics/t")


@pytest.mark.parametrize(
    ("permission", "resource", "sentence"),
    [
        (
            "aiplatform.customJobs.create", "projects/p/locations/l",
            "Permission 'aiplatform.customJobs.create' denied on resource "
            "'//aiplatform.googleapis.com/projects/p/locations/l' (or it may not exist).",
        ),
        (
            "storage.objects.create", "buckets/b/objects/o",
            f"{EMAIL} does not have storage.objects.create access to the Google Cloud Storage object. "
            "Permission 'storage.objects.create' denied on resource (or it may not exist).",
        ),
        (
            "storage.buckets.list", "projects/p",
            f"{EMAIL} does not have storage.buckets.list access to the Google Cloud project. "
            "Permission 'storage.buckets.list' denied on resource (or it may not exist).",
        ),
        (
            "bigquery.tables.getData", TABLE,
            "Access Denied: Table p:d.t: Permission bigquery.tables.getData denied on table p:d.t "
            "(or it may not exist).",
        ),
        (
            "bigquery.jobs.create", "projects/p",
            "Access Denied: Project p: User does not have bigquery.jobs.create permission in project p.",
        ),
        (
            "resourcemanager.projects.setIamPolicy", "projects/p",
            "Permission 'resourcemanager.projects.setIamPolicy' denied on resource "
            "'//cloudresourcemanager.googleapis.com/projects/p' (or it may not exist).",
        ),
    ],
)  # fmt: skip
def test_a_refusal_says_it_as_the_api_does(cloud: Cloud, permission: str, resource: str, sentence: str) -> None:
    cloud.buckets["b"] = ("p", [])
    with pytest.raises(exceptions.PermissionDenied) as raised:
        cloud.enforcer.require(permission, resource, email=EMAIL)
    assert raised.value.message == sentence
    (info,) = raised.value.details
    assert (info.reason, info.domain) == ("IAM_PERMISSION_DENIED", "iam.googleapis.com")
    assert dict(info.metadata) == {"permission": permission, "resource": resource}


def test_what_was_allowed_is_kept_only_where_it_is_asked_for(cloud: Cloud) -> None:
    cloud.enforcer.require(READ, "projects/p", email=OWNER)
    assert cloud.enforcer.used is None
    cloud.enforcer.used = set()
    cloud.enforcer.require(READ, "projects/p", email=OWNER)
    with pytest.raises(exceptions.PermissionDenied):
        cloud.enforcer.require(READ, "projects/p", email=EMAIL)
    assert cloud.enforcer.used == {(OWNER, READ, "projects/p")}


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("Subscriber.CreateSubscription", SUBSCRIPTION),
        ("Subscriber.UpdateSubscription", pubsub_v1.types.UpdateSubscriptionRequest(subscription=SUBSCRIPTION)),
        (
            "Subscriber.ModifyPushConfig",
            pubsub_v1.types.ModifyPushConfigRequest(
                subscription=SUBSCRIPTION.name, push_config=SUBSCRIPTION.push_config
            ),
        ),
    ],
)
def test_whose_tokens_a_push_bears_is_asked_about(cloud: Cloud, method: str, request_: Any) -> None:
    asked = Asked(Call(Caller(EMAIL, "p")), "pubsub", f"google.pubsub.v1.{method}", request_)
    cloud.bind("projects/p", "roles/pubsub.editor", ME)
    with pytest.raises(exceptions.PermissionDenied, match=r"iam\.serviceAccounts\.actAs") as raised:
        cloud.enforcer.check(asked)
    account = f"projects/p/serviceAccounts/{OWNER}"
    assert raised.value.details[0].metadata["resource"] == account
    cloud.enforcer.check(Asked(Call(Caller(OWNER, "p")), "pubsub", f"google.pubsub.v1.{method}", request_))


def test_the_emulator_s_own_work_is_asked_nothing(cloud: Cloud) -> None:
    cloud.enforcer.require(READ, "buckets/b/objects/o")
    with (
        answering(Call(headers={"host": "storage.googleapis.com"})),
        pytest.raises(exceptions.PermissionDenied, match=r"Anonymous caller does not have storage\.objects\.get"),
    ):
        cloud.enforcer.require(READ, "buckets/b/objects/o")
