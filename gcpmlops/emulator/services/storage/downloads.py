"""Contents out: alt=media with ranges, stored gzip undone for clients that don't take it."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from google.api_core import exceptions

from gcpmlops.emulator.services.storage import errors, object_calls
from gcpmlops.emulator.services.storage.call import Call, Reply
from gcpmlops.emulator.services.storage.contents import CHUNK
from gcpmlops.emulator.services.storage.preconditions import Preconditions
from gcpmlops.emulator.services.storage.records import ObjectRecord, http_date
from gcpmlops.emulator.services.storage.threads import in_pool

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


async def get(call: Call) -> Reply:
    """storage.objects.get: the content with alt=media or under /download, the resource otherwise."""
    if call.params.get("alt") == "media":
        return await media(call, call.path["bucket"], call.path["object"], call.conditions)
    return object_calls.get(call)  # one look-up by index: quicker here than a change of threads


async def media(call: Call, bucket: str, name: str, conditions: Preconditions) -> Reply:
    """The content of an object. Raises NotFound, NotModified, PreconditionFailed, RequestRangeNotSatisfiable."""
    for _ in range(3):
        record, data = call.engine.objects.get_with_data(bucket, name, call.generation, conditions)
        if data is not None:
            return _inline(call, record, data)
        try:
            file = await in_pool(_open, call.engine.blobs.path(str(record.blob)))
        except FileNotFoundError:  # replaced between the look-up and the opening
            continue
        return await _from_file(call, record, file)
    raise errors.no_object(bucket, name, call.generation)


def content_headers(record: ObjectRecord) -> dict[str, str]:
    """What an object's headers say, whichever API is asked."""
    fields = record.fields
    hashes = f"crc32c={record.crc32c}" + (f",md5={record.md5}" if record.md5 else "")
    headers = {
        "content-type": record.content_type,
        "etag": record.etag,
        "last-modified": http_date(record.updated),
        "accept-ranges": "bytes",
        "cache-control": fields.get("cacheControl") or "no-cache, no-store, max-age=0, must-revalidate",
        "x-goog-generation": str(record.generation),
        "x-goog-metageneration": str(record.metageneration),
        "x-goog-hash": hashes,
        "x-goog-storage-class": fields["storageClass"],
        "x-goog-stored-content-encoding": fields.get("contentEncoding") or "identity",
        "x-goog-stored-content-length": str(record.size),
    }
    for key in ("content-encoding", "content-disposition", "content-language"):
        if value := fields.get(_camel(key)):
            headers[key] = value
    if record.components is not None:
        headers["x-goog-component-count"] = str(record.components)
    return headers


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """[start, end) of a Range header; None where the whole content answers. Raises RequestRangeNotSatisfiable."""
    match = _RANGE.fullmatch(header.replace(" ", "")) if header else None
    if match is None or match.group(0) == "bytes=-":
        return None  # no range, several, or a malformed one
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None
    start = int(first) if first else max(size - int(last), 0)
    end = min(int(last) + 1, size) if first and last else size
    if start >= size or (not first and int(last) == 0):
        raise errors.error(
            exceptions.RequestRangeNotSatisfiable, "requestedRangeNotSatisfiable", "Request range not satisfiable"
        )
    return start, end


def _camel(header: str) -> str:
    head, tail = header.split("-")
    return head + tail.title()


def _decompresses(call: Call, record: ObjectRecord) -> bool:
    fields = record.fields
    return (
        fields.get("contentEncoding") == "gzip"
        and "gzip" not in call.headers.get("accept-encoding", "")
        and "no-transform" not in str(fields.get("cacheControl", ""))
    )


def _inline(call: Call, record: ObjectRecord, data: bytes) -> Reply:
    if _decompresses(call, record):
        return Reply(200, _gunzipped_headers(record), _gunzip_all(data))
    part = byte_range(call.headers.get("range"), record.size)
    if part is None:
        return Reply(200, content_headers(record), data)
    return Reply(206, _range_headers(record, part), data[part[0] : part[1]])


async def _from_file(call: Call, record: ObjectRecord, file: BinaryIO) -> Reply:
    try:
        if _decompresses(call, record):
            return Reply(200, _gunzipped_headers(record), stream=_gunzip(_stream(file, 0, record.size)), file=file)
        part = byte_range(call.headers.get("range"), record.size)
        headers = content_headers(record) if part is None else _range_headers(record, part)
        start, end = part or (0, record.size)
        headers["content-length"] = str(end - start)
        return Reply(200 if part is None else 206, headers, stream=_stream(file, start, end), file=file)
    except BaseException:
        file.close()
        raise


def _range_headers(record: ObjectRecord, part: tuple[int, int]) -> dict[str, str]:
    return {**content_headers(record), "content-range": f"bytes {part[0]}-{part[1] - 1}/{record.size}"}


def _gunzipped_headers(record: ObjectRecord) -> dict[str, str]:
    headers = content_headers(record)
    del headers["content-encoding"], headers["accept-ranges"]
    return {**headers, "warning": "214 UploadServer gunzipped", "vary": "Accept-Encoding"}


def _open(path: Path) -> BinaryIO:
    return path.open("rb", buffering=0)


async def _stream(file: BinaryIO, start: int, end: int) -> AsyncIterator[bytes]:
    """Pieces of a file."""
    if start:
        file.seek(start)
    left = end - start
    while left > 0:
        piece = await in_pool(file.read, min(CHUNK, left))
        if not piece:
            raise OSError("a content file is shorter than its row says")
        left -= len(piece)
        yield piece


def _gunzip_all(data: bytes) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(data)
    except zlib.error:
        return data  # said to be gzip and is not: the service hands it out as it is


async def _gunzip(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    inflate = zlib.decompressobj(31)
    async for piece in pieces:
        while piece:
            yield inflate.decompress(piece, 4 * CHUNK)
            piece = inflate.unconsumed_tail
    yield inflate.flush()
