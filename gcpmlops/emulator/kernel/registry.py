"""Which API answers on which host, and the path from a method to the code that answers it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from google.api_core import exceptions

from gcpmlops.emulator.kernel import contract
from gcpmlops.emulator.kernel.call import current_call
from gcpmlops.emulator.kernel.contract import Method, ServiceContract
from gcpmlops.emulator.kernel.gate import Asked, Gate, Needed, Unasked
from gcpmlops.emulator.kernel.project_names import ProjectNames
from gcpmlops.emulator.kernel.routes import Match, Routes
from gcpmlops.emulator.kernel.service import Service


@dataclass(frozen=True)
class JsonRoute:
    """One hand-declared REST call.

    Attributes:
        verb: GET, POST, ...
        template: of its path.
        answer: (path and query variables, body) → JSON.
        needs: what the caller needs; that nobody asks has to be said, too.
    """

    verb: str
    template: str
    answer: Callable[[Mapping[str, str], Any], dict[str, Any]]
    needs: Needed | Unasked


@dataclass(frozen=True)
class Api:
    """One Google API.

    Attributes:
        host: ``aiplatform.googleapis.com``; regional and mtls forms reach it as well.
        package: the installed GAPIC package that is its contract.
        proto: the proto package, as in gRPC paths.
        services: builds the services that are implemented, when the API is first asked for.
        aliases: further versions that share the messages' bytes, e.g. ``v1beta1``.
        json_routes: REST calls of versions that no installed client describes.
        names: makes one of the two names that each resource has; None: the services know both.
    """

    host: str
    package: str
    proto: str
    services: Callable[[], Iterable[Service]]
    aliases: tuple[str, ...] = ()
    json_routes: tuple[JsonRoute, ...] = ()
    names: ProjectNames | None = None

    @property
    def version(self) -> str:
        return self.proto.rsplit(".", 1)[-1]


@dataclass(frozen=True)
class Bound:
    """A method and what answers it (None: not built)."""

    method: Method
    answer: Callable[[Any], Any] | None


class BoundApi:
    """An API with its services made and its contract read; each part when it is first needed.

    ``called`` names every method that was asked for, built or not.
    """

    def __init__(self, api: Api, gate: Gate | None = None) -> None:
        self.api = api
        self.gate = gate or Gate()
        self._short = api.host.partition(".")[0]
        self._lock = threading.RLock()
        self._services: dict[str, list[Service]] | None = None
        self._contracts: dict[str, ServiceContract] = {}
        self._bound: dict[str, Bound] = {}
        self._routes: Routes | None = None
        self.called: set[str] = set()

    def method(self, proto: str, name: str) -> Bound | None:
        """The method by its gRPC path; None where the contract has none of that name."""
        key = f"{proto}/{name}"
        bound = self._bound.get(key)
        if bound is None:
            bound = self._bind(proto, name)
            if bound is not None:
                self._bound[key] = bound
                self.called.add(f"{proto}.{name}")
        return bound

    def route(self, verb: str, path: str) -> Match | None:
        """The REST route of a path; its target is ``(proto, method name, HttpRule)``."""
        with self._lock:
            if self._routes is None:
                self._routes = self._build_routes()
        found = self._routes.match(verb, path)
        if found is None and self.api.aliases:
            version, _, rest = path.lstrip("/").partition("/")
            if version in self.api.aliases:
                found = self._routes.match(verb, f"/{self.api.version}/{rest}")
        return found

    def ask(self, method: str, request: Any) -> None:
        """The gate, about a call that this API's contract does not have. Raises: PermissionDenied."""
        if self.gate.checks:
            self.gate(Asked(current_call(), self._short, method, request))

    def answer_route(self, route: JsonRoute, variables: Mapping[str, str], body: Any) -> dict[str, Any]:
        """What a hand-declared REST call answers, behind the gate."""
        if self.gate.checks:
            asked = Asked(current_call(), self._short, f"{route.verb} {route.template}", variables, route.needs)
            self.gate(asked)
        return route.answer(variables, body)

    def contracts(self) -> list[ServiceContract]:
        """Every service of the API, built or not."""
        return [self._contract(folder) for folder in contract.services(self.api.package)]

    def built(self, proto: str) -> list[Service]:
        """What implements a proto service: one object, or several that share out its methods."""
        with self._lock:
            if self._services is None:
                made: dict[str, list[Service]] = {}
                for service in self.api.services():
                    made.setdefault(service.proto, []).append(service)
                self._services = made  # all of them: where one fails, the next call tries again and says so again
            return self._services.get(proto, [])

    def _bind(self, proto: str, name: str) -> Bound | None:
        folder = contract.folder_of(proto)
        if folder not in contract.services(self.api.package):
            return None
        method = self._contract(folder).methods.get(name)
        if method is None:
            return None
        answers = (getattr(service, method.attribute, None) for service in self.built(proto))
        return Bound(method, self._named(method, self._guarded(method, next(filter(None, answers), None))))

    def _guarded(self, method: Method, answer: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        """Behind the gate; a client's stream is asked about once its first message is there."""
        if answer is None:
            return None
        gate, service, name = self.gate, self._short, f"{method.service}.{method.name}"

        def guarded(request: Any) -> Any:
            if gate.checks and method.client_streams:
                messages = iter(request)
                first = list(islice(messages, 1))
                gate(Asked(current_call(), service, name, first[0] if first else method.request()))
                return answer(chain(first, messages))
            if gate.checks:
                gate(Asked(current_call(), service, name, request))
            return answer(request)

        return guarded

    def _named(self, method: Method, answer: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
        names = self.api.names
        if answer is None or names is None or method.client_streams:
            return answer
        return lambda request: answer(names.by_id(request))

    def _contract(self, folder: str) -> ServiceContract:
        with self._lock:
            if folder not in self._contracts:
                self._contracts[folder] = contract.load(self.api.package, folder)
            return self._contracts[folder]

    def _build_routes(self) -> Routes:
        routes = Routes()
        for declared in self.api.json_routes:
            routes.add(declared.verb, declared.template, declared)
        for service in self.contracts():
            for method in service.methods.values():
                for rule in method.http:
                    routes.add(rule.verb, rule.uri, (service.proto, method.name, rule))
        return routes


def not_built(service: str, method: str) -> exceptions.MethodNotImplemented:
    """What an RPC that is not built answers."""
    return exceptions.MethodNotImplemented(
        f"{service}.{method} is not built in this emulator; docs/coverage.md lists what is."
    )
