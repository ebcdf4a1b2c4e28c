"""Schemas, their revisions, and topics whose messages must fit one."""

import io
import json

import fastavro
import pytest
from google.api_core import exceptions
from google.protobuf import field_mask_pb2
from google.pubsub_v1 import types

from .conftest import TOPIC

PARENT, NAME = "projects/p", "projects/p/schemas/flights"


def avro(*fields):
    return {
        "type_": "AVRO",
        "definition": json.dumps({"type": "record", "name": "Flight", "fields": list(fields)}),
    }


DELAY = {"name": "delay", "type": "int"}
CARRIER = {"name": "carrier", "type": ["null", "string"], "default": None}


@pytest.fixture
def schema(pubsub):
    request = types.CreateSchemaRequest(parent=PARENT, schema_id="flights", schema=avro(DELAY))
    return pubsub.schemas.create_schema(request)


def binary(value, *fields):
    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, json.loads(avro(*fields)["definition"]), value)
    return stream.getvalue()


def test_schemas_have_revisions(pubsub, schema):
    call = pubsub.schemas
    second = call.commit_schema(types.CommitSchemaRequest(name=NAME, schema=avro(DELAY, CARRIER)))
    assert call.get_schema(types.GetSchemaRequest(name=NAME, view="FULL")) == second
    old = call.get_schema(types.GetSchemaRequest(name=f"{NAME}@{schema.revision_id}", view="FULL"))
    assert old.definition == schema.definition
    back = call.rollback_schema(types.RollbackSchemaRequest(name=NAME, revision_id=schema.revision_id))
    assert back.definition == schema.definition
    listed = call.list_schema_revisions(types.ListSchemaRevisionsRequest(name=NAME)).schemas
    assert [one.revision_id for one in listed] == [back.revision_id, second.revision_id, schema.revision_id]
    left = call.delete_schema_revision(types.DeleteSchemaRevisionRequest(name=NAME, revision_id=back.revision_id))
    assert left.revision_id == second.revision_id
    assert len(call.list_schemas(types.ListSchemasRequest(parent=PARENT)).schemas) == 1
    call.delete_schema(types.DeleteSchemaRequest(name=NAME))
    with pytest.raises(exceptions.NotFound):
        call.get_schema(types.GetSchemaRequest(name=NAME))


@pytest.mark.parametrize(
    ("encoding", "message", "fits"),
    [
        ("JSON", b'{"delay": 3}', True),
        ("JSON", b'{"delay": "3"}', False),
        ("JSON", b'{"delay": 3, "x": 1}', False),
        ("JSON", b"{}", False),
        ("JSON", b"\xff", False),
        ("BINARY", binary({"delay": 3}, DELAY), True),
        ("BINARY", binary({"delay": 3}, DELAY) + b"x", False),
        ("BINARY", b"", False),
    ],
)
def test_messages_are_held_against_an_avro_schema(pubsub, schema, encoding, message, fits):
    request = types.ValidateMessageRequest(parent=PARENT, name=NAME, message=message, encoding=encoding)
    if fits:
        pubsub.schemas.validate_message(request)
    else:
        with pytest.raises(exceptions.InvalidArgument, match="schema validation"):
            pubsub.schemas.validate_message(request)


def test_a_topic_takes_what_fits_a_revision_that_it_allows_and_says_which(pubsub, schema):
    settings = {"schema": NAME, "encoding": "JSON"}
    pubsub.topic(schema_settings=settings)
    pubsub.subscribe()
    pubsub.publish('{"delay": 1}')
    new = pubsub.schemas.commit_schema(types.CommitSchemaRequest(name=NAME, schema=avro(DELAY, CARRIER)))
    pubsub.restart()
    pubsub.publish('{"delay": 2, "carrier": {"string": "UA"}}')
    with pytest.raises(exceptions.InvalidArgument, match="schema validation"):
        pubsub.publish('{"delay": 3}', '{"delay": "late"}')
    received = [one.message for one in pubsub.pull()]
    assert [json.loads(message.data)["delay"] for message in received] == [1, 2]
    assert [message.attributes["googclient_schemarevisionid"] for message in received] == [
        schema.revision_id,
        new.revision_id,
    ]
    only = {**settings, "first_revision_id": schema.revision_id, "last_revision_id": schema.revision_id}
    mask = field_mask_pb2.FieldMask(paths=["schema_settings"])
    pubsub.publisher.update_topic(
        types.UpdateTopicRequest(topic={"name": TOPIC, "schema_settings": only}, update_mask=mask)
    )
    with pytest.raises(exceptions.InvalidArgument):
        pubsub.publish('{"delay": 2, "carrier": {"string": "UA"}}')
    pubsub.schemas.delete_schema(types.DeleteSchemaRequest(name=NAME))
    with pytest.raises(exceptions.FailedPrecondition, match="_deleted-schema_"):
        pubsub.publish('{"delay": 2}')


def test_what_cannot_be_is_refused(pubsub, schema):
    call = pubsub.schemas
    with pytest.raises(exceptions.InvalidArgument, match="Invalid Avro"):
        call.validate_schema(types.ValidateSchemaRequest(parent=PARENT, schema={"type_": "AVRO", "definition": "{"}))
    protocol = {"type_": "PROTOCOL_BUFFER", "definition": 'syntax = "proto3"; message A { int32 x = 1; }'}
    with pytest.raises(exceptions.MethodNotImplemented, match="PROTOCOL_BUFFER"):
        call.validate_schema(types.ValidateSchemaRequest(parent=PARENT, schema=protocol))
    made = call.create_schema(types.CreateSchemaRequest(parent=PARENT, schema_id="proto", schema=protocol))
    for settings, error in (
        ({"schema": made.name, "encoding": "JSON"}, exceptions.MethodNotImplemented),
        ({"schema": NAME}, exceptions.InvalidArgument),
        ({"schema": "projects/p/schemas/none", "encoding": "JSON"}, exceptions.NotFound),
        ({"schema": NAME, "encoding": "JSON", "first_revision_id": "none"}, exceptions.InvalidArgument),
    ):
        with pytest.raises(error):
            pubsub.topic(schema_settings=settings)
    with pytest.raises(exceptions.NotFound):
        pubsub.publish("x")
