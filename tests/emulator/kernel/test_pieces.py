"""Names, pages, masks, validation, hosts and routes: the small pieces that every service shares."""

from __future__ import annotations

import errno
import sqlite3
from types import SimpleNamespace

import grpc
import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1.types import CustomJob, Model
from google.protobuf import field_mask_pb2

from gcpmlops.emulator.kernel import errors, hosts, locations, masks, names, paging, validate
from gcpmlops.emulator.kernel.routes import Routes


def test_names() -> None:
    template = "projects/{project}/locations/{location}/models/{model}"
    assert names.parse(template, "projects/p/locations/l/models/m")["model"] == "m"
    with pytest.raises(exceptions.InvalidArgument, match=r"expected projects/\{project\}"):
        names.parse(template, "projects/p/models/m")
    assert names.location_of("projects/p/locations/eu/models/m") == "eu"
    assert names.project_of("locations/eu") == ""


def _request(**fields: object) -> SimpleNamespace:
    return SimpleNamespace(**{"parent": "p", "filter": "", "page_size": 0, "page_token": ""} | fields)


def test_pages_cover_everything_once() -> None:
    items, seen, token = list(range(25)), [], ""
    while True:
        part, token = paging.page(items, _request(page_size=10, page_token=token))
        seen += part
        if not token:
            break
    assert seen == items


def test_a_token_is_bound_to_its_request() -> None:
    _, token = paging.page(list(range(5)), _request(page_size=2))
    with pytest.raises(exceptions.InvalidArgument, match="does not belong"):
        paging.page(list(range(5)), _request(page_size=2, page_token=token, filter="x"))
    with pytest.raises(exceptions.InvalidArgument, match="negative"):
        paging.page([], _request(page_size=-1))


def test_masks_replace_what_they_name_only() -> None:
    target = Model(display_name="old", description="kept", labels={"a": "1", "b": "2"})
    source = Model(display_name="new", description="lost", labels={"a": "9"})
    masks.apply(field_mask_pb2.FieldMask(paths=["display_name", "labels.a"]), target, source)
    assert (target.display_name, target.description) == ("new", "kept")
    assert dict(target.labels) == {"a": "9", "b": "2"}


def test_a_named_empty_field_is_cleared() -> None:
    target = Model(description="old", labels={"a": "1"})
    masks.apply(field_mask_pb2.FieldMask(paths=["description", "labels"]), target, Model())
    assert not target.description
    assert not target.labels


def test_masks_refuse_unknown_and_immutable_fields() -> None:
    with pytest.raises(exceptions.InvalidArgument, match="nosuch"):
        masks.apply(field_mask_pb2.FieldMask(paths=["nosuch"]), Model(), Model())
    with pytest.raises(exceptions.InvalidArgument, match="can't be changed"):
        masks.apply(field_mask_pb2.FieldMask(paths=["name"]), Model(), Model(), immutable=["name"])


def test_a_read_mask_leaves_what_it_names() -> None:
    model = Model(name="n", display_name="d", labels={"A": "1", "b": "2"})
    assert masks.part(model, field_mask_pb2.FieldMask(paths=["displayName", "labels.A"])) == Model(
        display_name="d", labels={"A": "1"}
    )
    assert masks.part(model, field_mask_pb2.FieldMask()) == model
    with pytest.raises(exceptions.InvalidArgument, match="read_mask: 'nosuch' is not a field of Model"):
        masks.part(model, field_mask_pb2.FieldMask(paths=["nosuch"]))


def test_validation_names_the_field() -> None:
    job = CustomJob(display_name="x")
    with pytest.raises(exceptions.InvalidArgument, match=r"job_spec\.worker_pool_specs"):
        validate.require(job, "display_name", "job_spec.worker_pool_specs")
    with pytest.raises(exceptions.InvalidArgument, match=r"labels\.Team"):
        validate.labels({"Team": "x"})


@pytest.mark.parametrize(
    ("host", "path", "service"),
    [
        ("us-central1-aiplatform.googleapis.com", "/v1/x", "aiplatform"),
        ("europe-west4-prediction-aiplatform.googleapis.com", "/v1/x", "aiplatform"),
        ("aiplatform.mtls.googleapis.com", "/v1/x", "aiplatform"),
        ("storage.us-east1.rep.googleapis.com", "/storage/v1/b", "storage"),
        ("my-bucket.storage.googleapis.com", "/object", "storage"),
        ("www.googleapis.com", "/bigquery/v2/projects", "bigquery"),
        ("www.googleapis.com", "/oauth2/v4/token", "oauth2"),
        ("oauth2.googleapis.com", "/token", "oauth2"),
        ("accounts.google.com", "/o/oauth2/token", "oauth2"),
        ("7.us-central1-1234.prediction.vertexai.goog", "/v1/x", "aiplatform"),
        ("metadata.google.internal", "/", "metadata"),
    ],
)
def test_hosts(host: str, path: str, service: str) -> None:
    assert hosts.is_served(host)
    assert hosts.service_of(host, path) == service


@pytest.mark.parametrize("host", ["pypi.org", "googleapis.com.evil.example", "notgoogleapis.com", "google.com"])
def test_other_hosts_are_not_served(host: str) -> None:
    assert not hosts.is_served(host)


def test_routes() -> None:
    routes = Routes()
    routes.add("POST", "/v1/{parent=projects/*/locations/*}/customJobs", "create")
    routes.add("GET", "/v1/{name=projects/*/locations/*/customJobs/*}", "get")
    routes.add("POST", "/v1/{name=projects/*/locations/*/customJobs/*}:cancel", "cancel")
    routes.add("PATCH", "/v1/{custom_job.name=projects/*/locations/*/customJobs/*}", "patch")
    routes.add("GET", "/v2/{resource=**}:policy", "policy")
    found = routes.match("POST", "/v1/projects/p/locations/l/customJobs/7:cancel")
    assert found is not None
    assert (found.target, found.variables) == ("cancel", {"name": "projects/p/locations/l/customJobs/7"})
    created = routes.match("POST", "/v1/projects/p/locations/l/customJobs")
    assert created is not None
    assert created.variables == {"parent": "projects/p/locations/l"}
    deep = routes.match("GET", "/v2/a/b%2Fc/d:policy")
    assert deep is not None
    assert deep.variables == {"resource": "a/b/c/d"}
    assert routes.match("DELETE", "/v1/projects/p/locations/l/customJobs/7") is None
    assert routes.match("GET", "/v1/projects/p/locations//customJobs/7") is None


@pytest.mark.parametrize(
    "error", [sqlite3.OperationalError("database or disk is full"), OSError(errno.ENOSPC, "No space left on device")]
)
def test_a_full_disk_is_said_plainly(error: Exception) -> None:
    status, body = errors.to_json(error)
    assert status == 400
    assert "disk" in body["error"]["message"]
    assert errors.grpc_code(errors.normalise(error)) is grpc.StatusCode.FAILED_PRECONDITION


def test_413_has_a_grpc_code_too() -> None:
    status, body = errors.to_json(exceptions.from_http_status(413, "too large"))
    assert (status, body["error"]["status"]) == (413, "INVALID_ARGUMENT")


def test_locations_of_every_api() -> None:
    def answer(path: str, query: dict[str, str]) -> object:
        match = locations.PATH.fullmatch(path)
        assert match is not None
        return locations.answer_path(match, query)

    first = answer("/v1/projects/p/locations", {"pageSize": "30"})
    rest = answer("/v1/projects/p/locations", {"pageSize": "30", "pageToken": first.next_page_token})
    assert {"us-central1", "europe-west4"} <= {each.location_id for each in [*first.locations, *rest.locations]}
    assert rest.next_page_token == ""
    found = answer("/v1beta1/projects/p/locations/us-central1", {})
    assert (found.name, found.location_id) == ("projects/p/locations/us-central1", "us-central1")
    with pytest.raises(exceptions.NotFound, match="mars-north1"):
        answer("/v1/projects/p/locations/mars-north1", {})
    assert locations.PATH.fullmatch("/v1/projects/p/locations/us-central1/jobs") is None
    assert locations.PATH.fullmatch("/v1/projects/p/locations/us-central1:verb") is None
