"""Generic artifacts: any file, of any version, of any package; uploads and downloads as Google's clients do them."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types
from google.protobuf import json_format
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, JSONResponse, Response

from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.artifact_registry import forms, names
from gcpmlops.emulator.services.artifact_registry.exchange import Exchange
from gcpmlops.emulator.services.artifact_registry.received import Received
from gcpmlops.emulator.services.artifact_registry.registry import Registry
from gcpmlops.emulator.services.artifact_registry.uploads import Uploads

Json = dict[str, Any]
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")
_TOTAL = re.compile(r"bytes (?:\*|\d+-\d+)/(\d+)")
_MAX_RESOURCE = 1 << 16  # bytes


class GenericArtifacts:
    """`genericArtifacts:create` and `files/*:download` of the API's own host."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._uploads = Uploads(registry.blobs)

    def download(self, exchange: Exchange) -> Response:
        """A file of any repository, by its name or by its id in the repository; parts of it by ranges."""
        file_id = exchange.path.removeprefix("files/").removesuffix(":download")
        content = self._registry.content(f"{exchange.repository}/files/{names.escape(unquote(file_id))}")
        filename = unquote(unquote(file_id)).rpartition("/")[2].rpartition(":")[2]
        return FileResponse(content.path, media_type="application/octet-stream", filename=filename)

    async def upload(self, exchange: Exchange) -> Response:
        """In one request (uploadType=multipart) or in pieces (resumable)."""
        self._registry.repository(exchange.repository, "GENERIC")
        query = exchange.request.query_params
        session, kind = query.get("upload_id", ""), query.get("uploadType", "")
        if session:
            return await self._piece(exchange, session)
        if kind == "resumable":
            return await self._begin(exchange)
        if kind != "multipart":
            raise invalid("uploadType", f"{kind!r}: expected multipart or resumable.")
        content_type = exchange.request.headers.get("content-type", "")
        with Received(self._registry.blobs) as body:
            await body.read(exchange.request.stream())
            return await run_in_threadpool(self._related, exchange.repository, body, content_type)

    def _related(self, repository: str, body: Received, content_type: str) -> Response:
        with forms.parts(body.path, content_type) as parts, Received(self._registry.blobs) as received:
            if len(parts) != 2:
                raise invalid("body", f"{len(parts)} parts: expected the request's JSON, then the content.")
            described = _described(parts[0].data)
            received.write(parts[1].data)
            return self._store(repository, described, received)

    async def _begin(self, exchange: Exchange) -> Response:
        described = _described(await exchange.request.body())
        session = self._uploads.begin(exchange.repository)
        self._registry.blobs.partial(f"{session}.json").write_text(json.dumps(described), "utf-8")
        root = exchange.base + exchange.request.scope["path"]
        return Response(headers={"location": f"{root}?uploadType=resumable&upload_id={session}"})

    async def _piece(self, exchange: Exchange, session: str) -> Response:
        span = exchange.request.headers.get("content-range", "")
        size = await self._uploads.append(exchange.repository, session, exchange.request.stream(), span)
        total = _TOTAL.fullmatch(span)
        if total is not None and size < int(total[1]):
            return Response(status_code=308, headers={"range": f"bytes=0-{size - 1}"} if size else {})
        return await run_in_threadpool(self._finish, exchange.repository, session)

    def _finish(self, repository: str, session: str) -> Response:
        resource = self._registry.blobs.partial(f"{session}.json")
        described: Json = json.loads(resource.read_text("utf-8"))
        with Received(self._registry.blobs) as received:
            self._uploads.finish(repository, session, received)
            resource.unlink()
            return self._store(repository, described, received)

    def _store(self, repository: str, described: Json, received: Received) -> Response:
        """Answers an operation, which fails where there is such a file already."""
        package, version, filename = (described[field] for field in ("packageId", "versionId", "filename"))
        stored = f"{repository}/packages/{names.escape(package)}/versions/{names.escape(version)}"
        artifact = f"{repository}/genericArtifacts/{package}:{version}"

        def run() -> types.GenericArtifact:
            self._registry.check_new(repository, f"{package}:{version}:{filename}")
            made = self._registry.publish(stored)
            self._registry.add(repository, f"{package}:{version}:{filename}", received, owner=stored)
            times = {"create_time": made.create_time, "update_time": made.update_time}
            return types.GenericArtifact(name=artifact, version=version, **times)

        operations = self._registry.context.operations
        parent, metadata = "/".join(repository.split("/")[:4]), types.OperationMetadata()
        try:
            operation = operations.finished(parent=parent, metadata=metadata, response=run())
        except exceptions.AlreadyExists as error:
            operation = operations.failed(parent=parent, metadata=metadata, error=error)
        return JSONResponse({"operation": json_format.MessageToDict(operation)})


def _described(data: bytes | memoryview) -> Json:
    """Raises: InvalidArgument."""
    try:
        found = json.loads(bytes(data[:_MAX_RESOURCE]))
    except ValueError as error:
        raise invalid("body", f"is not JSON: {error}.") from None
    for field in ("packageId", "versionId"):
        if not isinstance(found, dict) or not _ID.fullmatch(str(found.get(field, ""))):
            raise invalid(field, "required: letters, digits, ., _, ~ and -, 128 at most.")
    filename = str(found.get("filename", ""))
    if not filename or filename.startswith("/") or ".." in filename.split("/"):
        raise invalid("filename", f"{filename!r}: expected a relative path without `..`.")
    return {field: str(found[field]) for field in ("packageId", "versionId", "filename")}
