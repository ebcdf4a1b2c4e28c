"""The log of a build as it grows: from Cloud Logging, or from the bucket where it is kept there alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gcpmlops._jobs.logs import LogLine as LogLine
from gcpmlops._log_entries import EntryReader, text_of
from gcpmlops.exceptions import NotFound, translated

if TYPE_CHECKING:
    from gcpmlops._builds.build import Build
    from gcpmlops.clients import Clients

_STEP = re.compile(r'(Step #\d+)(?: - ".*?")?: ?')


class BuildLogs:
    """Remembers what it has read, so that each line comes once. `task` of a line is `Step #N`, as the log has it."""

    def __init__(self, clients: Clients, build: Build) -> None:
        self._clients = clients
        self._object = _object(build.proto)
        filter_ = f'resource.type="build" AND resource.labels.build_id="{build.id}"'
        self._entries = EntryReader(clients, filter_, what=f"log of build {build.id}")
        self._read = 0  # characters of the object

    def new_lines(self) -> Iterator[LogLine]:
        """Lines that were not yet read, oldest first; of an object whole ones only."""
        if self._object:
            yield from self._of_object()
            return
        for entry in self._entries.new():
            yield _line(text_of(entry), time=entry.timestamp.ToDatetime())

    def _of_object(self) -> Iterator[LogLine]:
        # the service's own buckets have names that nobody else's may have
        bucket, _, name = self._object.partition("/")
        blob = self._clients.storage.bucket(bucket).blob(name)
        try:
            with translated(f"log gs://{self._object}"):
                text = blob.download_as_bytes(**self._clients.idempotent).decode("utf-8", "replace")
        except NotFound:  # nothing is printed yet
            return
        whole = text[self._read : text.rfind("\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            yield _line(line)


def _object(proto: Any) -> str:
    """Its BUCKET/NAME where Cloud Logging has nothing; empty otherwise."""
    if proto.options.logging.name != "GCS_ONLY" or not proto.logs_bucket:
        return ""
    return f"{proto.logs_bucket.removeprefix('gs://').rstrip('/')}/log-{proto.id}.txt"


def _line(text: str, *, time: Any = None) -> LogLine:
    found = _STEP.match(text)
    return LogLine(time=time, severity="INFO", text=text, task=found[1] if found else "")
