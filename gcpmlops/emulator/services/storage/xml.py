"""The XML API as far as clients use it: objects by GET, HEAD, PUT and DELETE, and listings, under either URL style."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote
from xml.etree import ElementTree

from google.api_core import exceptions

from gcpmlops.emulator.kernel.errors import to_json
from gcpmlops.emulator.services.storage import acls, downloads, errors, naming, uploads
from gcpmlops.emulator.services.storage.call import Call, Disconnected, Reply
from gcpmlops.emulator.services.storage.listing import MAX_PAGE, Page, Query
from gcpmlops.emulator.services.storage.preconditions import from_headers, number
from gcpmlops.emulator.services.storage.records import Json, rfc3339
from gcpmlops.emulator.services.storage.routes import decoded
from gcpmlops.emulator.services.storage.threads import in_pool

_HOST = ".storage.googleapis.com"
_CODES = {
    "conditionNotMet": "PreconditionFailed",
    "conflict": "BucketAlreadyOwnedByYou",
    "forbidden": "AccessDenied",
    "invalid": "InvalidArgument",
    "notImplemented": "NotImplemented",
    "required": "MissingParameter",
    "requestedRangeNotSatisfiable": "InvalidRange",
    "uploadTooLarge": "EntityTooLarge",
}
# Sub-resources that would change what a request means.
_SUBRESOURCES = frozenset(
    [
        "acl",
        "billing",
        "compose",
        "cors",
        "encryption",
        "lifecycle",
        "location",
        "logging",
        "policy",
        "requestPayment",
        "restore",
        "retention",
        "storageClass",
        "tagging",
        "uploads",
        "uploadId",
        "partNumber",
        "versioning",
        "website",
    ]
)


async def answer(call: Call, path: str) -> Reply:
    """The reply to a request that is not the JSON API's, errors as XML."""
    try:
        return await _dispatch(call, path)
    except Disconnected:
        raise
    except exceptions.NotModified:
        return Reply(304)
    except Exception as error:  # noqa: BLE001 - every error becomes a reply
        return _error_reply(error)


def target(call: Call, path: str) -> tuple[str, str]:
    """Bucket and object ('' for the bucket itself) of a path-style or virtual-host request."""
    root = call.scope.get("root_path", "")
    host = root.strip("/") if root.endswith(_HOST) else call.headers.get("host", "").partition(":")[0]
    if host.endswith(_HOST):
        return host.removesuffix(_HOST), decoded(path[1:])
    bucket, _, name = path[1:].partition("/")
    return decoded(bucket), decoded(name)


async def _dispatch(call: Call, path: str) -> Reply:
    bucket, name = target(call, path)
    if named := _SUBRESOURCES & set(call.params):
        raise errors.not_built(f"XML API {call.method} ?{sorted(named)[0]}")
    kind = "object" if name else "bucket" if bucket else "service"
    handler = _HANDLERS.get((call.method, kind))
    if handler is None:
        raise errors.not_built(f"XML API {call.method} {kind.capitalize()}")
    if call.guard is not None:
        call.guard.before_xml(call.method, kind, bucket, name, call)
    return await handler(call, bucket, name)


async def _get_object(call: Call, bucket: str, name: str) -> Reply:
    reply = await downloads.media(call, bucket, name, from_headers(call.headers))
    record = call.engine.objects.get(bucket, name, call.generation)
    for key, value in record.fields.get("metadata", {}).items():
        reply.headers[f"x-goog-meta-{key}"] = value
    for parameter in ("content-type", "content-disposition", "cache-control"):
        if value := call.params.get(f"response-{parameter}"):
            reply.headers[parameter] = value
    reply.headers["etag"] = f'"{record.etag}"'
    return reply


async def _put_object(call: Call, bucket: str, name: str) -> Reply:
    naming.check_object(name)
    if copied := call.headers.get("x-goog-copy-source") or call.headers.get("x-amz-copy-source"):
        raise errors.not_built(f"XML API PUT Object with a copy source ({copied})")
    content = await uploads.receive(call, call.chunks())
    headers = call.headers

    def put() -> Reply:
        objects = call.engine.objects
        try:
            content.verify(uploads.checksums({}, headers))
            acl = _acl(call, bucket)
        except BaseException:
            objects.discard(content)
            raise
        record = objects.put(bucket, name, content, _fields(headers), from_headers(headers), acl=acl)
        kept = downloads.content_headers(record)
        shown = {key: value for key, value in kept.items() if key.startswith("x-goog-")}
        return Reply(200, {**shown, "etag": f'"{record.etag}"', "content-type": "text/html; charset=UTF-8"})

    return await in_pool(put)


async def _delete_object(call: Call, bucket: str, name: str) -> Reply:
    await in_pool(call.engine.objects.delete, bucket, name, call.generation, from_headers(call.headers))
    return Reply(204)


async def _get_bucket(call: Call, bucket: str, _: str) -> Reply:
    second = call.params.get("list-type") == "2"
    token = call.params.get("continuation-token" if second else "marker", "")
    start = call.params.get("start-after", "") if second else token
    limit = number(call.params, "max-keys")
    query = Query(
        bucket=bucket,
        prefix=call.params.get("prefix", ""),
        delimiter=call.params.get("delimiter", ""),
        start_offset=f"{start}\0" if start else "",  # behind that name
        versions="versions" in call.params,
        limit=min(MAX_PAGE if limit is None else limit, MAX_PAGE) or MAX_PAGE,
    )
    page = await in_pool(call.engine.page, query, token if second and token else None)
    return _xml(200, _listing(query, page, second=second))


async def _head_bucket(call: Call, bucket: str, _: str) -> Reply:
    await in_pool(call.engine.buckets.get, bucket)
    return Reply(200, {"content-type": "application/xml; charset=UTF-8"})


async def _put_bucket(call: Call, bucket: str, _: str) -> Reply:
    body = await call.read()
    resource: Json = {"name": bucket}
    if (match := re.search(rb"<LocationConstraint>\s*([^<\s]+)\s*</LocationConstraint>", body)) is not None:
        resource["location"] = match.group(1).decode("latin-1")
    project = call.headers.get("x-goog-project-id") or call.project
    await in_pool(call.engine.buckets.insert, project, resource)
    return Reply(200)


async def _delete_bucket(call: Call, bucket: str, _: str) -> Reply:
    await in_pool(call.engine.buckets.delete, bucket)
    return Reply(204)


async def _list_buckets(call: Call, _: str, __: str) -> Reply:
    project = call.headers.get("x-goog-project-id") or call.project
    found = await in_pool(call.engine.buckets.list, project, "", "", MAX_PAGE)
    root = ElementTree.Element("ListAllMyBucketsResult")
    buckets = ElementTree.SubElement(root, "Buckets")
    for bucket in found:
        values = {"Name": bucket.name, "CreationDate": rfc3339(bucket.created)}
        _children(ElementTree.SubElement(buckets, "Bucket"), values)
    return _xml(200, root)


_HANDLERS: dict[tuple[str, str], Callable[[Call, str, str], Awaitable[Reply]]] = {
    ("GET", "object"): _get_object,
    ("HEAD", "object"): _get_object,
    ("PUT", "object"): _put_object,
    ("DELETE", "object"): _delete_object,
    ("GET", "bucket"): _get_bucket,
    ("HEAD", "bucket"): _head_bucket,
    ("PUT", "bucket"): _put_bucket,
    ("DELETE", "bucket"): _delete_bucket,
    ("GET", "service"): _list_buckets,
}


def _fields(headers: dict[str, str]) -> Json:
    fields: Json = {"contentType": headers.get("content-type", "application/octet-stream")}
    names = {"cache-control": "cacheControl", "content-disposition": "contentDisposition"}
    names |= {"content-encoding": "contentEncoding", "content-language": "contentLanguage"}
    names |= {"x-goog-custom-time": "customTime", "x-goog-storage-class": "storageClass"}
    fields |= {field: headers[name] for name, field in names.items() if name in headers}
    prefix = "x-goog-meta-"
    if metadata := {name.removeprefix(prefix): value for name, value in headers.items() if name.startswith(prefix)}:
        fields["metadata"] = metadata
    return fields


def _acl(call: Call, bucket: str) -> acls.Acl | None:
    name = call.headers.get("x-goog-acl")
    if not name:
        return None
    acls.check_allowed(call.engine.buckets.get(bucket))
    first, *rest = name.split("-")
    return acls.predefined(first + "".join(word.title() for word in rest), call.engine.project_number)


def _listing(query: Query, page: Page, *, second: bool) -> ElementTree.Element:
    root = ElementTree.Element("ListBucketResult", xmlns="http://doc.s3.amazonaws.com/2006-03-01")
    _children(root, {"Name": query.bucket, "Prefix": query.prefix, "MaxKeys": str(query.limit)})
    if query.delimiter:
        _children(root, {"Delimiter": query.delimiter})
    _children(root, {"IsTruncated": "true" if page.token else "false"})
    if page.token:
        last = max([item.name for item in page.items[-1:]] + [prefix + "\U0010ffff" for prefix in page.prefixes[-1:]])
        _children(root, {"NextContinuationToken": page.token} if second else {"NextMarker": last})
    if second:
        _children(root, {"KeyCount": str(len(page.items) + len(page.prefixes))})
    for item in page.items:
        values = {"Key": item.name, "Generation": str(item.generation), "MetaGeneration": str(item.metageneration)}
        values |= {"LastModified": rfc3339(item.updated), "ETag": f'"{item.etag}"', "Size": str(item.size)}
        _children(ElementTree.SubElement(root, "Contents"), values)
    for prefix in page.prefixes:
        _children(ElementTree.SubElement(root, "CommonPrefixes"), {"Prefix": prefix})
    return root


def _children(parent: ElementTree.Element, values: dict[str, str]) -> None:
    for tag, text in values.items():
        ElementTree.SubElement(parent, tag).text = text


def _xml(status: int, root: ElementTree.Element) -> Reply:
    body = b"<?xml version='1.0' encoding='UTF-8'?>" + ElementTree.tostring(root, encoding="unicode").encode()
    return Reply(status, {"content-type": "application/xml; charset=UTF-8"}, body)


def _error_reply(error: Exception) -> Reply:
    status, body = to_json(error)
    reason, message = body["error"]["errors"][0]["reason"], body["error"]["message"]
    if reason == "notFound":
        code = "NoSuchBucket" if message.startswith("The specified bucket") else "NoSuchKey"
    elif "not empty" in message:
        code = "BucketNotEmpty"
    else:
        code = _CODES.get(reason, "InternalError")
    root = ElementTree.Element("Error")
    _children(root, {"Code": code, "Message": message, "Details": quote(message, safe=" :/'.,")})
    return _xml(status, root)
