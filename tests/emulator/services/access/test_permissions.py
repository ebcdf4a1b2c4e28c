"""Which permission each method asks for, and which predefined roles give it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from google.cloud import bigquery_storage_v1, pubsub_v1
from google.cloud.aiplatform_v1 import types

from gcpmlops._project.grants import RULES
from gcpmlops.emulator.app import Emulator
from gcpmlops.emulator.coverage import rows
from gcpmlops.emulator.kernel import contract
from gcpmlops.emulator.kernel.call import Call
from gcpmlops.emulator.kernel.clock import TravelClock
from gcpmlops.emulator.kernel.gate import Asked, Unasked
from gcpmlops.emulator.kernel.registry import JsonRoute
from gcpmlops.emulator.services.access.methods import permission_of, resource_of
from gcpmlops.emulator.services.access.roles import ROLES, gives
from gcpmlops.emulator.services.catalog.packages import PACKAGES
from gcpmlops.emulator.settings import Settings

PARENT = "projects/p/locations/us-central1"
_POLICY = ("GetIamPolicy", "SetIamPolicy", "TestIamPermissions")  # asked about by the kind of the resource


def _built() -> Iterator[tuple[str, str]]:
    """Short name of the host, and full name, of every RPC that is built."""
    hosts = {
        contract.load(package, folder).proto: host.partition(".")[0]
        for host, package, _ in PACKAGES.values()
        for folder in contract.services(package)
    }
    for service, method, built in rows():
        if built and service in hosts and method not in _POLICY:
            yield hosts[service], f"{service}.{method}"


def test_every_built_method_has_its_permission_and_every_permission_its_role() -> None:
    methods = list(_built())
    assert len(methods) > 350
    unknown, without_role = [], []
    titled = [role for role in ROLES if role not in ("roles/owner", "roles/editor", "roles/viewer")]
    for service, method in methods:
        try:
            permission = permission_of(service, method)
        except LookupError:
            unknown.append(method)
            continue
        if permission and not any(gives(role, permission) for role in titled):
            without_role.append(f"{method}: {permission}")
    assert unknown == []
    # Google gives this one by the basic role of owners alone.
    assert without_role == [
        "google.cloud.resourcemanager.v3.Projects.UndeleteProject: resourcemanager.projects.undelete"
    ]


@pytest.mark.parametrize(
    ("service", "method", "permission"),
    [
        ("aiplatform", "google.cloud.aiplatform.v1.JobService.CreateCustomJob", "aiplatform.customJobs.create"),
        ("aiplatform", "google.cloud.aiplatform.v1.ModelService.UploadModel", "aiplatform.models.upload"),
        ("aiplatform", "google.cloud.aiplatform.v1.EndpointService.DeployModel", "aiplatform.endpoints.deploy"),
        ("aiplatform", "google.cloud.aiplatform.v1.PredictionService.Predict", "aiplatform.endpoints.predict"),
        ("logging", "google.logging.v2.LoggingServiceV2.TailLogEntries", "logging.logEntries.list"),
        ("monitoring", "google.monitoring.v3.MetricService.ListTimeSeries", "monitoring.timeSeries.list"),
        ("monitoring", "google.monitoring.v3.AlertPolicyService.ListAlertPolicies", "monitoring.alertPolicies.list"),
        ("pubsub", "google.pubsub.v1.Publisher.Publish", "pubsub.topics.publish"),
        ("pubsub", "google.pubsub.v1.Subscriber.StreamingPull", "pubsub.subscriptions.consume"),
        ("cloudscheduler", "google.cloud.scheduler.v1.CloudScheduler.RunJob", "cloudscheduler.jobs.run"),
        (
            "cloudfunctions", "google.cloud.functions.v2.FunctionService.CreateFunction",
            "cloudfunctions.functions.create",
        ),
        ("iam", "google.iam.admin.v1.IAM.CreateServiceAccountKey", "iam.serviceAccountKeys.create"),
        ("cloudresourcemanager", "google.cloud.resourcemanager.v3.Projects.GetProject", "resourcemanager.projects.get"),
        ("serviceusage", "google.api.serviceusage.v1.ServiceUsage.EnableService", "serviceusage.services.enable"),
        (
            "secretmanager", "google.cloud.secretmanager.v1.SecretManagerService.AccessSecretVersion",
            "secretmanager.versions.access",
        ),
        ("cloudbuild", "google.devtools.cloudbuild.v1.CloudBuild.RunBuildTrigger", "cloudbuild.builds.create"),
        ("iamcredentials", "google.iam.credentials.v1.IAMCredentials.SignBlob", "iam.serviceAccounts.signBlob"),
        ("notebooks", "google.cloud.notebooks.v2.NotebookService.StartInstance", "notebooks.instances.start"),
        ("iam", "google.iam.admin.v1.IAM.QueryGrantableRoles", ""),
    ],
)  # fmt: skip
def test_permissions_are_named_as_google_names_them(service: str, method: str, permission: str) -> None:
    assert permission_of(service, method) == permission


def test_a_method_that_nobody_knows_is_no_free_one() -> None:
    with pytest.raises(LookupError, match="FrobnicateModel"):
        permission_of("aiplatform", "google.cloud.aiplatform.v1.ModelService.FrobnicateModel")


@pytest.mark.parametrize(
    ("request_", "resource"),
    [
        (types.CreateCustomJobRequest(parent=PARENT), PARENT),
        (types.UpdateModelRequest(model={"name": f"{PARENT}/models/1"}), f"{PARENT}/models/1"),
        (types.PredictRequest(endpoint=f"{PARENT}/endpoints/1"), f"{PARENT}/endpoints/1"),
        (pubsub_v1.types.PublishRequest(topic="projects/p/topics/t"), "projects/p/topics/t"),
        (pubsub_v1.types.Subscription(name="projects/p/subscriptions/s", topic="x"), "projects/p/subscriptions/s"),
        (bigquery_storage_v1.types.CreateReadSessionRequest(parent="projects/p"), "projects/p"),
    ],
)
def test_the_resource_is_what_the_request_names(request_: object, resource: str) -> None:
    assert resource_of(Asked(Call(), "any", "any", request_)) == resource


def _hand_declared(data_dir: Path) -> Iterator[tuple[str, JsonRoute]]:
    """Short name of the host, and the route."""
    with ExitStack() as stack:
        emulator = Emulator(Settings(data_dir=data_dir), TravelClock(), stack)
        for bound in emulator.services.apis:
            yield from ((bound.api.host.partition(".")[0], route) for route in bound.api.json_routes)


def test_every_hand_declared_call_says_what_it_asks_for(tmp_path: Path) -> None:
    """A permission that some role gives, on what its path names; nothing only where that is said, and known here."""
    unasked: dict[Unasked, set[str]] = {each: set() for each in Unasked}
    titled = [role for role in ROLES if role not in ("roles/owner", "roles/editor")]
    for service, route in _hand_declared(tmp_path):
        if isinstance(route.needs, Unasked):
            unasked[route.needs].add(f"{service} {route.verb} {route.template}")
            continue
        permission = route.needs.permission
        assert set(re.findall(r"{(\w+)}", route.needs.resource)) <= set(re.findall(r"{(\w+)", route.template)), route
        if permission not in ("{kind}.getIamPolicy", "{kind}.setIamPolicy"):
            assert any(gives(role, permission) for role in titled), route
    free = {call for call in unasked[Unasked.FREE] if not call.endswith(":testIamPermissions")}
    assert free == {
        "cloudresourcemanager GET /v1/projects", "cloudresourcemanager POST /v1/organizations:search",
        "cloudresourcemanager GET /v2/folders", "notebooks GET /v2/{name=projects/*/locations/*}/instances:getConfig",
    }  # fmt: skip
    assert {call.split()[0] for call in unasked[Unasked.WITHIN]} == {"cloudresourcemanager", "iam"}
    assert len(unasked[Unasked.WITHIN]) == 17


def test_a_call_that_says_nothing_can_t_be_declared() -> None:
    with pytest.raises(TypeError, match="needs"):
        JsonRoute("POST", "/v1/{name=projects/*/things/*}:twist", lambda *_: {})  # type: ignore[call-arg]


def test_what_google_s_roles_give() -> None:
    """Facts of the roles' reference pages."""
    assert gives("roles/aiplatform.user", "aiplatform.customJobs.create")
    assert not gives("roles/aiplatform.user", "iam.serviceAccounts.actAs")
    assert gives("roles/aiplatform.viewer", "aiplatform.tensorboardTimeSeries.batchRead")
    assert not gives("roles/aiplatform.viewer", "aiplatform.endpoints.predict")
    assert gives("roles/bigquery.jobUser", "bigquery.jobs.create")
    assert not gives("roles/bigquery.jobUser", "bigquery.tables.getData")
    assert not gives("roles/bigquery.dataViewer", "bigquery.tables.updateData")
    assert not gives("roles/storage.objectCreator", "storage.objects.get")
    assert not gives("roles/storage.objectViewer", "storage.buckets.get")
    assert gives("roles/storage.legacyBucketReader", "storage.objects.list")
    assert ROLES["roles/iam.serviceAccountUser"].permissions == {
        "iam.serviceAccounts.actAs", "iam.serviceAccounts.get", "iam.serviceAccounts.list",
        "resourcemanager.projects.get", "resourcemanager.projects.list",
    }  # fmt: skip
    assert not gives("roles/owner", "iam.serviceAccounts.getAccessToken")  # nobody impersonates by owning
    assert not gives("roles/editor", "resourcemanager.projects.setIamPolicy")
    assert not gives("roles/editor", "secretmanager.versions.access")
    assert gives("roles/editor", "bigquery.datasets.create")
    assert not gives("roles/editor", "bigquery.datasets.update")  # nobody gives himself more of a dataset
    assert not gives("roles/viewer", "storage.objects.get")
    assert not gives("roles/unheard.of", "storage.objects.get")


def test_every_role_that_the_set_up_grants_is_known() -> None:
    assert {f"roles/{rule.role}" for rule in RULES} <= set(ROLES)
