"""Metadata stores and schemas."""

from __future__ import annotations

import uuid

import pytest
from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

SCHEMA = """
title: demo.Report
type: object
required: [owner]
additionalProperties: false
properties:
  owner: {type: string}
  pages: {type: integer}
  ratio: {type: number}
  final: {type: boolean}
  tags: {type: array}
  place:
    type: object
    required: [city]
    properties:
      city: {type: string}
"""


def test_life_of_a_store(metadata) -> None:
    client = metadata.client
    got = client.get_metadata_store(name=metadata.store)
    assert got.create_time == got.update_time
    assert got.state.disk_utilization_bytes == 0
    metadata.artifact("kept-1", display_name="x")
    assert client.get_metadata_store(name=metadata.store).state.disk_utilization_bytes > 0
    assert metadata.store in [store.name for store in client.list_metadata_stores(parent=metadata.parent)]
    store_id = metadata.store.rpartition("/")[2]
    with pytest.raises(exceptions.AlreadyExists, match="MetadataStore with name"):
        client.create_metadata_store(parent=metadata.parent, metadata_store={}, metadata_store_id=store_id)
    client.delete_metadata_store(name=metadata.store).result()
    for call in (client.get_metadata_store, client.delete_metadata_store):
        with pytest.raises(exceptions.NotFound, match=metadata.store):
            call(name=metadata.store)
    with pytest.raises(exceptions.NotFound):
        client.get_artifact(name=metadata.name("artifacts", "kept-1"))
    with pytest.raises(exceptions.NotFound, match="MetadataStore"):
        metadata.artifacts()


def test_a_store_without_an_id_gets_one(metadata) -> None:
    store = metadata.client.create_metadata_store(parent=metadata.parent, metadata_store={"description": "d"}).result()
    assert uuid.UUID(store.name.rpartition("/")[2])
    assert store.description == "d"


def test_projects_number_means_the_same_store(metadata, emulator) -> None:
    from gcpmlops.emulator.settings import project_number

    metadata.context("run-1")
    by_number = metadata.store.replace(emulator.project, str(project_number(emulator.project)))
    assert metadata.client.get_context(name=f"{by_number}/contexts/run-1").name == metadata.name("contexts", "run-1")


def test_built_in_schemas(metadata) -> None:
    client = metadata.client
    listed = list(client.list_metadata_schemas(parent=metadata.store))
    ids = set(metadata.ids(listed))
    assert {"system-html-v0-0-1", "system-resolver-execution-v0-0-1", "google-vertex-tensorboard-run-v0-0-1"} <= ids
    assert {"system-experiment-run-v0-0-1", "google-bqml-model-v0-0-1"} <= ids
    html = client.get_metadata_schema(name=metadata.name("metadataSchemas", "system-html-v0-0-1"))
    assert html.schema == "title: system.HTML\ntype: object\n"
    assert html.schema_version == "0.0.1"
    assert html.schema_type.name == "ARTIFACT_TYPE"
    request = types.ListMetadataSchemasRequest(
        parent=metadata.store, filter='schema_title="system*" OR schema_title="google*"', page_size=7
    )
    assert len(list(client.list_metadata_schemas(request))) == len(listed)
    request.filter = "schema_type=CONTEXT_TYPE"
    assert len(list(client.list_metadata_schemas(request))) == 4


def test_every_schema_of_the_sdk_is_there(metadata) -> None:
    from google.cloud.aiplatform.metadata.schema.google import artifact_schema as google_artifacts
    from google.cloud.aiplatform.metadata.schema.system import artifact_schema, context_schema, execution_schema

    known = {schema.schema.split("\n")[0] for schema in metadata.client.list_metadata_schemas(parent=metadata.store)}
    for module in (google_artifacts, artifact_schema, context_schema, execution_schema):
        for value in vars(module).values():
            title = getattr(value, "schema_title", None)
            assert not isinstance(title, str) or f"title: {title}" in known


def test_a_schema_of_ones_own_checks_metadata(metadata) -> None:
    client = metadata.client
    schema = {"schema": SCHEMA, "schema_type": "ARTIFACT_TYPE"}
    made = client.create_metadata_schema(parent=metadata.store, metadata_schema=schema, metadata_schema_id="report")
    assert made.schema_version == "0.0.1"
    assert client.get_metadata_schema(name=made.name) == made
    for taken in ("report", "other"):
        with pytest.raises(exceptions.AlreadyExists):
            client.create_metadata_schema(parent=metadata.store, metadata_schema=schema, metadata_schema_id=taken)
    newer = {**schema, "schema": "title: demo.Report\ntype: object\n", "schema_version": "0.10.0"}
    client.create_metadata_schema(parent=metadata.store, metadata_schema=newer)

    latest = metadata.artifact(schema_title="demo.Report", metadata={"anything": 1})
    assert latest.schema_version == "0.10.0"
    good = {"owner": "me", "pages": 3, "ratio": 0.5, "final": True, "tags": ["a"], "place": {"city": "Bern"}}
    metadata.artifact(schema_title="demo.Report", schema_version="0.0.1", metadata=good)
    for bad, named in [
        ({}, "owner: required"),
        ({**good, "pages": 2.5}, "metadata.pages: .*type integer"),
        ({**good, "final": "yes"}, "metadata.final: .*boolean.* string"),
        ({**good, "tags": {"a": 1}}, "metadata.tags: .*array.* object"),
        ({**good, "place": {}}, r"metadata\.place\.city: required"),
        ({**good, "more": 1}, "metadata.more: .*no properties but its own"),
    ]:
        with pytest.raises(exceptions.InvalidArgument, match=named):
            metadata.artifact(schema_title="demo.Report", schema_version="0.0.1", metadata=bad)


@pytest.mark.parametrize(
    ("schema", "named"),
    [
        ({"schema": "a: [", "schema_type": "ARTIFACT_TYPE"}, "not YAML"),
        ({"schema": "just text", "schema_type": "ARTIFACT_TYPE"}, "a mapping"),
        ({"schema": "title: NoDot\ntype: object", "schema_type": "ARTIFACT_TYPE"}, "satisfies the following regex"),
        ({"schema": "title: demo.Thing\ntype: string", "schema_type": "ARTIFACT_TYPE"}, "must be object"),
        (
            {
                "schema": "title: demo.Thing\ntype: object\nproperties: {a: {type: float}}",
                "schema_type": "ARTIFACT_TYPE",
            },
            "property a has the type 'float'",
        ),
        ({"schema": "title: demo.Thing\ntype: object", "schema_version": "1", "schema_type": 1}, "schema_version"),
        ({"schema": "title: demo.Thing\ntype: object"}, "schema_type"),
        ({"schema_type": "ARTIFACT_TYPE"}, "metadata_schema.schema: required"),
    ],
)
def test_what_is_no_schema_is_refused(metadata, schema, named) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=named):
        metadata.client.create_metadata_schema(parent=metadata.store, metadata_schema=schema)
