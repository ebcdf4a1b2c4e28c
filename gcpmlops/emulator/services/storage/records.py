"""Rows of the store as frozen records, and the encodings that the API's resources share."""

from __future__ import annotations

import base64
import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from functools import lru_cache
from typing import Any

Json = dict[str, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

OBJECT_COLUMNS = (
    "generation, bucket, name, live, metageneration, size, md5, crc32c, components, created, updated, deleted, blob, "
    "fields, acl"
)
BUCKET_COLUMNS = "name, project, generation, metageneration, created, updated, config, acl, default_acl, policy"


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """One generation of one object. Times in microseconds since 1970, ``size`` in bytes, checksums in base64."""

    generation: int
    bucket: str
    name: str
    live: int
    metageneration: int
    size: int
    md5: str | None
    crc32c: str
    components: int | None
    created: int
    updated: int
    deleted: int | None
    blob: str | None
    fields: Json
    acl: list[Json] | None

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> ObjectRecord:
        """From a row that begins with ``OBJECT_COLUMNS``."""
        values: tuple[Any, ...] = tuple(row)
        acl = None if values[14] is None else json.loads(values[14])
        return cls(*[*values[:13], json.loads(values[13]), acl])

    @property
    def content_type(self) -> str:
        return str(self.fields.get("contentType") or "application/octet-stream")

    @property
    def etag(self) -> str:
        return etag(self.generation, self.metageneration)


@dataclass(frozen=True, slots=True)
class BucketRecord:
    """One bucket. ``config`` holds the resource's own fields as given, with the defaults filled in."""

    name: str
    project: str
    generation: int
    metageneration: int
    created: int
    updated: int
    config: Json
    acl: list[Json]
    default_acl: list[Json]
    policy: Json | None

    @classmethod
    def from_row(cls, row: sqlite3.Row) -> BucketRecord:
        """From a row of ``BUCKET_COLUMNS``."""
        values: tuple[Any, ...] = tuple(row)
        documents = [None if text is None else json.loads(text) for text in values[6:10]]
        return cls(*values[:6], *documents)

    @property
    def etag(self) -> str:
        return etag(None, self.metageneration)

    @property
    def versioned(self) -> bool:
        return bool(self.config.get("versioning", {}).get("enabled"))

    @property
    def uniform_access(self) -> bool:
        """Whether IAM alone decides, so that ACLs are refused."""
        access = self.config.get("iamConfiguration", {}).get("uniformBucketLevelAccess", {})
        return bool(access.get("enabled"))


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // _MICROSECOND


def rfc3339(time: int) -> str:
    """Microseconds as the API prints times, with milliseconds."""
    seconds, rest = divmod(time, 1_000_000)
    return f"{_second(seconds)}.{rest // 1000:03d}Z"


def http_date(time: int) -> str:
    """Microseconds as an HTTP date."""
    return _http_second(time // 1_000_000)


@lru_cache(maxsize=4096)  # objects are read in bursts, many of them written within one second
def _second(seconds: int) -> str:
    return f"{EPOCH + timedelta(seconds=seconds):%Y-%m-%dT%H:%M:%S}"


@lru_cache(maxsize=4096)
def _http_second(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def etag(generation: int | None, metageneration: int) -> str:
    """The service's etag: a small protobuf message of the two numbers, in base64."""
    numbers = [metageneration] if generation is None else [generation, metageneration]
    packed = b"".join(bytes([(field << 3)]) + _varint(number) for field, number in enumerate(numbers, start=1))
    return base64.b64encode(packed).decode()


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def compact(value: Any) -> str:
    """JSON without spaces, as columns hold it."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def merge(target: Json, patch: Json) -> Json:
    """JSON merge patch (RFC 7396), as PATCH means it: null deletes a key."""
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            base = merged.get(key)
            merged[key] = merge(base if isinstance(base, dict) else {}, value)
        else:
            merged[key] = value
    return merged
