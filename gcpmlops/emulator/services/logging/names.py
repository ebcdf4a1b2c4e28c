"""Names of Cloud Logging's resources: the project's number stands for its id; views of the default bucket for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from google.api_core import exceptions

from gcpmlops.emulator.settings import Settings

_VIEW = re.compile(r"(projects/[^/]+)/locations/global/buckets/_Default/views/(?:_AllLogs|_Default)")
_PARENT = re.compile(r"projects/[^/]+")


class Names:
    """Names as the store has them.

    Args:
        settings: know the project's id and number.
    """

    def __init__(self, settings: Settings) -> None:
        self._id = f"projects/{settings.project}"
        self._number = f"projects/{settings.project_number}"

    def own(self, name: str) -> str:
        """The name with the project's id where it has its number."""
        if name == self._number or name.startswith(f"{self._number}/"):
            return self._id + name[len(self._number) :]
        return name

    def parents(self, names: Iterable[str]) -> list[str]:
        """`projects/P` of each. Raises InvalidArgument, MethodNotImplemented for what is not a project's."""
        return list(dict.fromkeys(self.parent(name) for name in names if name)) or [self.parent("")]

    def parent(self, name: str) -> str:
        """`projects/P`. Raises InvalidArgument, MethodNotImplemented."""
        found = self.own(name)
        view = _VIEW.fullmatch(found)
        if view is not None:
            return view[1]
        if found.startswith(("organizations/", "folders/", "billingAccounts/")) or "/buckets/" in found:
            raise exceptions.MethodNotImplemented(f"Logs of {name!r} are not built; those of projects/P are.")
        if not _PARENT.fullmatch(found):
            raise exceptions.InvalidArgument(f"resource name {name!r}: expected projects/P.")
        return found

    def child(self, name: str, collection: str) -> str:
        """`projects/P/COLLECTION/ID`; the id may be URL-encoded. Raises InvalidArgument, MethodNotImplemented."""
        head, found, key = self.own(name).partition(f"/{collection}/")
        if not found or not key:
            raise exceptions.InvalidArgument(f"name {name!r}: expected projects/P/{collection}/ID.")
        return f"{self.parent(head)}/{collection}/{unquote(key)}"
