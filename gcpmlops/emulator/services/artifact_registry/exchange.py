"""One request to a package host, and the repository that it is about."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from gcpmlops.emulator.kernel.call import Call


@dataclass(frozen=True)
class Exchange:
    """A request that is to be answered.

    Attributes:
        request: with its body.
        call: who asks.
        repository: its name.
        path: what follows the repository in the URL, still encoded.
    """

    request: Request
    call: Call
    repository: str
    path: str

    @property
    def is_reading(self) -> bool:
        """Whether it changes nothing."""
        return self.request.method in ("GET", "HEAD")

    @property
    def base(self) -> str:
        """The URL of the host as the caller knows it: on the plain port a path stands for the host."""
        root = str(self.request.scope.get("root_path", ""))
        address = self.request.headers.get("host", "")
        return f"http://{address}{root}" if root else f"https://{address}"
