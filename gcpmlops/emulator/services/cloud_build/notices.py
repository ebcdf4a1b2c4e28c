"""What Cloud Build tells the world: each new status of a build, to the topic cloud-builds where there is one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from google.api_core import exceptions
from google.cloud.devtools.cloudbuild_v1 import types

from gcpmlops.emulator.kernel.service import ResourceStore

log = logging.getLogger(__name__)

TOPIC = "cloud-builds"
_THERE = "SELECT 1 FROM resources WHERE type = 'google.pubsub.v1.Topic' AND name = ?"


class Notices:
    """Publishes builds; `publisher` is Pub/Sub's, made when there is somebody to tell."""

    def __init__(self, store: ResourceStore, publisher: Callable[[], Any]) -> None:
        self._store = store
        self._publisher = publisher

    def __call__(self, build: types.Build) -> None:
        """The build as JSON, its id and status as attributes."""
        topic = f"projects/{build.project_id}/topics/{TOPIC}"
        if not self._store.read(lambda conn: conn.execute(_THERE, (topic,)).fetchone()):
            return
        from google.pubsub_v1 import types as pubsub

        message = pubsub.PubsubMessage(
            data=types.Build.to_json(
                build, use_integers_for_enums=False, including_default_value_fields=False
            ).encode(),
            attributes={"buildId": build.id, "status": build.status.name},
        )
        try:
            self._publisher().publish(pubsub.PublishRequest(topic=topic, messages=[message]))
        except exceptions.GoogleAPICallError as error:
            log.warning("build %s could not be told to %s: %s", build.id, topic, error.message)
