"""Artifacts, contexts and executions: create, get, list, update, delete, purge."""

from __future__ import annotations

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.cloud.aiplatform_v1beta1 import MetadataServiceClient

from .conftest import HOST


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_life_of_a_context(metadata, connect, transport) -> None:
    client = connect(transport)
    given = types.Context(
        display_name="run", schema_title="system.ExperimentRun", metadata={" _params ": {"lr": 0.1}}, labels={"a": "b"}
    )
    made = client.create_context(parent=metadata.store, context=given, context_id="exp-run")
    assert made.name == metadata.name("contexts", "exp-run")
    assert made.schema_version == "0.0.1"
    assert dict(made.metadata["_params"]) == {"lr": 0.1}  # keys are trimmed
    assert made.create_time == made.update_time
    assert client.get_context(name=made.name) == made
    with pytest.raises(exceptions.Conflict, match=r"Context with name .*exp-run already exists"):
        client.create_context(parent=metadata.store, context=given, context_id="exp-run")

    made.metadata["_metrics"] = {"loss": 1}
    changed = client.update_context(context=made)
    assert int(changed.etag) > int(made.etag)
    assert changed.create_time < changed.update_time
    assert set(changed.metadata) == {"_params", "_metrics"}
    text = f"Specified Context `etag`: `{made.etag}` does not match server `etag`: `{changed.etag}`"
    with pytest.raises(exceptions.Aborted if transport == "grpc" else exceptions.Conflict, match=text):
        client.update_context(context=made)

    with pytest.raises(exceptions.BadRequest, match="does not match"):
        client.delete_context(request={"name": made.name, "etag": made.etag})
    client.delete_context(request={"name": made.name, "etag": changed.etag}).result()
    for call in (client.get_context, client.delete_context):
        with pytest.raises(exceptions.NotFound, match="exp-run"):
            call(name=made.name)


def test_masks_and_allow_missing(metadata) -> None:
    client = metadata.client
    made = metadata.artifact("art-1", display_name="a", description="d", uri="gs://b/o", metadata={"x": 1, "y": 2})
    given = types.Artifact(name=made.name, display_name="b", description="e", metadata={"x": 3}, state="LIVE")
    masked = client.update_artifact(artifact=given, update_mask={"paths": ["display_name", "metadata.x"]})
    assert (masked.display_name, masked.description, masked.uri) == ("b", "d", "gs://b/o")
    assert dict(masked.metadata) == {"x": 3, "y": 2}
    assert dict(client.update_artifact(artifact=given, update_mask={"paths": ["metadata"]}).metadata) == {"x": 3}
    every = client.update_artifact(artifact=given, update_mask={"paths": ["*"]})
    assert (every.uri, every.state.name, every.create_time) == ("", "LIVE", made.create_time)
    with pytest.raises(exceptions.InvalidArgument, match="nosuch"):
        client.update_artifact(artifact=given, update_mask={"paths": ["nosuch"]})

    given.name = metadata.name("artifacts", "art-2")
    with pytest.raises(exceptions.NotFound, match="art-2"):
        client.update_artifact(artifact=given)
    assert client.update_artifact({"artifact": given, "allow_missing": True}).display_name == "b"
    given.name = metadata.name("artifacts", "Art_2")
    with pytest.raises(exceptions.InvalidArgument, match="Art_2"):
        client.update_artifact({"artifact": given, "allow_missing": True})


def test_bad_nodes_are_refused_by_field(metadata) -> None:
    client = metadata.client
    with pytest.raises(exceptions.InvalidArgument, match=r"context_id: 'My_Run' .*\[a-z0-9\]\[a-z0-9-\]\{0,127\}"):
        metadata.context("My_Run")
    with pytest.raises(exceptions.InvalidArgument, match="artifact_id"):
        metadata.artifact("a" * 129)
    with pytest.raises(exceptions.NotFound, match=r"schema_title 'demo.Nothing' .*not found"):
        metadata.artifact(schema_title="demo.Nothing")
    with pytest.raises(exceptions.NotFound, match=r"schema_version '9.9.9'"):
        metadata.artifact(schema_title="system.Model", schema_version="9.9.9")
    with pytest.raises(exceptions.InvalidArgument, match=r"system.Model is of type ARTIFACT_TYPE"):
        metadata.execution(schema_title="system.Model")
    with pytest.raises(exceptions.InvalidArgument, match=r"metadata.accuracy: .*number.* string"):
        metadata.artifact(schema_title="system.Metrics", metadata={"accuracy": "high"})
    with pytest.raises(exceptions.InvalidArgument, match=r"metadata: .*200 KB"):
        metadata.artifact(metadata={"big": "x" * 205_000})
    with pytest.raises(exceptions.InvalidArgument, match=r"metadata.m.loss: neither NaN"):
        metadata.artifact(metadata={"m": {"loss": float("nan")}})
    with pytest.raises(exceptions.InvalidArgument, match="display_name"):
        metadata.artifact(display_name="x" * 129)
    with pytest.raises(exceptions.InvalidArgument, match=r"labels.Up"):
        metadata.artifact(labels={"Up": "x"})
    with pytest.raises(exceptions.NotFound, match=r"metadataStores/nowhere"):
        client.create_artifact(parent=f"{metadata.parent}/metadataStores/nowhere", artifact={})
    with pytest.raises(exceptions.InvalidArgument, match="expected projects"):
        client.get_artifact(name=metadata.name("contexts", "x"))
    assert metadata.artifacts() == []


@pytest.mark.parametrize("transport", ["grpc", "rest"])
def test_empty_metadata_is_there(metadata, connect, transport) -> None:
    made = connect(transport).create_artifact(parent=metadata.store, artifact={})
    assert types.Artifact.pb(made).HasField("metadata")


@pytest.fixture
def shelf(metadata):
    """Five artifacts, two of them in a context."""
    for number, schema in enumerate(["system.Model", "system.Dataset", "system.Model", "", ""], start=1):
        metadata.artifact(
            f"a{number}",
            display_name=f"my_{'model' if 'Model' in schema else 'thing'}_{number}",
            schema_title=schema,
            uri=f"gs://b/{number}",
            state="LIVE" if number % 2 else "PENDING",
            labels={"odd": str(number % 2)},
            metadata={"precision": number / 5, "field:1": f"v{number}", "deep": {"n": number}, "ok": number > 3},
        )
    metadata.context("ctx1")
    metadata.client.add_context_artifacts_and_executions(
        context=metadata.name("contexts", "ctx1"), artifacts=[metadata.name("artifacts", f"a{n}") for n in (2, 4)]
    )
    return metadata


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["a5", "a4", "a3", "a2", "a1"]),
        ('schema_title="system.Model"', ["a3", "a1"]),
        ('(schema_title="system.Model" OR schema_title="system.Dataset")', ["a3", "a2", "a1"]),
        ('schema_title="system.Model" AND metadata.precision.number_value>0.5', ["a3"]),
        ("metadata.precision.number_value <= 0.4", ["a2", "a1"]),
        ('metadata."field:1".string_value="v4"', ["a4"]),
        ("metadata.deep.n.number_value=5", ["a5"]),
        ("metadata.ok.bool_value = true", ["a5", "a4"]),
        ('display_name="my_model_*"', ["a3", "a1"]),
        ('display_name!="my_model_1" AND state=LIVE', ["a5", "a3"]),
        ('uri="gs://b/3"', ["a3"]),
        ("labels.odd=1", ["a5", "a3", "a1"]),
        ("NOT labels.odd=1", ["a4", "a2"]),
        ('create_time>"2021-05-11T12:30:00-08:00" AND create_time>"2022-06-11"', ["a5", "a4", "a3", "a2", "a1"]),
        ('update_time<"2021-05-11T12:30:00-08:00"', []),
        ('in_context("{store}/contexts/ctx1")', ["a4", "a2"]),
        ('in_context("{store}/contexts/ctx1") AND state=PENDING AND uri="gs://b/2"', ["a2"]),
        ('NOT in_context("{store}/contexts/ctx1")', ["a5", "a3", "a1"]),
        ('in_context("{store}/contexts/ctx1") OR state=LIVE', ["a5", "a4", "a3", "a2", "a1"]),
        ('in_context("{store}/contexts/none")', []),
        ('in_context("*", "display_name=\'nothing\'")', []),
        ('name="{store}/artifacts/a1"', ["a1"]),
    ],
)
def test_filters(shelf, text, expected) -> None:
    assert shelf.artifacts(text.replace("{store}", shelf.store)) == expected


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("schema_title=", "too early"),
        ("colour=red", "Artifact has no field 'colour'"),
        ('create_time>"yesterday"', "no RFC 3339 time"),
        ('with_artifact("x")', "no function 'with_artifact'"),
        ('inside("x")', "no function 'inside'"),
        ("((((((state=LIVE))))))", "deeper than 5"),
        ('in_context("a", "b=1", "c")', "at most, a filter"),
        ('in_context("*", "colour=red")', "Context has no field 'colour'"),
    ],
)
def test_bad_filters(metadata, text, named) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=named):
        metadata.artifacts(text)


def test_order_and_pages(shelf) -> None:
    assert shelf.artifacts("", "display_name") == ["a1", "a3", "a2", "a4", "a5"]
    assert shelf.artifacts("", "schema_title desc, metadata.precision.number_value") == ["a1", "a3", "a2", "a4", "a5"]
    assert shelf.artifacts("state=LIVE", "create_time") == ["a1", "a3", "a5"]
    with pytest.raises(exceptions.InvalidArgument, match="nosuch"):
        shelf.artifacts("", "nosuch")
    request = types.ListArtifactsRequest(parent=shelf.store, page_size=2)
    pages = [shelf.ids(page.artifacts) for page in shelf.client.list_artifacts(request).pages]
    assert pages == [["a5", "a4"], ["a3", "a2"], ["a1"]]
    with pytest.raises(exceptions.InvalidArgument, match="page_token"):
        shelf.client.list_artifacts(types.ListArtifactsRequest(parent=shelf.store, page_token="x"))


def test_purge_tells_first_and_deletes_with_force(shelf) -> None:
    client = shelf.client
    request = types.PurgeArtifactsRequest(parent=shelf.store, filter="state=LIVE")
    told = client.purge_artifacts(request).result()
    assert told.purge_count == 3
    assert shelf.ids([types.Artifact(name=name) for name in told.purge_sample]) == ["a5", "a3", "a1"]
    request.force = True
    done = client.purge_artifacts(request).result()
    assert (done.purge_count, list(done.purge_sample)) == (3, [])
    assert shelf.artifacts() == ["a4", "a2"]
    with pytest.raises(exceptions.InvalidArgument, match="filter: required"):
        client.purge_artifacts(parent=shelf.store)
    assert client.purge_contexts(request={"parent": shelf.store, "filter": "*", "force": True}).result().purge_count
    assert shelf.artifacts() == ["a4", "a2"]
    request = types.PurgeExecutionsRequest(parent=shelf.store, filter="update_time >= 2020-11-19T11:30:00-04:00")
    shelf.execution("e1")
    operation = client.purge_executions(request)
    assert operation.metadata.generic_metadata.create_time
    assert operation.result().purge_count == 1


def test_the_beta_client_sees_the_same(metadata) -> None:
    made = metadata.context("beta-1", schema_title="system.Pipeline", metadata={"a": 1})
    with MetadataServiceClient(client_options={"api_endpoint": HOST}) as client:
        seen = client.get_context(name=made.name)
        assert (seen.schema_title, dict(seen.metadata), seen.etag) == ("system.Pipeline", {"a": 1}, made.etag)
        assert [found.name for found in client.list_contexts(parent=metadata.store)] == [made.name]
        client.delete_context(name=made.name).result()
    assert metadata.contexts() == []
