"""Roles are asked for: official clients as accounts without and with them, by key file and by impersonation."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions as theirs
from google.auth import impersonated_credentials
from google.auth.transport.requests import AuthorizedSession
from google.cloud import storage
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops import Client
from gcpmlops._project.policies import Policies
from gcpmlops.exceptions import PermissionDenied

from .conftest import until

APIS = (
    "aiplatform", "storage", "bigquery", "bigquerystorage", "logging", "monitoring", "pubsub", "cloudscheduler",
    "cloudfunctions", "run", "cloudbuild", "artifactregistry", "secretmanager", "notebooks", "iam", "iamcredentials",
    "cloudresourcemanager", "serviceusage", "cloudbilling",
)  # fmt: skip
WHO = "import json, os; print('I am', json.load(open(os.environ['GOOGLE_APPLICATION_CREDENTIALS']))['client_email'])"

FUNCTION = """
import json, os

def who(request):
    with open(os.environ["GOOGLE_APPLICATION_CREDENTIALS"]) as key:
        return json.load(key)["client_email"]
"""


@dataclass
class Strict:
    """The project's owner, and an account of it with a key file."""

    owner: Client
    weak: Client
    email: str

    @property
    def member(self) -> str:
        return f"serviceAccount:{self.email}"

    @property
    def project(self) -> str:
        return f"projects/{self.owner.config.project}"

    @property
    def parent(self) -> str:
        return f"{self.project}/locations/us-central1"

    def grant(self, resource: str, role: str, member: str = "") -> None:
        Policies(self.owner.clients).change(resource, add={(role, member or self.member)})

    def take(self, resource: str, role: str) -> None:
        Policies(self.owner.clients).change(resource, remove={(role, self.member)})

    def account(self, name: str) -> str:
        made = self.owner.clients.iam.create_service_account(request={"name": self.project, "account_id": name})
        return str(made.email)


@pytest.fixture(scope="module")
def strict(enforcing_emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Strict]:
    key = str(Path(enforcing_emulator.data_dir) / "credentials.json")
    where = {"project": enforcing_emulator.project, "location": "us-central1", "endpoint": enforcing_emulator.endpoint}
    with Client(**where, credentials_file=key) as owner:
        request = {
            "parent": f"projects/{enforcing_emulator.project}",
            "service_ids": [f"{api}.googleapis.com" for api in APIS],
        }
        owner.clients.service_usage.batch_enable_services(request).result()
        made = owner.clients.iam.create_service_account(request={"name": request["parent"], "account_id": "weak-one"})
        file = tmp_path_factory.mktemp("keys") / "weak.json"
        file.write_bytes(owner.clients.iam.create_service_account_key(request={"name": made.name}).private_key_data)
        owner.storage.create_bucket("access-data")
        owner.storage.upload(b"1", destination="gs://access-data/x")
        owner.bigquery.ensure_dataset("access")
        owner.bigquery.query("CREATE TABLE access.t AS SELECT 1 AS x").rows()
        with Client(**where, credentials_file=str(file)) as weak:
            yield Strict(owner, weak, str(made.email))


def _consumed(rows: Any) -> Any:
    return list(rows)


REFUSED: dict[str, Callable[[Any, Strict], Any]] = {
    "aiplatform.customJobs.create": lambda c, s: c.jobs.create_custom_job(parent=s.parent, custom_job={}),
    "aiplatform.models.list": lambda c, s: c.models.list_models(parent=s.parent),
    "aiplatform.endpoints.delete": lambda c, s: c.endpoints.delete_endpoint(name=f"{s.parent}/endpoints/1"),
    "aiplatform.endpoints.predict": lambda c, s: c.prediction.predict(endpoint=f"{s.parent}/endpoints/1", instances=[]),
    "aiplatform.tensorboards.list": lambda c, s: c.tensorboard.list_tensorboards(parent=s.parent),
    "logging.logEntries.list": lambda c, s: c.logging.list_log_entries(resource_names=[s.project]),
    "monitoring.alertPolicies.list": lambda c, s: c.alert_policies.list_alert_policies(name=s.project),
    "pubsub.topics.publish": lambda c, s: c.publisher.publish(topic=f"{s.project}/topics/t", messages=[{"data": b"x"}]),
    "pubsub.subscriptions.consume": lambda c, s: c.subscriber.pull(
        subscription=f"{s.project}/subscriptions/s", max_messages=1
    ),
    "cloudscheduler.jobs.run": lambda c, s: c.scheduler.run_job(name=f"{s.parent}/jobs/j"),
    "cloudfunctions.functions.list": lambda c, s: c.functions.list_functions(parent=s.parent),
    "run.services.list": lambda c, s: c.run.list_services(parent=s.parent),
    "cloudbuild.builds.create": lambda c, s: c.builds.create_build(parent=s.parent, build={}),
    "artifactregistry.repositories.list": lambda c, s: c.artifact_registry.list_repositories(parent=s.parent),
    "notebooks.instances.list": lambda c, s: c.notebooks.list_instances(parent=s.parent),
    "iam.serviceAccounts.list": lambda c, s: c.iam.list_service_accounts(name=s.project),
    "iam.serviceAccountKeys.create": lambda c, s: c.iam.create_service_account_key(
        name=f"{s.project}/serviceAccounts/{s.email}"
    ),
    "resourcemanager.projects.get": lambda c, s: c.projects.get_project(name=s.project),
    "resourcemanager.projects.setIamPolicy": lambda c, s: c.projects.set_iam_policy(
        request={"resource": s.project, "policy": {}}
    ),
    "serviceusage.services.list": lambda c, s: c.service_usage.list_services({"parent": s.project}),
    "storage.buckets.list": lambda c, s: _consumed(c.storage.list_buckets()),
    "storage.buckets.get": lambda c, s: c.storage.get_bucket("access-data"),
    "storage.objects.get": lambda c, s: c.storage.bucket("access-data").blob("x").download_as_bytes(),
    "storage.objects.create": lambda c, s: c.storage.bucket("access-data").blob("y").upload_from_string(b"y"),
    "storage.objects.delete": lambda c, s: c.storage.bucket("access-data").blob("x").delete(),
    "storage.objects.list": lambda c, s: _consumed(c.storage.list_blobs("access-data")),
    "bigquery.jobs.create": lambda c, s: c.bigquery.query("SELECT 1"),
    "bigquery.datasets.get": lambda c, s: c.bigquery.get_dataset("access"),
    "bigquery.datasets.create": lambda c, s: c.bigquery.create_dataset("other"),
    "bigquery.tables.getData": lambda c, s: _consumed(
        c.bigquery.list_rows("access.t", max_results=1, selected_fields=[])
    ),
}


@pytest.mark.parametrize("permission", REFUSED)
def test_without_a_role_every_api_names_what_is_missing(strict: Strict, permission: str) -> None:
    with pytest.raises(theirs.Forbidden) as raised:
        REFUSED[permission](strict.weak.clients, strict)
    assert permission in str(raised.value)
    if raised.value.grpc_status_code is not None:
        assert raised.value.reason == "IAM_PERMISSION_DENIED"
        assert raised.value.metadata["permission"] == permission


@pytest.mark.parametrize(
    ("host", "place", "collection", "permission"),
    [
        ("aiplatform", "projects/strict-project/locations/us-central1", "customJobs", "aiplatform.customJobs.list"),
        ("secretmanager", "projects/strict-project", "secrets", "secretmanager.secrets.list"),
        ("pubsub", "projects/strict-project", "topics", "pubsub.topics.list"),
        ("run", "projects/strict-project/locations/us-central1", "services", "run.services.list"),
    ],
)
def test_over_rest_it_is_a_403_with_the_same_details(
    strict: Strict, host: str, place: str, collection: str, permission: str
) -> None:
    session = AuthorizedSession(strict.weak.clients.credentials)
    reply = session.get(f"{strict.owner.config.endpoint}/{host}.googleapis.com/v1/{place}/{collection}")
    error = reply.json()["error"]
    assert (reply.status_code, error["code"], error["status"]) == (403, 403, "PERMISSION_DENIED")
    assert error["message"] == (
        f"Permission '{permission}' denied on resource '//{host}.googleapis.com/{place}' (or it may not exist)."
    )
    (info,) = (detail for detail in error["details"] if detail["@type"].endswith("google.rpc.ErrorInfo"))
    assert info["reason"] == "IAM_PERMISSION_DENIED"
    assert info["metadata"] == {"permission": permission, "resource": place}


def test_the_library_says_who_needs_which_role_and_how_it_is_given(strict: Strict) -> None:
    with pytest.raises(PermissionDenied) as raised:
        strict.weak.storage.upload(b"y", destination="gs://access-data/y")
    error = raised.value
    assert (error.permission, error.principal) == ("storage.objects.create", strict.email)
    assert error.role == "roles/storage.objectUser"
    assert error.fix == (
        "gcloud storage buckets add-iam-policy-binding gs://access-data "
        f"--member={strict.member} --role=roles/storage.objectUser --condition=None"
    )
    with pytest.raises(PermissionDenied) as raised:
        strict.weak.training.list()
    assert (raised.value.permission, raised.value.role) == ("aiplatform.customJobs.list", "roles/aiplatform.user")
    assert raised.value.fix.startswith(f"gcloud projects add-iam-policy-binding {strict.owner.config.project} ")


@pytest.mark.parametrize(
    ("resource", "role", "call"),
    [
        (
            "gs://access-data", "roles/storage.objectViewer",
            lambda weak: weak.clients.storage.bucket("access-data").blob("x").download_as_bytes(),
        ),
        (
            "strict-project.access", "roles/bigquery.dataViewer",
            lambda weak: weak.clients.bigquery.get_table("access.t"),
        ),
        ("projects/strict-project", "roles/aiplatform.viewer", lambda weak: weak.training.list()),
    ],
)  # fmt: skip
def test_a_role_counts_at_once_and_at_once_no_longer(
    strict: Strict, resource: str, role: str, call: Callable[[Client], Any]
) -> None:
    for _ in range(2):
        with pytest.raises((theirs.Forbidden, PermissionDenied)):
            call(strict.weak)
        strict.grant(resource, role)
        call(strict.weak)
        strict.take(resource, role)
    with pytest.raises((theirs.Forbidden, PermissionDenied)):
        call(strict.weak)


def test_a_condition_on_names_and_what_is_written_over(strict: Strict) -> None:
    """An upload's object is known by its metadata alone; to write over one is to delete it, too."""
    bucket = strict.owner.clients.storage.bucket("access-data")
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.version, before = 3, [*policy.bindings]
    condition = {"title": "in", "expression": 'resource.name.startsWith("projects/_/buckets/access-data/objects/in/")'}
    policy.bindings.append({"role": "roles/storage.objectCreator", "members": {strict.member}, "condition": condition})
    bucket.set_iam_policy(policy)
    weak = strict.weak.clients.storage.bucket("access-data")
    weak.blob("in/small").upload_from_string(b"1")
    weak.blob("in/large", chunk_size=256 * 1024).upload_from_string(b"1" * 300_000)
    for name, permission in (("out/small", "storage.objects.create"), ("in/small", "storage.objects.delete")):
        with pytest.raises(theirs.Forbidden, match=permission):
            weak.blob(name).upload_from_string(b"2")
    with pytest.raises(theirs.Forbidden, match=r"storage\.objects\.create"):
        weak.blob("out/large", chunk_size=256 * 1024).upload_from_string(b"1" * 300_000)
    assert bucket.blob("in/small").download_as_bytes() == b"1"
    policy = bucket.get_iam_policy(requested_policy_version=3)
    policy.bindings, policy.version = before, 3
    bucket.set_iam_policy(policy)


def test_whoever_makes_a_dataset_owns_it_and_no_other(strict: Strict) -> None:
    strict.grant(strict.project, "roles/bigquery.user")
    query = strict.weak.clients.bigquery.query
    query("CREATE SCHEMA weaks").result()
    query("CREATE TABLE weaks.t AS SELECT 1 AS x").result()
    for refused, permission in (
        ("DROP SCHEMA access CASCADE", "bigquery.datasets.delete"),
        ("IF TRUE THEN DELETE FROM access.t WHERE TRUE; END IF", "bigquery.tables.updateData"),
        (f'GRANT `roles/bigquery.dataOwner` ON SCHEMA access TO "{strict.member}"', "bigquery.datasets.update"),
    ):
        with pytest.raises(theirs.Forbidden, match=permission):
            query(refused)
    query("DROP SCHEMA weaks CASCADE").result()
    strict.take(strict.project, "roles/bigquery.user")


def test_a_job_of_bigquery_reads_and_writes_objects_as_who_submits_it(strict: Strict) -> None:
    strict.grant(strict.project, "roles/bigquery.jobUser")
    strict.grant("strict-project.access", "roles/bigquery.dataEditor")
    strict.owner.storage.upload(b"1\n", destination="gs://access-data/rows.csv")
    bigquery = strict.weak.clients.bigquery
    calls = {
        "storage.objects.get": lambda: bigquery.load_table_from_uri("gs://access-data/rows.csv", "access.t").result(),
        "storage.objects.create": lambda: bigquery.extract_table("access.t", "gs://access-data/out.csv").result(),
    }
    for permission, call in calls.items():
        with pytest.raises(theirs.Forbidden, match=permission):
            call()
    strict.grant("gs://access-data", "roles/storage.objectUser")
    for call in calls.values():
        call()
    strict.take("gs://access-data", "roles/storage.objectUser")
    strict.take("strict-project.access", "roles/bigquery.dataEditor")
    strict.take(strict.project, "roles/bigquery.jobUser")


def test_who_may_test_permissions_is_told_the_truth(strict: Strict) -> None:
    asked = ["storage.objects.get", "storage.objects.delete"]
    bucket = strict.weak.clients.storage.bucket("access-data")
    assert bucket.test_iam_permissions(asked) == []
    strict.grant("gs://access-data", "roles/storage.objectViewer")
    assert bucket.test_iam_permissions(asked) == ["storage.objects.get"]
    strict.take("gs://access-data", "roles/storage.objectViewer")
    assert strict.owner.clients.storage.bucket("access-data").test_iam_permissions(asked) == asked
    tested = strict.weak.clients.projects.test_iam_permissions(
        request={"resource": strict.project, "permissions": ["resourcemanager.projects.get"]}
    )
    assert list(tested.permissions) == []


def test_an_account_is_impersonated_by_whom_it_lets(strict: Strict) -> None:
    target = strict.account("target-one")
    with pytest.raises(PermissionDenied) as raised:
        _as(strict.weak, target).storage.list_buckets()
    assert raised.value.permission == "iam.serviceAccounts.getAccessToken"
    strict.grant(f"{strict.project}/serviceAccounts/{target}", "roles/iam.serviceAccountTokenCreator")
    strict.grant("gs://access-data", "roles/storage.objectViewer", f"serviceAccount:{target}")
    endpoint = str(strict.owner.config.endpoint)
    credentials = impersonated_credentials.Credentials(
        source_credentials=strict.weak.clients.credentials,
        target_principal=target,
        target_scopes=["https://www.googleapis.com/auth/cloud-platform"],
        iam_endpoint_override=f"{endpoint}/iamcredentials.googleapis.com/v1/"
        f"projects/-/serviceAccounts/{target}:generateAccessToken",
    )
    client = storage.Client(
        project=strict.owner.config.project, credentials=credentials, client_options={"api_endpoint": endpoint}
    )
    assert client.bucket("access-data").blob("x").download_as_bytes() == b"1"
    with pytest.raises(theirs.Forbidden, match=rf"{target} does not have storage\.objects\.delete access"):
        client.bucket("access-data").blob("x").delete()


def _as(client: Client, email: str) -> Client:
    return Client(config=replace(client.config, impersonate_service_account=email))


def test_a_job_runs_as_its_account_for_whom_may_act_as_it(strict: Strict) -> None:
    running = strict.account("runs-jobs")
    strict.grant(strict.project, "roles/aiplatform.user")
    spec = {
        "worker_pool_specs": [
            {
                "machine_spec": {"machine_type": "n1-standard-4"},
                "replica_count": 1,
                "container_spec": {"image_uri": "python:3.11", "command": ["python", "-c", WHO]},
            }
        ],
        "service_account": running,
    }
    jobs = strict.weak.clients.jobs
    with pytest.raises(theirs.PermissionDenied, match=r"iam\.serviceAccounts\.actAs") as raised:
        jobs.create_custom_job(parent=strict.parent, custom_job={"display_name": "who", "job_spec": spec})
    assert running in raised.value.metadata["resource"]
    assert "iam.serviceAccounts.actAs" in _refused_pipeline(strict, spec)
    strict.grant(f"{strict.project}/serviceAccounts/{running}", "roles/iam.serviceAccountUser")
    names = [
        jobs.create_custom_job(parent=strict.parent, custom_job={"display_name": "who", "job_spec": given}).name
        for given in (spec, spec | {"service_account": ""})
    ]
    states = (types.JobState.JOB_STATE_SUCCEEDED, types.JobState.JOB_STATE_FAILED)
    for name, expected in zip(names, (running, "@gcp-sa-aiplatform-cc.iam.gserviceaccount.com"), strict=True):
        job = until(lambda name=name: (found := jobs.get_custom_job(name=name)).state in states and found)
        assert job.state == types.JobState.JOB_STATE_SUCCEEDED, job.error
        job_id = name.rpartition("/")[2]
        said = until(lambda job_id=job_id: _said(strict.owner, job_id))
        assert said.endswith(expected)
    strict.take(strict.project, "roles/aiplatform.user")
    keys = Path(_data_dir(strict)) / "accounts"
    assert [oct(path.stat().st_mode)[-3:] for path in keys.glob(f"{running}.json")] == ["600"]
    assert json.loads((keys / f"{running}.json").read_text())["client_email"] == running


def test_a_function_is_called_by_whom_a_role_lets_and_acts_as_its_account(strict: Strict, tmp_path: Path) -> None:
    running = strict.account("runs-functions")
    (tmp_path / "main.py").write_text(FUNCTION)
    strict.owner.functions.deploy("who", source=tmp_path, entry_point="who", service_account=running)
    strict.grant(strict.project, "roles/cloudfunctions.viewer")
    with pytest.raises(PermissionDenied) as raised:
        strict.weak.functions.call("who")
    assert raised.value.permission == "run.routes.invoke"
    strict.grant(strict.project, "roles/run.invoker")
    assert strict.weak.functions.call("who") == running
    strict.take(strict.project, "roles/run.invoker")
    with pytest.raises(PermissionDenied):
        strict.weak.functions.call("who")
    strict.take(strict.project, "roles/cloudfunctions.viewer")


def _refused_pipeline(strict: Strict, spec: dict[str, Any]) -> str:
    """Whose job is only made in the background."""
    pipeline = {
        "displayName": "who",
        "trainingTaskDefinition": "gs://google-cloud-aiplatform/schema/trainingjob/definition/custom_task_1.0.0.yaml",
        "trainingTaskInputs": json_format.MessageToDict(types.CustomJobSpec.pb(types.CustomJobSpec(spec))),
    }
    session = AuthorizedSession(strict.weak.clients.credentials)
    url = f"{strict.owner.config.endpoint}/aiplatform.googleapis.com/v1/{strict.parent}/trainingPipelines"
    reply = session.post(url, json=pipeline)
    assert reply.status_code == 403
    return str(reply.json()["error"]["message"])


def _data_dir(strict: Strict) -> Path:
    return Path(str(strict.owner.config.credentials_file)).parent


def _said(owner: Client, job_id: str) -> str:
    request = {
        "resource_names": [f"projects/{owner.config.project}"],
        "filter": f'resource.labels.job_id="{job_id}" AND "I am"',
    }
    texts = [
        entry.text_payload or str(dict(entry.json_payload).get("message", ""))
        for entry in owner.clients.logging.list_log_entries(request)
    ]
    return next((text for text in texts if text.startswith("I am")), "")
