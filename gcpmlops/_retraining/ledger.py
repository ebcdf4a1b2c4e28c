"""What is kept of a retraining, as objects in the staging bucket: whoever runs a step finds all of it there."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from time import time_ns
from typing import Any

from gcpmlops import _google
from gcpmlops._retraining.recipe import Recipe
from gcpmlops._retraining.timeline import Event, Timeline
from gcpmlops.clients import Clients
from gcpmlops.exceptions import FailedPrecondition, NotFound
from gcpmlops.storage import Storage

LOG = "gcpmlops-retraining"
_log = logging.getLogger("gcpmlops.retraining")
_JSON = "application/json"
_TRIES = 10


class Ledger:
    """The folder of one retraining.

    Args:
        folder: gs://..., without a slash at its end.
        name: the retraining's.
    """

    def __init__(self, clients: Clients, storage: Storage, folder: str, name: str) -> None:
        self._clients = clients
        self._storage = storage
        self.folder = folder
        self.name = name

    def now(self) -> datetime:
        """The service's time."""
        return self._clients.now()

    def recipe(self) -> Recipe:
        """As it was set up last. Raises NotFound."""
        try:
            return Recipe.from_json(self._storage.read(f"{self.folder}/recipe.json"))
        except NotFound:
            raise NotFound(
                f"there is no retraining {self.name!r} in {self.folder.rpartition('/')[0]}",
                resource=self.folder,
                next_step="See what there is with `gcpmlops retraining list`; client.retraining.ensure sets one up.",
            ) from None

    def find_recipe(self) -> Recipe | None:
        """None where there is none."""
        try:
            return self.recipe()
        except NotFound:
            return None

    def keep_recipe(self, recipe: Recipe) -> None:
        """From the next run on."""
        self._storage.upload(recipe.to_json(), destination=f"{self.folder}/recipe.json", content_type=_JSON)

    def say(self, kind: str, text: str, *, run: str = "", who: str = "", **facts: Any) -> Event:
        """Adds an event to the timeline and to the log `gcpmlops-retraining`."""
        event = Event(self.now(), kind, text, run, who or self._clients.caller, facts)
        # events of one moment stay in their order: the emulator's clock may stand still
        name = f"{event.at:%Y%m%dT%H%M%S.%f}-{time_ns()}-{secrets.token_hex(3)}"
        self._put(f"timeline/{name}", event.to_dict())
        self._log(event)
        return event

    def timeline(self, *, run: str = "", limit: int | None = None) -> Timeline:
        """The events so far; of one run; the latest ones with a `limit`."""
        uris = self.uris("timeline/")
        events = [Event.from_json(self._storage.read(uri)) for uri in uris[-limit if limit and not run else None :]]
        chosen = [event for event in events if run in ("", event.run)]
        return Timeline(chosen[-limit:] if limit else chosen)

    def get(self, what: str) -> dict[str, Any] | None:
        """A record such as runs/ID; None where there is none."""
        try:
            found: dict[str, Any] = json.loads(self._storage.read(f"{self.folder}/{what}.json"))
        except NotFound:
            return None
        return found

    def put(self, what: str, record: Mapping[str, Any]) -> None:
        """The record, new or changed; who changes a record holds the claim, so nobody else does."""
        self._put(what, record)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """Records of a kind such as runs, the oldest first."""
        return [json.loads(self._storage.read(uri)) for uri in self.uris(f"{kind}/")]

    def uris(self, under: str = "") -> list[str]:
        """Of all objects there, sorted; none where there is not even the bucket."""
        try:
            return [each.uri for each in self._storage.list(f"{self.folder}/{under}")]
        except NotFound:
            return []

    def change(self, what: str, new: Callable[[dict[str, Any] | None], Mapping[str, Any]]) -> dict[str, Any]:
        """Replaces a record by what `new` makes of it, also where others do the same at the same time.

        Raises what `new` raises; FailedPrecondition where others are always faster.
        """
        uri = f"{self.folder}/{what}.json"
        for _ in range(_TRIES):
            generation, old = self._read(uri)
            record = dict(new(old))
            try:
                content = json.dumps(record, default=str).encode()
                self._storage.upload(content, destination=uri, content_type=_JSON, if_generation_match=generation)
            except FailedPrecondition:
                continue
            return record
        raise FailedPrecondition(f"{uri} changes all the time", resource=uri, next_step="Try it again.")

    def take(self, what: str) -> bool:
        """Removes a record; whether this call did it, and none of others at the same time."""
        try:
            self._storage.delete(f"{self.folder}/{what}.json")
        except NotFound:
            return False
        return True

    def remove(self) -> None:
        """All of it."""
        self._storage.delete(f"{self.folder}/", recursive=True)

    def _read(self, uri: str) -> tuple[int, dict[str, Any] | None]:
        try:
            generation = self._storage.get(uri).generation
            return generation, json.loads(self._storage.read(uri))
        except NotFound:
            return 0, None

    def _put(self, what: str, record: Mapping[str, Any]) -> None:
        content = json.dumps(record, indent=1, default=str).encode()
        self._storage.upload(content, destination=f"{self.folder}/{what}.json", content_type=_JSON)

    def _log(self, event: Event) -> None:
        project = self._clients.config.require("project")
        from google.api_core.exceptions import GoogleAPICallError

        entry = _google.log_entry.LogEntry(
            severity=event.severity,
            json_payload={"message": event.text, **_plain(event)},
            labels={"retraining": self.name, "run": event.run},
        )
        try:
            self._clients.logging.write_log_entries(
                log_name=f"projects/{project}/logs/{LOG}",
                resource={"type": "global", "labels": {"project_id": project}},
                entries=[entry],
                **self._clients.idempotent,
            )
        except GoogleAPICallError as error:  # the timeline has it: a log that is away stops no retraining
            _log.warning("%s is not in the log %s: %s", event.kind, LOG, error)


def _plain(event: Event) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(event.to_dict(), default=str))
    return plain
