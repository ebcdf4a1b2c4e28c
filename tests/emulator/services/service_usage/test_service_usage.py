"""Which APIs a project may use: with all of them, and where each has to be enabled first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import service_usage_v1, storage
from google.rpc import error_details_pb2

from gcpmlops import Client
from gcpmlops.emulator import launch
from gcpmlops.emulator.server import Running
from gcpmlops.emulator.services.service_usage.known import KNOWN, that_need, with_needs

PROJECT, STRICT = "local-project", "strict-project"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An emulator in which nothing is enabled, of these tests alone: they enable and disable."""
    with launch.ephemeral(project=STRICT, arguments=["--no-enable-all"]) as state:
        yield state


@pytest.fixture(scope="module")
def owner(strict: Running) -> Iterator[Client]:
    key = str(Path(strict.data_dir) / "credentials.json")
    with Client(project=STRICT, endpoint=strict.endpoint, credentials_file=key) as client:
        yield client


def service(name: str, project: str = STRICT) -> str:
    return f"projects/{project}/services/{name}.googleapis.com"


def enabled(usage: Any, project: str = STRICT) -> set[str]:
    found = usage.list_services({"parent": f"projects/{project}", "filter": "state:ENABLED"})
    return {each.config.name.removesuffix(".googleapis.com") for each in found}


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_everything_is_enabled_until_it_is_disabled(transport: str, google_environment: dict[str, str]) -> None:
    usage = service_usage_v1.ServiceUsageClient(transport=transport)
    name = service("vision", PROJECT)
    assert usage.get_service({"name": name}).state.name == "ENABLED"
    assert usage.disable_service({"name": name}).result(timeout=10).service.state.name == "DISABLED"
    with pytest.raises(exceptions.BadRequest, match="is not enabled"):
        usage.disable_service({"name": name})
    assert "vision" not in enabled(usage, PROJECT)
    usage.enable_service({"name": name}).result(timeout=10)
    assert "vision" in enabled(usage, PROJECT)
    with pytest.raises(exceptions.Forbidden, match=r"no-such-api"):
        usage.enable_service({"name": service("no-such-api", PROJECT)})


def test_an_api_that_is_not_enabled_is_refused(owner: Client) -> None:
    clients = owner.clients
    with pytest.raises(exceptions.PermissionDenied, match="Cloud Scheduler API has not been used") as caught:
        list(clients.scheduler.list_jobs(parent=f"projects/{STRICT}/locations/us-central1"))
    info = next(each for each in caught.value.details if isinstance(each, error_details_pb2.ErrorInfo))
    assert (info.reason, info.metadata["service"]) == ("SERVICE_DISABLED", "cloudscheduler.googleapis.com")
    number = clients.projects.get_project(name=f"projects/{STRICT}").name
    assert info.metadata["consumer"] == number
    with pytest.raises(exceptions.Forbidden, match="Cloud Storage has not been used"):
        list(clients.storage.list_buckets())
    with pytest.raises(exceptions.Forbidden, match="BigQuery API has not been used"):
        list(clients.bigquery.list_datasets())

    clients.service_usage.enable_service({"name": service("cloudscheduler")}).result(timeout=10)
    assert list(clients.scheduler.list_jobs(parent=f"{number}/locations/us-central1")) == []
    with pytest.raises(exceptions.FailedPrecondition, match="usage in the last 30 days"):
        clients.service_usage.disable_service(
            {"name": service("cloudscheduler"), "check_if_service_has_usage": "CHECK"}
        )
    clients.service_usage.disable_service({"name": service("cloudscheduler")}).result(timeout=10)
    with pytest.raises(exceptions.PermissionDenied, match="SERVICE_DISABLED"):
        list(clients.scheduler.list_jobs(parent=f"projects/{STRICT}/locations/us-central1"))


def test_what_others_need_is_enabled_with_them_and_stays(owner: Client) -> None:
    usage = owner.clients.service_usage
    usage.batch_enable_services(
        {"parent": f"projects/{STRICT}", "service_ids": ["cloudbuild.googleapis.com", "eventarc.googleapis.com"]}
    ).result(timeout=10)
    assert {"cloudbuild", "eventarc", "pubsub", "artifactregistry", "logging"} <= enabled(usage)
    with pytest.raises(exceptions.FailedPrecondition, match=r"cloudbuild\S+,eventarc\S+;"):
        usage.disable_service({"name": service("pubsub")})
    assert "pubsub" in enabled(usage)
    usage.disable_service({"name": service("pubsub"), "disable_dependent_services": True}).result(timeout=10)
    assert not {"cloudbuild", "eventarc", "pubsub"} & enabled(usage)
    with pytest.raises(exceptions.FailedPrecondition, match="cannot be disabled"):
        usage.disable_service({"name": service("serviceusage")})
    many = list(KNOWN)[:21]
    with pytest.raises(exceptions.InvalidArgument, match="21"):
        usage.batch_enable_services({"parent": f"projects/{STRICT}", "service_ids": many})


def test_who_does_not_pay_enables_nothing_that_costs(owner: Client) -> None:
    clients = owner.clients
    clients.projects.create_project({"project": {"project_id": "unpaid-project"}}).result(timeout=10)
    usage, name = clients.service_usage, service("aiplatform", "unpaid-project")
    with pytest.raises(exceptions.FailedPrecondition, match="Billing must be enabled") as caught:
        usage.enable_service({"name": name})
    assert caught.value.reason == "UREQ_PROJECT_BILLING_NOT_FOUND"
    usage.enable_service({"name": service("pubsub", "unpaid-project")}).result(timeout=10)
    account = next(iter(clients.billing.list_billing_accounts())).name
    info = {"billing_account_name": account}
    clients.billing.update_project_billing_info({"name": "projects/unpaid-project", "project_billing_info": info})
    paid = {each.project_id for each in clients.billing.list_project_billing_info(name=account)}
    assert paid == {STRICT, "unpaid-project"}
    usage.enable_service({"name": name}).result(timeout=10)
    wrong = {"billing_account_name": "billingAccounts/111111-111111-111111"}
    with pytest.raises(exceptions.FailedPrecondition, match="not found"):
        clients.billing.update_project_billing_info({"name": "projects/unpaid-project", "project_billing_info": wrong})
    region = "projects/unpaid-project/locations/us-central1"
    usage.enable_service({"name": service("artifactregistry", "unpaid-project")}).result(timeout=10)
    assert list(clients.artifact_registry.list_repositories(parent=region)) == []
    clients.billing.update_project_billing_info({"name": "projects/unpaid-project", "project_billing_info": {}})
    with pytest.raises(exceptions.PermissionDenied, match="requires billing to be enabled") as refused:
        clients.artifact_registry.list_repositories(parent=region)
    assert refused.value.reason == "BILLING_DISABLED"


def test_an_api_brings_its_service_agent(owner: Client) -> None:
    clients = owner.clients
    number = clients.projects.get_project(name=f"projects/{STRICT}").name.removeprefix("projects/")
    agent = f"serviceAccount:service-{number}@gcp-sa-notebooks.iam.gserviceaccount.com"

    def role() -> list[str]:
        policy = clients.projects.get_iam_policy(resource=f"projects/{STRICT}")
        return [binding.role for binding in policy.bindings if agent in binding.members]

    assert role() == []
    clients.service_usage.enable_service({"name": service("notebooks")}).result(timeout=10)
    assert role() == ["roles/notebooks.serviceAgent"]


def test_a_project_that_is_not_there_or_is_deleted(owner: Client) -> None:
    clients = owner.clients
    with pytest.raises(exceptions.PermissionDenied, match="does not exist"):
        clients.projects.get_project(name="projects/never-made")
    clients.projects.create_project({"project": {"project_id": "short-lived"}}).result(timeout=10)
    clients.service_usage.enable_service({"name": service("pubsub", "short-lived")}).result(timeout=10)
    publisher = clients.publisher
    assert list(publisher.list_topics(project="projects/short-lived")) == []
    clients.projects.delete_project(name="projects/short-lived").result(timeout=10)
    with pytest.raises(exceptions.PermissionDenied, match="deleted"):
        list(publisher.list_topics(project="projects/short-lived"))
    clients.projects.undelete_project(name="projects/short-lived").result(timeout=10)
    assert list(publisher.list_topics(project="projects/short-lived")) == []


def test_the_table_of_apis_is_whole() -> None:
    for api in KNOWN:
        assert with_needs(api)[-1] == api
        assert api not in that_need(api)


def test_buckets_are_of_a_project_with_storage(owner: Client) -> None:
    clients = owner.clients
    clients.service_usage.enable_service({"name": service("storage")}).result(timeout=10)
    made: storage.Bucket = clients.storage.create_bucket("strict-project-data")
    assert [bucket.name for bucket in clients.storage.list_buckets()] == [made.name]
