"""Topics with a schema: every message fits one of the revisions that the topic allows, and says which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from google.api_core import exceptions
from google.pubsub_v1 import types

from gcpmlops.emulator.services.pubsub import avro

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gcpmlops.emulator.kernel.service import ResourceStore

DELETED_SCHEMA = "_deleted-schema_"


class Validation:
    """The schema settings of all topics that have some."""

    def __init__(self, store: ResourceStore) -> None:
        self._schemas = store.collection(types.Schema)
        self._settings: dict[str, Any] = {}

    def topic_changed(self, topic: Any) -> None:
        """A topic was made, changed or read from the store."""
        message = types.Topic.pb(topic)
        if message.HasField("schema_settings"):
            self._settings[topic.name] = message.schema_settings
        else:
            self._settings.pop(topic.name, None)

    def topic_deleted(self, topic: str) -> None:
        self._settings.pop(topic, None)

    def check_settings(self, topic: Any) -> None:
        """Raises: NotFound, InvalidArgument for a schema or revision that isn't there, or no encoding."""
        if not topic.HasField("schema_settings"):
            return
        settings = topic.schema_settings
        if settings.encoding not in (avro.JSON, avro.BINARY):
            raise exceptions.InvalidArgument("schema_settings.encoding: JSON or BINARY is needed.")
        revisions = self._revisions(settings.schema)
        for revision in filter(None, (settings.first_revision_id, settings.last_revision_id)):
            if revision not in [schema.revision_id for schema in revisions]:
                raise exceptions.InvalidArgument(f"schema_settings: {settings.schema} has no revision {revision}.")
        _check_kind(revisions[0])

    def check(self, topic: str, messages: Any) -> None:
        """Writes into the messages which revision they fit.

        Raises: InvalidArgument for one that fits none; FailedPrecondition where the schema was deleted.
        """
        settings = self._settings.get(topic)
        if settings is None:
            return
        allowed = self._allowed(settings)
        for message in messages:
            fits = _first_that_fits(allowed, message.data, settings.encoding)
            message.attributes["googclient_schemaencoding"] = types.Encoding(settings.encoding).name
            message.attributes["googclient_schemaname"] = settings.schema
            message.attributes["googclient_schemarevisionid"] = fits.revision_id

    def schema_deleted(self, name: str) -> list[str]:
        """The topics that had it: they refuse every message until they have another."""
        return [topic for topic, settings in self._settings.items() if settings.schema == name]

    def _allowed(self, settings: Any) -> list[Any]:
        """The newest one first."""
        revisions = [] if settings.schema == DELETED_SCHEMA else self._schemas.list(settings.schema)
        if not revisions:
            raise exceptions.FailedPrecondition(f"The topic's schema {settings.schema} does not exist (any more).")
        ids = [schema.revision_id for schema in revisions]
        first = ids.index(settings.first_revision_id) if settings.first_revision_id in ids else 0
        last = ids.index(settings.last_revision_id) if settings.last_revision_id in ids else len(ids) - 1
        return list(reversed(revisions[first : last + 1]))

    def _revisions(self, name: str) -> list[Any]:
        revisions: list[Any] = self._schemas.list(name)
        if not revisions:
            raise exceptions.NotFound(f"Resource not found (resource={name}): a topic's schema must exist.")
        return revisions


def check_message(schema: types.Schema, data: bytes, encoding: int) -> None:
    """Raises: InvalidArgument; MethodNotImplemented for protocol buffers."""
    _check_kind(schema)
    avro.check(schema.definition, data, encoding)


def check_definition(schema: types.Schema) -> None:
    """Raises: InvalidArgument. A protocol buffer's definition is taken as it is."""
    if schema.type_ == types.Schema.Type.AVRO:
        avro.parsed(schema.definition)


def _check_kind(schema: types.Schema) -> None:
    if schema.type_ != types.Schema.Type.AVRO:
        raise exceptions.MethodNotImplemented(
            "Validation of messages by a PROTOCOL_BUFFER schema is not built in this emulator: use AVRO."
        )


def _first_that_fits(allowed: Sequence[Any], data: bytes, encoding: int) -> Any:
    problem: exceptions.InvalidArgument | None = None
    for schema in allowed:
        try:
            check_message(schema, data, encoding)
        except exceptions.InvalidArgument as error:
            problem = problem or error
        else:
            return schema
    raise problem or exceptions.FailedPrecondition("No revision of the topic's schema is allowed.")
