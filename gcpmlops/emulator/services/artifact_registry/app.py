"""The hosts of packages (`LOCATION-FORMAT.pkg.dev`), and uploads and downloads on the API's own, as one ASGI app."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote

from google.api_core import exceptions
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from gcpmlops.emulator.kernel.auth import ANONYMOUS, Authenticator, Caller
from gcpmlops.emulator.kernel.call import Call, answering
from gcpmlops.emulator.kernel.errors import normalise, to_json
from gcpmlops.emulator.kernel.gate import Asked, Gate, Wanted
from gcpmlops.emulator.kernel.names import project_of
from gcpmlops.emulator.services.artifact_registry import methods, names, tokens
from gcpmlops.emulator.services.artifact_registry.credentials import Credentials
from gcpmlops.emulator.services.artifact_registry.exchange import Exchange
from gcpmlops.emulator.services.artifact_registry.generic import GenericArtifacts
from gcpmlops.emulator.services.artifact_registry.oci import errors as oci
from gcpmlops.emulator.services.artifact_registry.oci.distribution import Distribution
from gcpmlops.emulator.services.artifact_registry.oci.images import Images
from gcpmlops.emulator.services.artifact_registry.pipelines import PipelineRepository
from gcpmlops.emulator.services.artifact_registry.python.repository import PythonRepository
from gcpmlops.emulator.services.artifact_registry.registry import Registry
from gcpmlops.emulator.services.storage.app import raw_path

if TYPE_CHECKING:
    from gcpmlops.emulator.services.artifact_registry.repositories import RepositoryPolicies

_TRANSFER = re.compile(
    r"(?:/upload|/resumable/upload|/download)?/v1(?:beta2)?/(?P<repository>projects/[^/]+/locations/[^/]+/repositories/[^/]+)"
    r"/(?P<rest>genericArtifacts:create|files/.+:download|.*)"
)


class PackageHosts:
    """Authenticates, asks the gate, and passes on to the repository's format.

    Args:
        registry: what is stored.
        images: of Docker repositories.
        policies: of repositories: some are public.
        authenticator: verifies tokens, and gives Docker its own.
        gate: whether the caller may.
    """

    def __init__(
        self,
        registry: Registry,
        images: Images,
        policies: RepositoryPolicies,
        authenticator: Authenticator,
        gate: Gate,
    ) -> None:
        self._authenticator = authenticator
        self._credentials = Credentials(authenticator)
        self._policies = policies
        self._gate = gate
        self._python = PythonRepository(registry)
        self._generic = GenericArtifacts(registry)
        self._pipelines = PipelineRepository(registry)
        self._docker = Distribution(registry, images)
        settings = registry.context.settings
        self._numbers = {str(settings.project_number): settings.project}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        host = _host(request)
        try:
            response = await self._answer(request, host)
        except ClientDisconnect:  # nobody is left to answer
            return
        except Exception as error:  # noqa: BLE001 - every error becomes what the format's clients understand
            response = _refusal(request, host, error)
        await response(scope, receive, send)

    async def _answer(self, request: Request, host: str) -> Response:
        path = raw_path(request.scope)
        if host.endswith(".googleapis.com"):
            return await self._transfer(request, path)
        location, format_ = names.of_host(host)
        if format_ == "DOCKER":
            return await self._as_docker(request, location, path)
        exchange = await self._allowed(request, *self._located(location, path.lstrip("/")))
        if format_ == "PYTHON":
            return await self._python.answer(exchange)
        if format_ == "KFP":
            return await self._pipelines.answer(exchange)
        if format_ == "GENERIC" and exchange.is_reading:
            return await run_in_threadpool(self._generic.download, exchange)
        raise exceptions.MethodNotImplemented(f"{request.method} on {host} is not built in this emulator.")

    async def _as_docker(self, request: Request, location: str, path: str) -> Response:
        header = tokens.presented(request.headers.get("authorization"))
        if path.rstrip("/") == "/v2/token":
            known = None if header is None else await run_in_threadpool(self._credentials.caller, header)
            return tokens.issue(self._authenticator, known)
        if path.rstrip("/") == "/v2":
            await run_in_threadpool(self._credentials.caller, header)
            return JSONResponse({}, headers={"docker-distribution-api-version": "registry/2.0"})
        if not path.startswith("/v2/"):
            raise oci.OciError(404, "NAME_INVALID", f"{path} is no path of a registry: expected /v2/....")
        exchange = await self._allowed(request, *self._located(location, path.removeprefix("/v2/")))
        return await self._docker.answer(exchange)

    async def _transfer(self, request: Request, path: str) -> Response:
        match = _TRANSFER.fullmatch(path)
        if match is None:
            raise exceptions.NotFound(f"{path} is no path of an upload or a download.")
        exchange = await self._allowed(request, self._by_id(unquote(match["repository"])), match["rest"])
        if exchange.is_reading and exchange.path.endswith(":download"):
            return await run_in_threadpool(self._generic.download, exchange)
        if not exchange.is_reading and exchange.path == "genericArtifacts:create":
            return await self._generic.upload(exchange)
        raise exceptions.MethodNotImplemented(f"{request.method} {path} is not built in this emulator.")

    def _located(self, location: str, path: str) -> tuple[str, str]:
        """The repository's name, and what follows it in the path."""
        project, _, rest = path.partition("/")
        repository, _, rest = rest.partition("/")
        if not project or not repository:
            raise exceptions.NotFound("Expected a path that begins with /PROJECT/REPOSITORY/.")
        return self._by_id(f"projects/{unquote(project)}/locations/{location}/repositories/{unquote(repository)}"), rest

    def _by_id(self, repository: str) -> str:
        _, project, rest = repository.split("/", 2)
        return f"projects/{self._numbers.get(project, project)}/{rest}"

    async def _allowed(self, request: Request, repository: str, path: str) -> Exchange:
        """Raises: Unauthenticated, PermissionDenied."""
        call = Call(headers=dict(request.headers), host=_host(request))
        exchange = Exchange(request, call, repository, path)
        call.caller = await run_in_threadpool(self._caller, exchange)
        return exchange

    def _caller(self, exchange: Exchange) -> Caller:
        header = tokens.presented(exchange.request.headers.get("authorization"))
        if header is None and exchange.is_reading and self._policies.is_public(exchange.repository):
            return ANONYMOUS
        exchange.call.caller = self._credentials.caller(header)
        if self._gate.checks:
            with answering(exchange.call):
                self._gate(_asked(exchange))
        return exchange.call.caller


def _host(request: Request) -> str:
    root = str(request.scope.get("root_path", "")).strip("/")
    return root or request.headers.get("host", "").rsplit(":", 1)[0].lower()


def _asked(exchange: Exchange) -> Asked:
    change = methods.DELETE if exchange.request.method == "DELETE" else methods.UPLOAD
    method, permission = methods.DOWNLOAD if exchange.is_reading else change
    wanted = Wanted(project_of(exchange.repository), ((permission, exchange.repository),))
    return Asked(exchange.call, methods.SERVICE, method, wanted)


def _refusal(request: Request, host: str, error: Exception) -> Response:
    """As the clients of the host read it."""
    if host.endswith(".googleapis.com"):
        known = normalise(_plain(error))
        status, body = to_json(known)
        return JSONResponse(body, status_code=status)
    if "-docker." in host:
        refused = error if isinstance(error, oci.OciError) else oci.converted(normalise(error))
        if refused.status == 401:
            refused.headers["www-authenticate"] = _challenge(request, host)
        return oci.reply(refused)
    known = normalise(error)
    status = 400 if isinstance(known, exceptions.AlreadyExists) else int(known.code or 500)  # what twine looks for
    challenge = {"www-authenticate": 'Basic realm="GCP Artifact Registry"'} if status == 401 else {}
    return PlainTextResponse(f"{known.message}\n", status_code=status, headers=challenge)


def _plain(error: Exception) -> Exception:
    if not isinstance(error, oci.OciError):
        return error
    made: Exception = exceptions.from_http_status(error.status, str(error))
    return made


def _challenge(request: Request, host: str) -> str:
    """Where Docker gets a token."""
    exchange = Exchange(request, Call(), "", "")
    return f'Bearer realm="{exchange.base}/v2/token",service="{host}"'
