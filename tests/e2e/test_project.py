"""An empty project under IAM enforcement: init, doctor, down; each role in turn taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions as theirs

from gcpmlops import Client
from gcpmlops._project.policies import Policies
from gcpmlops.config import Config
from gcpmlops.emulator import launch
from gcpmlops.emulator.server import Running
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied
from gcpmlops.project import Blueprint, Setup

PROJECT = "empty-project"
LOCATION = "us-central1"
OPERATOR = (  # docs/setup.md: with these, and without being owner, one may run init and down
    "roles/serviceusage.serviceUsageAdmin", "roles/iam.serviceAccountAdmin", "roles/resourcemanager.projectIamAdmin",
    "roles/storage.admin", "roles/bigquery.dataOwner", "roles/artifactregistry.admin",
)  # fmt: skip


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with launch.ephemeral(project=PROJECT, arguments=["--enforce-iam", "--no-enable-all"]) as state:
        yield state


@pytest.fixture(scope="module")
def owner(cloud: Running) -> Iterator[Client]:
    config = Config(
        project=PROJECT, endpoint=cloud.endpoint, credentials_file=str(Path(cloud.data_dir) / "credentials.json")
    )
    with Client(config=config) as client:
        yield client


@pytest.fixture(scope="module")
def setup(owner: Client) -> Setup:
    made: list[str] = []
    done = owner.project.init(
        developers=[f"serviceAccount:{owner.clients.caller}"],
        directory=None,
        on_step=lambda step: made.append(step.name),
    )
    assert sorted(made) == sorted(step.name for step in done.steps)
    return done


@pytest.fixture(scope="module")
def acting(owner: Client, setup: Setup) -> Iterator[Callable[[str], Client]]:
    """Clients that act as the accounts: the owner may act as each of them for these tests."""
    clients: dict[str, Client] = {}
    policies = Policies(owner.clients)
    member = f"serviceAccount:{owner.clients.caller}"

    def client(email: str) -> Client:
        if email not in clients:
            resource = f"projects/{PROJECT}/serviceAccounts/{email}"
            policies.change(resource, add={("roles/iam.serviceAccountTokenCreator", member)})
            clients[email] = Client(config=replace(owner.config, impersonate_service_account=email))
        return clients[email]

    yield client
    for each in clients.values():
        each.close()


@pytest.fixture(scope="module")
def operator(owner: Client, acting: Callable[[str], Client]) -> Client:
    """Makes and removes set-ups without owning the project."""
    made = owner.clients.iam.create_service_account(request={"name": f"projects/{PROJECT}", "account_id": "operator"})
    roles = {(role, f"serviceAccount:{made.email}") for role in OPERATOR}
    Policies(owner.clients).change(f"projects/{PROJECT}", add=roles)
    return acting(made.email)


def test_before_anything_is_enabled_the_doctor_names_every_command(cloud: Running) -> None:
    with launch.ephemeral(project="another-project", arguments=["--enforce-iam", "--no-enable-all"]) as state:
        config = Config(
            project=state.project, endpoint=state.endpoint,
            credentials_file=str(Path(state.data_dir) / "credentials.json"),
        )  # fmt: skip
        with Client(config=config) as client:
            plan = Blueprint(state.project)
            found = client.project.doctor(directory=None)
            dry = client.project.init(directory=None, dry_run=True)
            enabled = [step.name for step in dry.steps if step.kind == "API"]
            assert {"aiplatform.googleapis.com", "cloudbuild.googleapis.com"} < set(enabled) < set(plan.apis)
            assert client.project.init(directory=None, dry_run=True).steps == dry.steps, "nothing was made"
    fixes = "\n".join(finding.fix for finding in found.errors)
    for api in enabled:
        assert f"gcloud services enable {api} --project=another-project" in fixes
    assert all(finding.fix and finding.who for finding in found.errors)


def test_a_second_init_makes_nothing(owner: Client, setup: Setup) -> None:
    kinds = {step.kind for step in setup.steps}
    assert kinds == {"API", "service account", "bucket", "dataset", "repository", "role"}
    assert owner.project.init(developers=setup.plan.developers, directory=None).steps == ()


def test_the_doctor_is_content(owner: Client, setup: Setup) -> None:
    found = owner.project.doctor(directory=None)
    assert found.healthy, found.errors
    assert not [finding for finding in found.warnings if finding.subject == "roles"]


def test_what_was_made_is_as_it_should_be(owner: Client, setup: Setup) -> None:
    bucket = owner.clients.storage.get_bucket(setup.plan.data_bucket)
    assert bucket.labels == setup.plan.labels
    assert bucket.iam_configuration.uniform_bucket_level_access_enabled
    assert bucket.iam_configuration.public_access_prevention == "enforced"
    assert owner.bigquery.get_dataset("ml").labels == setup.plan.labels
    repository = owner.clients.artifact_registry.get_repository(name=setup.plan.repository)
    assert dict(repository.labels) == setup.plan.labels


def test_an_init_that_was_stopped_half_way_goes_on(owner: Client, setup: Setup) -> None:
    """Half of what it makes is taken away: an account with its roles, a dataset, a bucket."""
    plan = setup.plan
    owner.bigquery.delete_dataset("ml")
    owner.storage.delete_bucket(plan.data_bucket)
    policies = Policies(owner.clients)
    gone = [grant for grant in plan.grants if "scheduler@" in grant.member]
    for grant in gone:
        policies.change(grant.resource, remove={(grant.role, grant.member)})
    made = owner.project.init(developers=plan.developers, directory=None).steps
    assert {step.name for step in made if step.kind != "role"} == {f"gs://{plan.data_bucket}", f"{PROJECT}.ml"}
    assert {str(grant) for grant in gone} <= {step.name for step in made}
    assert owner.project.doctor(directory=None).healthy


def test_a_region_in_which_vertex_ai_is_not(owner: Client, setup: Setup) -> None:
    with Client(config=replace(owner.config, location="europe-north99")) as client:
        found = client.project.doctor(directory=None)
        with pytest.raises(NotFound, match="europe-north99"):
            client.project.init(directory=None)
        assert not client.storage.list_buckets(prefix=f"{PROJECT}-vertex-staging-europe"), "nothing was made there"
    (error,) = [finding for finding in found.errors if finding.subject == "location"]
    assert error.fix == "export GCPMLOPS_LOCATION=europe-north1"
    fixes = {finding.message.split()[0]: finding.fix for finding in found.warnings if finding.subject == "location"}
    assert fixes[f"{PROJECT}.ml"] == "export GCPMLOPS_LOCATION=us-central1"
    bucket = f"gs://{setup.plan.data_bucket}"
    assert fixes[bucket] == f"gcloud storage buckets relocate {bucket} --location=europe-north99"


def test_bindings_of_others_stay(owner: Client, setup: Setup) -> None:
    resource, other = f"projects/{PROJECT}", ("roles/viewer", "user:somebody@example.com")
    Policies(owner.clients).change(resource, add={other})
    owner.project.init(developers=setup.plan.developers, directory=None)
    assert other in Policies(owner.clients).read(resource)
    Policies(owner.clients).change(resource, remove={other})


def test_a_role_too_many_is_a_warning_that_names_its_end(owner: Client, setup: Setup) -> None:
    resource, binding = f"projects/{PROJECT}", ("roles/editor", f"serviceAccount:{setup.plan.email('training')}")
    Policies(owner.clients).change(resource, add={binding})
    found = owner.project.doctor(directory=None)
    Policies(owner.clients).change(resource, remove={binding})
    (warning,) = [finding for finding in found.warnings if finding.subject == "roles"]
    assert "roles/editor" in warning.message
    assert warning.fix.startswith(f"gcloud projects remove-iam-policy-binding {PROJECT}")


def test_who_may_not_is_told_by_whom(owner: Client, setup: Setup, acting: Callable[[str], Client]) -> None:
    """The training account may not even look: every error says so, and nothing is made."""
    with pytest.raises(PermissionDenied) as caught:
        acting(setup.plan.email("training")).project.init(name="other", directory=None)
    assert caught.value.permission
    assert caught.value.fix


def test_who_works_as_the_delivery_account_sets_up_as_oneself(
    owner: Client, setup: Setup, acting: Callable[[str], Client]
) -> None:
    """As where impersonate_service_account stands in gcpmlops.toml."""
    delivery = acting(setup.plan.email("delivery"))
    assert delivery.project.init(developers=setup.plan.developers, directory=None).steps == ()
    assert delivery.project.down(plan=True, directory=None)
    assert delivery.clients.caller == setup.plan.email("delivery"), "all else goes on as that account"


def test_a_stale_etag_is_refused_and_init_reads_again(owner: Client, setup: Setup) -> None:
    resource = f"projects/{PROJECT}"
    stale = owner.clients.projects.get_iam_policy(request={"resource": resource})
    Policies(owner.clients).change(resource, add={("roles/viewer", "user:somebody@example.com")})
    with pytest.raises(theirs.Aborted):
        owner.clients.projects.set_iam_policy(request={"resource": resource, "policy": stale})
    Policies(owner.clients).change(resource, remove={("roles/viewer", "user:somebody@example.com")})


def test_without_billing_nothing_is_enabled(owner: Client) -> None:
    from gcpmlops._google import projects_types

    project = projects_types.Project(project_id="no-billing-yet")
    owner.clients.projects.create_project(project=project).result(timeout=30)
    with Client(config=replace(owner.config, project="no-billing-yet")) as client:
        with pytest.raises(FailedPrecondition, match="nobody pays") as caught:
            client.project.init(directory=None)
        assert "gcloud billing projects link no-billing-yet" in str(caught.value)
        account = next(iter(owner.clients.billing.list_billing_accounts())).name
        planned = client.project.init(directory=None, billing_account=account, dry_run=True).steps
        assert planned[0].api == "cloudbilling.projects.updateBillingInfo"
        assert f"--billing-account={account.rpartition('/')[2]}" in str(caught.value)
        made = client.project.init(directory=None, actions=["data"], billing_account=account).steps
        assert [step.kind for step in made[:2]] == ["billing", "API"]
        assert {removal.kind for removal in client.project.down(plan=True, directory=None) if removal.kept} == {
            "repository"
        }, "behind an API that is not enabled: it may be there"
        off = {"name": "projects/no-billing-yet/services/bigquery.googleapis.com", "disable_dependent_services": True}
        owner.clients.service_usage.disable_service(request=off).result(timeout=30)
        found = client.project.doctor(directory=None, actions=["data"])
        assert {finding.subject.partition(" ")[0] for finding in found.errors} == {"API"}, "nothing is guessed"
        assert [finding.subject for finding in found.warnings] == ["unseen"]


def test_a_file_of_another_project_is_left_alone(owner: Client, tmp_path: Path) -> None:
    (tmp_path / "gcpmlops.toml").write_text('project = "somebody-elses"\n')
    with pytest.raises(InvalidArgument, match="is of project somebody-elses"):
        owner.project.init(directory=tmp_path)
    assert (tmp_path / "gcpmlops.toml").read_text() == 'project = "somebody-elses"\n'


def test_down_takes_away_what_init_made_and_nothing_else(owner: Client, operator: Client, tmp_path: Path) -> None:
    owner.storage.create_bucket("was-there-before")
    policies, before = Policies(owner.clients), Policies(owner.clients).read("gs://was-there-before")
    done = operator.project.init(
        name="second", actions=["data", "train", "deliver"], buckets=["gs://was-there-before"], directory=tmp_path
    )
    assert len(policies.read("gs://was-there-before")) == len(before) + 3
    owner.storage.upload(b"data", destination=f"gs://{done.plan.data_bucket}/data.csv")
    planned = operator.project.down(plan=True, directory=tmp_path)
    kinds = list(dict.fromkeys(removal.kind for removal in planned))
    assert kinds == ["role", "repository", "dataset", "bucket", "service account"]
    assert [removal.name for removal in planned if removal.kept] == [f"gs://{done.plan.data_bucket}"]
    operator.project.down(directory=tmp_path)
    assert policies.read("gs://was-there-before") == before
    left = operator.project.down(plan=True, directory=tmp_path)
    assert [removal.name for removal in left] == [f"gs://{done.plan.data_bucket}"]
    operator.project.down(force=True, directory=tmp_path)
    assert operator.project.down(plan=True, directory=tmp_path) == []
    assert owner.project.doctor(directory=None).healthy, "the other set-up is untouched"


def _probes(setup: Setup) -> dict[str, Callable[[Client], Any]]:
    """A call for each permission that a role is there for; without the role it is refused before it does anything."""
    from google.cloud import bigquery

    from gcpmlops._channel import endpoint_channel
    from gcpmlops._google import alert, cloudbuild, custom_job, functions_types, scheduler_job

    plan, parent = setup.plan, f"projects/{PROJECT}/locations/{LOCATION}"
    table, column = f"{PROJECT}.ml.probe", bigquery.SchemaField("x", "INT64")

    def read_session(client: Client) -> Any:
        from google.cloud.bigquery_storage_v1.services.big_query_read import BigQueryReadClient
        from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport
        from google.cloud.bigquery_storage_v1.types import DataFormat, ReadSession

        channel = endpoint_channel(
            client.config.endpoint, client.clients.credentials, host="bigquerystorage.googleapis.com"
        )
        reader = BigQueryReadClient(transport=BigQueryReadGrpcTransport(channel=channel))
        session = ReadSession(table=f"projects/{PROJECT}/datasets/ml/tables/probe", data_format=DataFormat.ARROW)
        return reader.create_read_session(parent=f"projects/{PROJECT}", read_session=session)

    def series(client: Client) -> Any:
        interval = {"start_time": {"seconds": 1}, "end_time": {"seconds": 2}}
        request = {"name": f"projects/{PROJECT}", "filter": 'metric.type = "custom.googleapis.com/x"'}
        return list(client.clients.metrics.list_time_series(request={**request, "interval": interval}))

    def push(client: Client) -> Any:
        reply = client.clients.request(
            "POST", f"https://{LOCATION}-docker.pkg.dev/v2/{PROJECT}/ml/probe/blobs/uploads/",
            headers={"authorization": f"Bearer {_token(client)}"},
        )  # fmt: skip
        if reply.status_code == 403:
            raise theirs.Forbidden(reply.text)
        return reply

    made = custom_job.CustomJob(display_name="probe")
    return {
        "storage.objects.create": lambda c: c.storage.upload(b"x", destination=f"gs://{plan.data_bucket}/probe"),
        "storage.objects.get": lambda c: c.storage.read(f"gs://{plan.data_bucket}/there"),
        "storage.buckets.get": lambda c: c.storage.get_bucket(plan.data_bucket),
        "bigquery.jobs.create": lambda c: c.bigquery.query("SELECT 1 AS x"),
        "bigquery.tables.create": lambda c: c.bigquery.create_table("ml.other", schema={"x": "INT64"}),
        "bigquery.tables.getData": lambda c: list(c.clients.bigquery.list_rows(table, selected_fields=[column])),
        "bigquery.readsessions.create": read_session,
        "aiplatform.customJobs.create": lambda c: c.clients.jobs.create_custom_job(parent=parent, custom_job=made),
        "logging.logEntries.list": lambda c: list(
            c.clients.logging.list_log_entries(resource_names=[f"projects/{PROJECT}"], filter="severity = ERROR")
        ),
        "logging.logEntries.create": lambda c: c.clients.logging.write_log_entries(
            log_name=f"projects/{PROJECT}/logs/probe", entries=[], resource={"type": "global"}
        ),
        "monitoring.timeSeries.list": series,
        "monitoring.timeSeries.create": lambda c: c.clients.metrics.create_time_series(
            name=f"projects/{PROJECT}", time_series=[]
        ),
        "monitoring.alertPolicies.create": lambda c: c.clients.alert_policies.create_alert_policy(
            name=f"projects/{PROJECT}", alert_policy=alert.AlertPolicy()
        ),
        "cloudfunctions.functions.create": lambda c: c.clients.functions.create_function(
            parent=parent, function_id="probe", function=functions_types.Function()
        ),
        "cloudscheduler.jobs.create": lambda c: c.clients.scheduler.create_job(
            parent=parent, job=scheduler_job.Job(name=f"{parent}/jobs/probe")
        ),
        "cloudscheduler.jobs.pause": lambda c: c.clients.scheduler.pause_job(name=f"{parent}/jobs/none"),
        "pubsub.subscriptions.create": lambda c: c.clients.subscriber.create_subscription(
            name=f"projects/{PROJECT}/subscriptions/probe", topic=f"projects/{PROJECT}/topics/none"
        ),
        "cloudbuild.builds.create": lambda c: c.clients.builds.create_build(
            project_id=PROJECT, build=cloudbuild.Build()
        ),
        "artifactregistry.repositories.uploadArtifacts": push,
    }


def _token(client: Client) -> str:
    from google.auth.transport.requests import Request

    client.clients.credentials.refresh(Request())
    return str(client.clients.credentials.token)


def _acting_as(resource: str) -> Callable[[Client], Any]:
    """A job that is to run as the account: whoever may not act as it is refused when the rest of it is right."""
    from gcpmlops._google import custom_job

    pool = {
        "machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1,
        "container_spec": {"image_uri": "python:3.11", "command": ["true"]},
    }  # fmt: skip
    spec = {"worker_pool_specs": [pool], "service_account": resource.rpartition("/")[2]}
    made = custom_job.CustomJob(display_name="probe", job_spec=spec)
    parent = f"projects/{PROJECT}/locations/{LOCATION}"
    return lambda client: client.clients.jobs.create_custom_job(parent=parent, custom_job=made)


def _refusal(call: Callable[[Client], Any], client: Client) -> str:
    """The permission that a refused call names; empty where it was not refused."""
    from gcpmlops.exceptions import GcpMlopsError, translated

    try:
        with translated("the probe"):
            call(client)
    except PermissionDenied as error:
        return error.permission or str(error)
    except (GcpMlopsError, theirs.GoogleAPICallError):
        return ""  # it got past the gate: what it asks for is not right otherwise
    return ""


def test_without_each_role_in_turn_the_call_names_the_permission_and_the_doctor_the_fix(
    owner: Client, setup: Setup, acting: Callable[[str], Client]
) -> None:
    """No role is missing, and none is superfluous: what it is there for fails without it."""
    owner.bigquery.query("CREATE OR REPLACE TABLE ml.probe AS SELECT 1 AS x")
    owner.storage.upload(b"x", destination=f"gs://{setup.plan.data_bucket}/there")
    policies, probes = Policies(owner.clients), _probes(setup)
    elsewhere = [f"gs://{bucket}" for bucket in setup.plan.all_buckets if bucket != setup.plan.data_bucket]
    elsewhere += [f"{PROJECT}.{dataset}" for dataset in setup.plan.all_datasets if dataset != "ml"]
    for grant in setup.plan.grants:
        if grant.member.endswith(str(owner.clients.caller)):
            continue  # the developer's: refused in a test of its own
        if grant.resource in elsewhere:
            continue  # the same role on another bucket or dataset
        client = acting(grant.member.partition(":")[2])
        call = _acting_as(grant.resource) if "actAs" in grant.permission else probes.get(grant.permission)
        if call is None:
            assert grant.permission == "run.routes.invoke", f"{grant} has no probe"
            continue  # tests/e2e/test_access.py calls a function
        binding = (grant.role, grant.member)
        policies.change(grant.resource, remove={binding})
        refused = _refusal(call, client)
        fixes = [finding for finding in owner.project.doctor(directory=None).errors if str(grant) in finding.subject]
        policies.change(grant.resource, add={binding})
        assert grant.permission in refused, f"without {grant}: {refused!r}"
        assert len(fixes) == 1, f"the doctor does not name {grant}"
        assert grant.role in fixes[0].fix
        assert grant.member in fixes[0].fix
        if "actAs" not in grant.permission:
            assert _refusal(call, client) == "", f"with {grant} it is refused all the same"
    assert owner.project.doctor(directory=None).healthy
