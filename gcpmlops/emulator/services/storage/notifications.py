"""Notifications of buckets: object events as Pub/Sub messages."""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from google.api_core import exceptions

from gcpmlops.emulator.services.storage import errors
from gcpmlops.emulator.services.storage.buckets import Buckets
from gcpmlops.emulator.services.storage.events import ARCHIVE, DELETE, FINALIZE, TYPES, Listeners, ObjectEvent
from gcpmlops.emulator.services.storage.records import Json, compact, rfc3339
from gcpmlops.emulator.state.store import Store

log = logging.getLogger(__name__)

_TOPIC = "//pubsub.googleapis.com/"
_MAX = 100  # of a bucket
_FORMATS = ("JSON_API_V1", "NONE")


class Topics(Protocol):
    """The part of Pub/Sub that is needed."""

    def exists(self, topic: str) -> bool:
        """Whether there is a topic."""
        ...

    def publish(self, topic: str, data: bytes, attributes: dict[str, str]) -> None:
        """Raises: NotFound."""
        ...


@dataclass(frozen=True)
class Notification:
    """One configuration of one bucket."""

    bucket: str
    id: int
    config: Json

    @property
    def topic(self) -> str:
        return str(self.config["topic"]).removeprefix(_TOPIC)

    def wants(self, event: ObjectEvent) -> bool:
        types = self.config.get("event_types")
        return (not types or event.type in types) and event.name.startswith(self.config.get("object_name_prefix", ""))

    def message(self, event: ObjectEvent) -> tuple[bytes, dict[str, str]]:
        """Data and attributes, as the service sends them."""
        attributes = {
            **self.config.get("custom_attributes", {}),
            "notificationConfig": f"projects/_/buckets/{self.bucket}/notificationConfigs/{self.id}",
            "eventType": event.type,
            "payloadFormat": self.config["payload_format"],
            "bucketId": event.bucket,
            "objectId": event.name,
            "objectGeneration": str(event.record.generation),
            "eventTime": rfc3339(event.time),
        }
        if event.type == FINALIZE and event.overwrote is not None:
            attributes["overwroteGeneration"] = str(event.overwrote)
        if event.type in (ARCHIVE, DELETE) and event.overwritten_by is not None:
            attributes["overwrittenByGeneration"] = str(event.overwritten_by)
        bare = self.config["payload_format"] == "NONE"
        return b"" if bare else json.dumps(event.resource, indent=2).encode(), attributes


class Notifications:
    """The configurations of every bucket; listens to object events once there is one.

    Attributes:
        topics: where messages go; set before the first request.
    """

    def __init__(self, store: Store, buckets: Buckets, listeners: Listeners) -> None:
        self._store = store
        self._buckets = buckets
        self._listeners = listeners
        self._lock = threading.Lock()
        self._by_bucket: dict[str, list[Notification]] = {}
        self.topics: Callable[[], Topics] | None = None
        for row in store.read(lambda conn: conn.execute("SELECT * FROM storage_notification").fetchall()):
            self._add(Notification(row["bucket"], row["id"], json.loads(row["config"])))

    def list(self, bucket: str) -> list[Notification]:
        """Raises NotFound for a missing bucket."""
        self._buckets.get(bucket)
        return list(self._by_bucket.get(bucket, []))

    def get(self, bucket: str, number: str) -> Notification:
        """Raises NotFound."""
        found = next((one for one in self.list(bucket) if str(one.id) == number), None)
        if found is None:
            raise errors.error(exceptions.NotFound, "notFound", f"Notification {number} of {bucket} does not exist.")
        return found

    def insert(self, bucket: str, resource: Json) -> Notification:
        """Raises NotFound for a missing bucket, BadRequest for what can't be."""
        config = _checked(resource)
        topic = str(config["topic"]).removeprefix(_TOPIC)
        if self.topics is None or not self.topics().exists(topic):
            raise errors.invalid(f"Cloud Pub/Sub topic {topic} does not exist: create it first.")

        def run(conn: sqlite3.Connection) -> Notification:
            self._buckets.require(conn, bucket)
            sql = "SELECT COUNT(*), COALESCE(MAX(id), 0) FROM storage_notification WHERE bucket = ?"
            count, last = conn.execute(sql, (bucket,)).fetchone()
            if count >= _MAX:
                raise errors.invalid(f"A bucket has {_MAX} notification configurations at most.")
            made = Notification(bucket, last + 1, config)
            conn.execute("INSERT INTO storage_notification VALUES (?, ?, ?)", (bucket, made.id, compact(config)))
            return made

        made = self._store.write(run)
        self._add(made)
        return made

    def delete(self, bucket: str, number: str) -> None:
        """Raises NotFound."""
        found = self.get(bucket, number)
        sql = "DELETE FROM storage_notification WHERE bucket = ? AND id = ?"
        self._store.write(lambda conn: conn.execute(sql, (bucket, found.id)))
        with self._lock:
            self._by_bucket[bucket] = [one for one in self._by_bucket[bucket] if one.id != found.id]

    def forget(self, bucket: str) -> None:
        """The bucket is gone."""
        with self._lock:
            self._by_bucket.pop(bucket, None)

    def _add(self, made: Notification) -> None:
        with self._lock:
            if not self._by_bucket:
                self._listeners.append(self._tell)
            self._by_bucket[made.bucket] = [*self._by_bucket.get(made.bucket, []), made]

    def _tell(self, event: ObjectEvent) -> None:
        for notification in self._by_bucket.get(event.bucket, ()):
            if self.topics is not None and notification.wants(event):
                data, attributes = notification.message(event)
                try:
                    self.topics().publish(notification.topic, data, attributes)
                except exceptions.GoogleAPICallError as error:
                    log.warning("%s: no notification of %s: %s", event.bucket, event.name, error.message)


def _checked(resource: Json) -> Json:
    """What is stored of a request."""
    topic = str(resource.get("topic", "")).removeprefix(_TOPIC)
    if not topic.startswith("projects/") or topic.split("/")[2:3] != ["topics"] or topic.count("/") != 3:
        raise errors.invalid(f"Invalid topic '{topic}': expected {_TOPIC}projects/PROJECT/topics/TOPIC.")
    if resource.get("payload_format", "JSON_API_V1") not in _FORMATS:
        raise errors.invalid(f"Invalid payload_format '{resource['payload_format']}': JSON_API_V1 or NONE.")
    unknown = set(resource.get("event_types") or ()) - set(TYPES)
    if unknown:
        raise errors.invalid(f"Invalid event_types {sorted(unknown)}: expected some of {', '.join(TYPES)}.")
    kept = ("topic", "event_types", "custom_attributes", "object_name_prefix", "payload_format")
    config = {key: resource[key] for key in kept if resource.get(key)} | {"topic": f"{_TOPIC}{topic}"}
    config.setdefault("payload_format", "JSON_API_V1")
    return config
