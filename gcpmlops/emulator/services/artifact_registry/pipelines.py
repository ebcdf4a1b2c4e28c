"""LOCATION-kfp.pkg.dev/PROJECT/REPOSITORY: compiled pipelines, as Kubeflow Pipelines' registry client sends them."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import unquote

import yaml
from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, PlainTextResponse, Response

from gcpmlops.emulator.kernel.validate import invalid
from gcpmlops.emulator.services.artifact_registry import forms, names
from gcpmlops.emulator.services.artifact_registry.exchange import Exchange
from gcpmlops.emulator.services.artifact_registry.received import Received
from gcpmlops.emulator.services.artifact_registry.registry import Registry

_MAX_SIZE = 32 << 20  # bytes of one pipeline
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_TAG = re.compile(r"[a-zA-Z][a-zA-Z0-9._-]{0,127}")


class PipelineRepository:
    """A pipeline is a package, its content's digest a version; tags name versions."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def answer(self, exchange: Exchange) -> Response:
        """Raises: ``google.api_core`` exceptions."""
        self._registry.repository(exchange.repository, "KFP")
        if exchange.is_reading:
            return await run_in_threadpool(self._download, exchange)
        if exchange.request.method != "POST" or exchange.path.strip("/"):
            raise exceptions.MethodNotImplemented(f"{exchange.request.method} is no call of a pipelines' repository.")
        content_type = exchange.request.headers.get("content-type", "")
        with Received(self._registry.blobs) as body:
            await body.read(exchange.request.stream())
            return await run_in_threadpool(self._upload, exchange.repository, body, content_type)

    def _download(self, exchange: Exchange) -> Response:
        package, _, reference = unquote(exchange.path).partition("/")
        above = f"{exchange.repository}/packages/{names.escape(package)}"
        tag = self._registry.tags.find(f"{above}/tags/{names.escape(reference)}")
        version = f"{above}/versions/{names.escape(reference)}" if tag is None else tag.version
        files = self._registry.owned(version) if self._registry.versions.find(version) is not None else []
        if not files:
            raise exceptions.NotFound(f"{package}/{reference} is neither a version nor a tag in {exchange.repository}.")
        return FileResponse(self._registry.content(files[0].name).path, media_type="application/yaml")

    def _upload(self, repository: str, body: Received, content_type: str) -> Response:
        with forms.parts(body.path, content_type) as parts, Received(self._registry.blobs) as received:
            content = next((part.data for part in parts if part.name == "content"), None)
            if content is None or len(content) > _MAX_SIZE:
                raise invalid("content", f"expected a file of {_MAX_SIZE} bytes at most.")
            tags = [tag for part in parts if part.name == "tags" for tag in part.text.split(",") if tag]
            for tag in tags:
                if not _TAG.fullmatch(tag):
                    raise invalid("tags", f"{tag!r} is not a tag: a letter, then letters, digits, ., _ and -.")
            package = _package(bytes(content))
            received.write(content)
            return self._keep(repository, package, received, tags)

    def _keep(self, repository: str, package: str, received: Received, tags: list[str]) -> Response:
        """The same pipeline again is the same version; its tags move."""
        digest = f"sha256:{received.sha256}"
        above = f"{repository}/packages/{package}"
        version = f"{above}/versions/{digest}"
        with self._registry.context.locks(repository):
            self._registry.publish(version)
            if not self._registry.owned(version):
                self._registry.add(repository, f"{package}:{digest}:pipeline.yaml", received, owner=version)
            for tag in tags:
                name = f"{above}/tags/{names.escape(tag)}"
                self._registry.tags.put(name, types.Tag(name=name, version=version))
        return PlainTextResponse(f"{package}/{digest}")


def _package(content: bytes) -> str:
    """The pipeline's name. Raises: InvalidArgument for what is no compiled pipeline."""
    try:
        documents: list[Any] = list(yaml.safe_load_all(content))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise invalid("content", f"is not YAML: {error}") from None
    info = documents[0].get("pipelineInfo") if documents and isinstance(documents[0], dict) else None
    name = info.get("name") if isinstance(info, dict) else None
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise invalid("content", f"pipelineInfo.name is {name!r}: expected lower-case letters, digits and hyphens.")
    return name
