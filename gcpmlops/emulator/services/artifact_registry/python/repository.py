"""LOCATION-python.pkg.dev/PROJECT/REPOSITORY: where twine uploads to and pip installs from."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types
from packaging.utils import canonicalize_name
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, RedirectResponse, Response

from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.artifact_registry import forms, names
from gcpmlops.emulator.services.artifact_registry.exchange import Exchange
from gcpmlops.emulator.services.artifact_registry.python import index
from gcpmlops.emulator.services.artifact_registry.python.distributions import Distribution, check_digests, described
from gcpmlops.emulator.services.artifact_registry.received import Received
from gcpmlops.emulator.services.artifact_registry.registry import Registry

_Sha256: Any = types.Hash.HashType.SHA256
_MAX_FIELD = 1 << 20  # bytes of one field of an upload's form: its description, say


class PythonRepository:
    """Uploads and downloads."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def answer(self, exchange: Exchange) -> Response:
        """Raises: ``google.api_core`` exceptions."""
        if exchange.request.method == "POST":
            return await self._upload(exchange)
        if not exchange.is_reading:
            raise exceptions.MethodNotImplemented(f"{exchange.request.method} is no call of a Python repository.")
        return await run_in_threadpool(self._read, exchange)

    def _read(self, exchange: Exchange) -> Response:
        self._registry.repository(exchange.repository, "PYTHON")
        first, _, rest = exchange.path.partition("/")
        if first != "simple":
            return self._download(exchange.repository, exchange.path)
        if not exchange.path.endswith("/") or _is_unusual(rest):
            return RedirectResponse(_normal(exchange, rest), status_code=301)
        accept = exchange.request.headers.get("accept", "")
        if not rest:
            packages = self._registry.packages.list(exchange.repository)
            return index.projects(accept, (names.plain(package.name) for package in packages))
        return index.project(accept, rest.rstrip("/"), self._entries(exchange.repository, rest.rstrip("/")))

    def _entries(self, repository: str, package: str) -> list[index.Entry]:
        owner = f"{repository}/packages/{names.escape(package)}"
        if self._registry.packages.find(owner) is None:
            raise exceptions.NotFound(f"Package {package} is not found in {repository}.")
        return [self._entry(file) for file in self._registry.owned(owner)]

    def _entry(self, file: types.File) -> index.Entry:
        details = self._registry.content(file.name).details
        return index.Entry(
            filename=names.plain(file.name).rpartition("/")[2],
            version=names.plain(file.owner),
            sha256=next(found.value.hex() for found in file.hashes if found.type_ == _Sha256),
            size=file.size_bytes,
            uploaded=file.create_time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            requires_python=details.get("requires_python", ""),
        )

    def _download(self, repository: str, path: str) -> Response:
        content = self._registry.content(f"{repository}/files/{names.escape(unquote(path))}")
        return FileResponse(content.path, media_type="application/octet-stream")

    async def _upload(self, exchange: Exchange) -> Response:
        if exchange.path.strip("/"):
            raise exceptions.NotFound(f"Uploads go to {exchange.base}/PROJECT/REPOSITORY/, not below it.")
        content_type = exchange.request.headers.get("content-type", "")
        with Received(self._registry.blobs) as body:
            await body.read(exchange.request.stream())
            await run_in_threadpool(self._take, exchange.repository, body, content_type)
        return Response()

    def _take(self, repository: str, body: Received, content_type: str) -> None:
        self._registry.repository(repository, "PYTHON")
        with forms.parts(body.path, content_type) as parts, Received(self._registry.blobs) as received:
            files = [part for part in parts if part.filename]
            form = {part.name: part.text for part in parts if not part.filename and len(part.data) < _MAX_FIELD}
            if form.get(":action") != "file_upload" or [part.name for part in files if part.name == "content"] == []:
                raise invalid("content", "expected the form of an upload: :action=file_upload, and a file as content.")
            content = next(part for part in files if part.name == "content")
            distribution = described(form, content.filename)
            received.write(content.data)
            check_digests(form, received)
            self._keep(repository, distribution, received, form)

    def _keep(self, repository: str, found: Distribution, received: Received, form: dict[str, str]) -> None:
        version = f"{repository}/packages/{names.escape(found.package)}/versions/{names.escape(found.version)}"
        details = {"requires_python": form.get("requires_python", "")}
        with self._registry.context.locks(repository):
            self._registry.check_new(repository, found.file_id)
            self._registry.publish(version, description=form.get("summary", ""))
            self._registry.add(repository, found.file_id, received, owner=version, details=details)


def _is_unusual(rest: str) -> bool:
    name = rest.rstrip("/")
    return bool(name) and canonicalize_name(unquote(name)) != name


def _normal(exchange: Exchange, rest: str) -> str:
    """The URL of the normal form, with its slash."""
    _, project, _, _, _, repository = exchange.repository.split("/")
    name = f"{canonicalize_name(unquote(rest.rstrip('/')))}/" if rest else ""
    return f"{exchange.base}/{project}/{repository}/simple/{name}"
