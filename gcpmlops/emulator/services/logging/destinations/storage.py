"""A sink's bucket: files of JSON lines, by log and hour, as Cloud Logging names them."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from gcpmlops.emulator.services.logging import log_json

_HOUR = timedelta(hours=1)


class Objects(Protocol):
    """The part of the storage engine that is used."""

    def list(self, bucket: str, prefix: str = "") -> Any: ...
    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None: ...


class BucketDestination:
    """Writes files; each call makes new ones.

    Args:
        objects: Cloud Storage.
        bucket: its name.
        now: the emulator's clock.
    """

    def __init__(self, objects: Objects, bucket: str, now: Callable[[], datetime]) -> None:
        self._objects = objects
        self._bucket = bucket
        self._now = now

    def send(self, entries: Sequence[Any]) -> None:
        """Raises NotFound for a missing bucket."""
        files: dict[tuple[str, datetime, bool], list[Any]] = defaultdict(list)
        for entry in entries:
            hour, received = hour_of(entry.timestamp), hour_of(entry.receive_timestamp)
            files[unquote(entry.log_name.partition("/logs/")[2]), hour, hour != received].append(entry)
        for (log, hour, is_late), lines in files.items():
            self._write(
                f"{log}/{hour:%Y/%m/%d/%H:%M:%S}_{hour + _HOUR - timedelta(seconds=1):%H:%M:%S}", is_late, lines
            )

    def _write(self, stem: str, is_late: bool, entries: Sequence[Any]) -> None:
        """The hour's next shard, or for entries of an hour that was over when they came, an addendum."""
        taken = {item.name for item in self._objects.list(self._bucket, stem)}
        shard = f"A0:{int(self._now().timestamp())}" if is_late else "S0"
        number = 0
        while f"{stem}_{shard}.json" in taken:
            number += 1
            shard = f"A{number}:{int(self._now().timestamp())}" if is_late else f"S{number}"
        with tempfile.NamedTemporaryFile() as file:
            for entry in sorted(entries, key=lambda entry: entry.timestamp.ToNanoseconds()):
                file.write(log_json.dump(entry) + b"\n")
            file.flush()
            self._objects.upload(self._bucket, f"{stem}_{shard}.json", Path(file.name), "application/json")


def hour_of(timestamp: Any) -> datetime:
    """The beginning of its hour, in UTC."""
    moment: datetime = timestamp.ToDatetime(tzinfo=UTC)
    return moment.replace(minute=0, second=0, microsecond=0)
