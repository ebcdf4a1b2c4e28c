"""LOCATION-docker.pkg.dev/v2/PROJECT/REPOSITORY/IMAGE: the OCI distribution API."""

from __future__ import annotations

import re
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from gcpmlops.emulator.kernel.http import read_body
from gcpmlops.emulator.services.artifact_registry import names
from gcpmlops.emulator.services.artifact_registry.exchange import Exchange
from gcpmlops.emulator.services.artifact_registry.oci.errors import OciError, unknown_blob
from gcpmlops.emulator.services.artifact_registry.oci.images import Images
from gcpmlops.emulator.services.artifact_registry.oci.manifests import DIGEST, INDEX, MAX_SIZE, TAG
from gcpmlops.emulator.services.artifact_registry.received import Received
from gcpmlops.emulator.services.artifact_registry.registry import Registry
from gcpmlops.emulator.services.artifact_registry.uploads import Uploads, received_range

_IMAGE = r"[a-z0-9]+(?:[._-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*"
_PATHS = tuple(
    (kind, re.compile(rf"(?P<image>{_IMAGE})/{rest}"))
    for kind, rest in (
        ("uploads", r"blobs/uploads/?(?P<reference>[^/]*)"),
        ("blobs", r"blobs/(?P<reference>[^/]+)"),
        ("manifests", r"manifests/(?P<reference>[^/]+)"),
        ("tags", r"tags/list(?P<reference>)"),
        ("referrers", r"referrers/(?P<reference>[^/]+)"),
    )
)


class Distribution:
    """Blobs, manifests, tags and referrers of images."""

    def __init__(self, registry: Registry, images: Images) -> None:
        self._registry = registry
        self._images = images
        self._uploads = Uploads(registry.blobs)

    async def answer(self, exchange: Exchange) -> Response:
        """Raises: OciError, ``google.api_core`` exceptions."""
        kind, image, reference = _located(exchange.path)
        self._registry.repository(exchange.repository, "DOCKER")
        package = f"{exchange.repository}/packages/{names.escape(image)}"
        if kind == "uploads":
            return await self._upload(exchange, package, reference)
        if kind == "manifests" and exchange.request.method == "PUT":
            return await self._put_manifest(exchange, package, reference)
        answers = {
            ("blobs", True): self._blob,
            ("manifests", True): self._manifest,
            ("tags", True): self._tags,
            ("referrers", True): self._referrers,
        }
        if exchange.request.method == "DELETE" and kind == "manifests":
            return await run_in_threadpool(self._delete, package, reference)
        answer = answers.get((kind, exchange.is_reading))
        if answer is None:
            raise OciError(405, "UNSUPPORTED", f"{exchange.request.method} is not supported for {kind}.")
        return await run_in_threadpool(answer, exchange, package, reference)

    def _blob(self, exchange: Exchange, package: str, digest: str) -> Response:
        content = self._images.blob(exchange.repository, digest) if DIGEST.fullmatch(digest) else None
        if content is None:
            raise unknown_blob(digest)
        headers = {"docker-content-digest": digest, "etag": f'"{digest}"'}
        return FileResponse(content.path, media_type="application/octet-stream", headers=headers)

    def _manifest(self, exchange: Exchange, package: str, reference: str) -> Response:
        version = self._images.version(package, reference)
        content, digest = self._images.manifest(version), names.plain(version)
        headers = {"docker-content-digest": digest, "etag": f'"{digest}"'}
        return Response(content.path.read_bytes(), media_type=content.details["mediaType"], headers=headers)

    async def _put_manifest(self, exchange: Exchange, package: str, reference: str) -> Response:
        if not TAG.fullmatch(reference) and not DIGEST.fullmatch(reference):
            raise OciError(400, "TAG_INVALID", f"{reference!r} is neither a tag nor a digest.")
        if int(exchange.request.headers.get("content-length", "0")) > MAX_SIZE:
            raise OciError(413, "SIZE_INVALID", f"A manifest has at most {MAX_SIZE} bytes.")
        data = await read_body(exchange.request.receive)
        content_type = exchange.request.headers.get("content-type", "")
        manifest = await run_in_threadpool(self._images.put, package, reference, data, content_type)
        subject = {"oci-subject": manifest.subject} if manifest.subject else {}
        return _made(exchange, f"manifests/{manifest.digest}", manifest.digest, **subject)

    def _tags(self, exchange: Exchange, package: str, _: str) -> Response:
        if self._registry.packages.find(package) is None:
            raise OciError(404, "NAME_UNKNOWN", f"Image {names.plain(package)} is not found.")
        query = exchange.request.query_params
        found = sorted(names.plain(tag.name) for tag in self._registry.tags.list(package))
        waiting = [tag for tag in found if tag > query.get("last", "")]
        count = int(query["n"]) if query.get("n", "").isdigit() else len(waiting)
        headers = {}
        if len(waiting) > count > 0:
            following = f"{_url(exchange, 'tags/list')}?n={count}&last={waiting[count - 1]}"
            headers["link"] = f'<{following}>; rel="next"'
        return JSONResponse({"name": _name(exchange), "tags": waiting[:count]}, headers=headers)

    def _referrers(self, exchange: Exchange, package: str, digest: str) -> Response:
        if not DIGEST.fullmatch(digest):
            raise OciError(400, "DIGEST_INVALID", f"{digest!r} is not a digest.")
        found = self._images.referrers(package, digest)
        wanted = exchange.request.query_params.get("artifactType")
        shown = [each for each in found if wanted in (None, each["artifactType"])]
        headers = {"oci-filters-applied": "artifactType"} if wanted else {}
        content = {"schemaVersion": 2, "mediaType": INDEX, "manifests": shown}
        return JSONResponse(content, media_type=INDEX, headers=headers)

    def _delete(self, package: str, reference: str) -> Response:
        version = self._images.version(package, reference)
        if not DIGEST.fullmatch(reference):
            self._images.check_movable(f"{package}/tags/{reference}", "")
            self._registry.tags.delete(f"{package}/tags/{reference}")
            return Response(status_code=202)
        tags = [names.plain(tag.name) for tag in self._registry.tags_of(version)]
        if tags:
            raise OciError(400, "GOOGLE_MANIFEST_DANGLING_TAG", f"Manifest is still referenced by tag: {tags[0]}")
        self._images.remove(version)
        return Response(status_code=202)

    async def _upload(self, exchange: Exchange, package: str, session: str) -> Response:
        method, query = exchange.request.method, exchange.request.query_params
        if method == "POST" and not session:
            return await self._begin(exchange, package, query)
        if method == "PATCH":
            span = exchange.request.headers.get("content-range", "")
            size = await self._uploads.append(package, session, exchange.request.stream(), span)
            return _going_on(exchange, session, size, 202)
        if method == "PUT":
            return await self._finish(exchange, package, session, query.get("digest", ""))
        if method == "GET":
            return _going_on(exchange, session, self._uploads.size(package, session), 204)
        if method == "DELETE":
            self._uploads.cancel(package, session)
            return Response(status_code=204)
        raise OciError(405, "UNSUPPORTED", f"{method} is not supported for uploads.")

    async def _begin(self, exchange: Exchange, package: str, query: Any) -> Response:
        digest, mounted = query.get("digest", ""), query.get("mount", "")
        if DIGEST.fullmatch(mounted) and self._images.blob(exchange.repository, mounted):
            return _made(exchange, f"blobs/{mounted}", mounted)
        session = self._uploads.begin(package)
        if digest:
            return await self._finish(exchange, package, session, digest)
        return _going_on(exchange, session, 0, 202)

    async def _finish(self, exchange: Exchange, package: str, session: str, digest: str) -> Response:
        if not DIGEST.fullmatch(digest):
            raise OciError(400, "DIGEST_INVALID", f"{digest!r} is not a digest sha256:HEX.")
        span = exchange.request.headers.get("content-range", "")
        await self._uploads.append(package, session, exchange.request.stream(), span)
        await run_in_threadpool(self._keep, package, session, digest)
        return _made(exchange, f"blobs/{digest}", digest)

    def _keep(self, package: str, session: str, digest: str) -> None:
        with Received(self._registry.blobs) as received:
            self._uploads.finish(package, session, received)
            if f"sha256:{received.sha256}" != digest:
                message = f"{digest} is not the digest of what came in: sha256:{received.sha256}."
                raise OciError(400, "DIGEST_INVALID", message)
            self._images.add_blob(package, received)


def _located(path: str) -> tuple[str, str, str]:
    """The kind of thing, the image and the reference. Raises: OciError."""
    for kind, pattern in _PATHS:
        match = pattern.fullmatch(path)
        if match is not None:
            return kind, match["image"], match["reference"]
    raise OciError(404, "NAME_INVALID", f"{path!r} is no path of an image: expected IMAGE/manifests/TAG and the like.")


def _name(exchange: Exchange) -> str:
    _, project, _, _, _, repository = exchange.repository.split("/")
    return f"{project}/{repository}/{_located(exchange.path)[1]}"


def _url(exchange: Exchange, rest: str) -> str:
    return f"{exchange.base}/v2/{_name(exchange)}/{rest}"


def _made(exchange: Exchange, rest: str, digest: str, **headers: str) -> Response:
    described = {"location": _url(exchange, rest), "docker-content-digest": digest, **headers}
    return Response(status_code=201, headers=described)


def _going_on(exchange: Exchange, session: str, size: int, status: int) -> Response:
    headers = {
        "location": _url(exchange, f"blobs/uploads/{session}"),
        "range": received_range(size),
        "docker-upload-uuid": session,
    }
    return Response(status_code=status, headers=headers)
