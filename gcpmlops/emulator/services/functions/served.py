"""What answers on the URLs of functions: one entry for each function that has started."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gcpmlops.emulator.runtimes.function_instances import Instances
from gcpmlops.emulator.services.functions import naming

ANYONE = "allUsers"


@dataclass
class Served:
    """A function with its instances.

    Attributes:
        name: the function's full name.
        invokers: IAM members that hold a role with run.routes.invoke on the service.
        drops_failed_events: an event that failed is not delivered again.
    """

    name: str
    instances: Instances
    invokers: frozenset[str] = frozenset()
    drops_failed_events: bool = False
    urls: tuple[str, ...] = field(init=False)
    service: str = field(init=False)

    def __post_init__(self) -> None:
        self.service = naming.service_of(self.name)
        run = (naming.service_url(self.service), naming.numbered_url(self.service))
        self.urls = (naming.function_url(self.name), *run)

    def is_audience(self, audience: str) -> bool:
        """Whether an identity token for it is good here: one of the URLs, or something below it."""
        for url in self.urls:
            if audience.startswith(url) and (len(audience) == len(url) or audience[len(url)] in "/?"):
                return True
        return False


class Directory:
    """Finds what is served by host and path. Changes are seen by the next request."""

    def __init__(self) -> None:
        self._by_service: dict[str, Served] = {}
        self._run: dict[str, Served] = {}
        self._functions: dict[tuple[str, str], Served] = {}
        self._lock = threading.Lock()
        self.complete = threading.Event()  # what was served before a restart is there again

    def at(self, host: str, path: str) -> tuple[Served, int] | None:
        """The function of a URL, and how much of the path stands for it."""
        found = self._run.get(host)
        if found is not None:
            return found, 0
        name = path[1:].partition("/")[0]
        found = self._functions.get((host, name))
        return None if found is None else (found, len(name) + 1)

    def of_service(self, service: str) -> Served | None:
        """By the Cloud Run service's full name."""
        return self._by_service.get(service)

    def put(self, served: Served) -> Served | None:
        """Serves it from now on; returns what was served in its place."""
        with self._lock:
            before = self._by_service.get(served.service)
            self._by_service[served.service] = served
            for url in served.urls[1:]:
                self._run[urlsplit(url).hostname or ""] = served
            self._functions[naming.function_host(served.name), served.name.rpartition("/")[2]] = served
            return before

    def remove(self, service: str) -> Served | None:
        """Serves it no more."""
        with self._lock:
            found = self._by_service.pop(service, None)
            self._run = {key: value for key, value in self._run.items() if value is not found}
            self._functions = {key: value for key, value in self._functions.items() if value is not found}
            return found

    def all(self) -> Iterable[Served]:
        """Everything that is served."""
        with self._lock:
            return list(self._by_service.values())
