"""storage.objects.insert: simple, multipart and resumable uploads, streamed to the store while they are hashed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable

from google.api_core import exceptions

from gcpmlops.emulator.services.storage import acls, errors, object_calls
from gcpmlops.emulator.services.storage.call import Call, Disconnected, Reply, parse_json
from gcpmlops.emulator.services.storage.contents import CHUNK, INLINE_LIMIT, Checksums, Content, ContentWriter
from gcpmlops.emulator.services.storage.multipart import RelatedParser
from gcpmlops.emulator.services.storage.objects import own_fields
from gcpmlops.emulator.services.storage.records import Json, ObjectRecord
from gcpmlops.emulator.services.storage.sessions import QUANTUM, Receiver, Session
from gcpmlops.emulator.services.storage.threads import in_pool

_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_SMALL = 128 * 1024  # bytes; up to here a body is read whole and stored in one step


async def insert(call: Call) -> Reply:
    """storage.objects.insert, by ``uploadType``."""
    kind = call.params.get("uploadType") or call.headers.get("x-goog-upload-protocol")
    if kind == "media":
        return await _simple(call)
    if kind == "multipart":
        return await _multipart(call)
    if kind == "resumable":
        return await (resume(call) if "upload_id" in call.params else _start(call))
    raise errors.invalid(f"Invalid upload type: '{kind}'." if kind else "Required parameter: uploadType")


async def resume(call: Call) -> Reply:
    """PUT (or POST) to a session: a chunk, or a question how much is there."""
    session = await in_pool(call.engine.sessions.get, call.params["upload_id"])
    if session.generation is not None:
        await call.read()
        return await _finished(call, session)
    receiver = await in_pool(call.engine.sessions.receiver, session)
    if receiver.busy:
        raise errors.error(exceptions.ServiceUnavailable, "backendError", "Another request is feeding this upload.")
    receiver.busy = True
    try:
        return await _feed(call, session, receiver)
    finally:
        receiver.busy = False


async def cancel(call: Call) -> Reply:
    """DELETE on a session: 499, as the service answers."""
    if "upload_id" not in call.params:
        raise errors.required("upload_id")
    session = await in_pool(call.engine.sessions.get, call.params["upload_id"])
    await in_pool(call.engine.sessions.cancel, session)
    return Reply(499)


async def ingest(chunks: AsyncIterator[bytes], write: Callable[[bytes], None]) -> None:
    """Writes a stream in pieces of about 1 MiB; one is hashed and written while the next arrives.

    Raises Disconnected when the stream breaks off, after what arrived is written.
    """
    pieces: list[bytes] = []
    size = 0
    broken: Disconnected | None = None
    running: asyncio.Future[None] | None = None
    try:
        async for data in chunks:
            pieces.append(data)
            size += len(data)
            if size >= CHUNK:
                if running is not None:
                    await running
                running = asyncio.ensure_future(in_pool(write, b"".join(pieces)))
                pieces, size = [], 0
    except Disconnected as error:
        broken = error
    finally:
        if running is not None:
            await running
    if pieces:
        await in_pool(write, b"".join(pieces))
    if broken is not None:
        raise broken


async def receive(call: Call, chunks: AsyncIterator[bytes]) -> Content:
    """A streamed body as a content; nothing is left of it on an error."""
    with ContentWriter(call.engine.blobs) as writer:
        await ingest(chunks, writer.write)
        return await in_pool(writer.finish)


def checksums(resource: Json, headers: dict[str, str]) -> Checksums:
    """What the client says about its content: in the resource, or in ``x-goog-hash`` and ``content-md5``."""
    named = dict(part.strip().partition("=")[::2] for part in headers.get("x-goog-hash", "").split(",") if "=" in part)
    md5 = resource.get("md5Hash") or named.get("md5") or headers.get("content-md5")
    return Checksums(md5, resource.get("crc32c") or named.get("crc32c"))


async def _simple(call: Call) -> Reply:
    resource = {"contentType": call.headers.get("content-type", "application/octet-stream")}
    if "contentEncoding" in call.params:
        resource["contentEncoding"] = call.params["contentEncoding"]
    if _is_small(call):
        return await _store_small(call, resource, [await call.read()])
    content = await receive(call, call.chunks())
    return await in_pool(_store, call, resource, content)


async def _multipart(call: Call) -> Reply:
    parser = RelatedParser(call.headers.get("content-type", ""))
    if _is_small(call):
        data = await call.read()
        pieces = [parser.feed(data), parser.finish()]
        return await _store_small(call, _resource(parser), pieces)
    content = await receive(call, _related(call, parser))
    return await in_pool(_store, call, _resource(parser), content)


def _is_small(call: Call) -> bool:
    return call.length is not None and call.length <= min(_SMALL, call.limit)


async def _store_small(call: Call, resource: Json, pieces: list[bytes]) -> Reply:
    with ContentWriter(call.engine.blobs) as writer:
        if sum(map(len, pieces)) > INLINE_LIMIT:
            return await in_pool(lambda: _store(call, resource, _written(writer, pieces)))
        content = _written(writer, pieces)  # in memory
    content.verify(checksums(resource, call.headers))
    name, acl = _name(call, resource), _acl(call, resource)
    put = call.engine.objects.put_inline
    return _created(call, await put(call.path["bucket"], name, content, own_fields(resource), call.conditions, acl=acl))


def _written(writer: ContentWriter, pieces: list[bytes]) -> Content:
    for piece in pieces:
        writer.write(piece)
    return writer.finish()


async def _related(call: Call, parser: RelatedParser) -> AsyncIterator[bytes]:
    async for data in call.chunks():
        if piece := parser.feed(data):
            yield piece
    if rest := parser.finish():
        yield rest


def _resource(parser: RelatedParser) -> Json:
    resource = parser.resource
    if not resource.get("contentType"):
        resource["contentType"] = parser.content_type or "application/octet-stream"
    return resource


def _store(call: Call, resource: Json, content: Content) -> Reply:
    """Checks a received content and makes it an object."""
    objects = call.engine.objects
    try:
        content.verify(checksums(resource, call.headers))
        name = _name(call, resource)
        acl = _acl(call, resource)
    except BaseException:
        objects.discard(content)
        raise
    record = objects.put(call.path["bucket"], name, content, own_fields(resource), call.conditions, acl=acl)
    return _created(call, record)


def _name(call: Call, resource: Json) -> str:
    """Of the object, for who may make it. Raises: BadRequest, PermissionDenied."""
    name = call.params.get("name") or resource.get("name")
    if not name:
        raise errors.required("name")
    if call.path["bucket"] != resource.get("bucket", call.path["bucket"]):
        raise errors.invalid("The bucket in the request body does not match the one in the URL.")
    if call.guard is not None:
        call.guard.before("storage.objects.insert", {**call.path, "object": str(name)}, call)
    return str(name)


def _acl(call: Call, resource: Json) -> acls.Acl | None:
    return object_calls.destination_acl(call, resource, "predefinedAcl")


def _created(call: Call, record: ObjectRecord) -> Reply:
    reply = object_calls.reply(call, record)
    reply.headers["x-goog-hash"] = f"crc32c={record.crc32c}" + (f",md5={record.md5}" if record.md5 else "")
    return reply


async def _start(call: Call) -> Reply:
    resource = parse_json(await call.read())
    declared = call.headers.get("x-upload-content-length", "")
    if declared.isdigit() and int(declared) > call.limit:
        raise errors.too_large(call.limit)
    resource.setdefault("contentType", call.headers.get("x-upload-content-type", "application/octet-stream"))

    def start() -> str:
        name, acl = _name(call, resource), _acl(call, resource)
        said = checksums(resource, call.headers)
        return call.engine.sessions.start(call.path["bucket"], name, own_fields(resource), call.conditions, said, acl)

    upload_id = await in_pool(start)
    path = f"{call.base}/upload/storage/v1/b/{call.path['bucket']}/o"
    kept = "".join(f"&{key}={call.params[key]}" for key in ("projection", "fields") if key in call.params)
    location = f"{path}?uploadType=resumable{kept}&upload_id={upload_id}"
    return Reply(200, {"location": location, "x-guploader-uploadid": upload_id})


async def _finished(call: Call, session: Session) -> Reply:
    """The answer to a question about an upload that is complete."""
    record = await in_pool(call.engine.objects.get, session.bucket, session.name, session.generation)
    return _created(call, record)


async def _feed(call: Call, session: Session, receiver: Receiver) -> Reply:
    first, last, total = content_range(call)
    if first is None:
        await call.read()
    else:
        await _take(call, receiver, first)
        if last is not None and receiver.size != last + 1:
            await in_pool(receiver.keep)
            raise errors.invalid("The request's body is not as long as its Content-Range says.")
        if total is None and last is None:
            total = receiver.size  # a whole body, without a Content-Range
    if total is not None and receiver.size == total:
        said = checksums({}, call.headers)  # the last request may bring them too
        record = await in_pool(call.engine.sessions.finish, session, receiver, said)
        return _created(call, record)
    return incomplete(await in_pool(receiver.keep))


async def _take(call: Call, receiver: Receiver, first: int) -> None:
    before = receiver.size
    if first > before:
        raise errors.invalid(
            f"Invalid request. According to the Content-Range header, the upload offset is {first} byte(s), "
            f"which exceeds already uploaded size of {before} byte(s)."
        )
    try:
        await ingest(_skip(call.chunks(), before - first), receiver.write)
    except Disconnected:
        await in_pool(receiver.keep)
        raise
    except exceptions.ClientError:  # over the limit, by our count or the front's
        await in_pool(receiver.rollback, before)
        raise


async def _skip(chunks: AsyncIterator[bytes], count: int) -> AsyncIterator[bytes]:
    """Bytes that were received before are passed over."""
    async for data in chunks:
        if count >= len(data):
            count -= len(data)
            continue
        yield data[count:] if count else data
        count = 0


def content_range(call: Call) -> tuple[int | None, int | None, int | None]:
    """(first, last, total) of Content-Range; ``bytes */N`` has no first, no header at all begins at 0.

    Raises BadRequest for a range that is none, or a chunk of a size that the protocol excludes.
    """
    text = call.headers.get("content-range")
    if text is None:
        return 0, None, None
    match = _RANGE.fullmatch(text.strip())
    if match is None:
        raise errors.invalid(f"Failed to parse Content-Range header '{text}'.")
    first, last, total = (None if part in (None, "*") else int(part) for part in match.groups())
    if first is not None and last is not None:
        if last < first or (total is not None and last >= total):
            raise errors.invalid(f"Failed to parse Content-Range header '{text}'.")
        if last + 1 != total and last + 1 - first < QUANTUM:
            raise errors.invalid(
                "Invalid request.  The number of bytes uploaded is required to be equal or greater than 262144, "
                "except for the final request (it's recommended to be the exact multiple of 262144).  "
                f"The received request contained {last + 1 - first} bytes, which does not meet this requirement."
            )
    return first, last, total


def incomplete(size: int) -> Reply:
    """308 with what is there; no Range when nothing is."""
    return Reply(308, {"range": f"bytes=0-{size - 1}"} if size else {})
