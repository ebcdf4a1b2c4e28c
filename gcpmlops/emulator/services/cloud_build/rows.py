"""The stored builds: what may follow on what."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from google.cloud.devtools.cloudbuild_v1 import types
from google.rpc import code_pb2, status_pb2

from gcpmlops.emulator.kernel import filters, names, paging
from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.cloud_build.names import operation
from gcpmlops.emulator.settings import project_number

Status: Any = types.Build.Status
FINAL = frozenset(Status[name] for name in ("SUCCESS", "FAILURE", "INTERNAL_ERROR", "TIMEOUT", "CANCELLED", "EXPIRED"))
_ERRORS = {
    Status.FAILURE: (code_pb2.UNKNOWN, "Build failed; check build logs for details"),
    Status.INTERNAL_ERROR: (code_pb2.INTERNAL, "Build failed with an internal error"),
    Status.TIMEOUT: (code_pb2.DEADLINE_EXCEEDED, "Build timed out"),
    Status.CANCELLED: (code_pb2.CANCELLED, "Build cancelled"),
    Status.EXPIRED: (code_pb2.DEADLINE_EXCEEDED, "Build expired in queue"),
}

# what filters may call otherwise than the message does
_FILTERED = tuple(
    (re.compile(rf"(?<![\w.\"'])(?:build\.)?{called}(?=\s*[=:!<>])"), field)
    for called, field in (("trigger_id", "build_trigger_id"), ("build_id", "id"))
)

OnChange = Callable[[types.Build], None]


class BuildRows:
    """Builds by their names with the project's id; they show its number, as the cloud's do.

    Attributes:
        on_change: told of each new status.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rows: Any = context.store.collection(types.Build)
        self.on_change: list[OnChange] = []

    def insert(self, parent: str, build: types.Build, *, on_cancel: Callable[[str], None]) -> str:
        """A new build with a name of its own, which is returned; its operation is open.

        What only the service says about a build has to be cleared before.
        """
        name = f"{parent}/builds/{build.id}"
        build.project_id = names.project_of(parent)
        build.name = shown(name)
        build.create_time = self._context.clock.now()
        self._rows.insert(name, build, parent=parent)
        self.open(name, on_cancel)
        self._tell(build)
        return name

    def open(self, name: str, on_cancel: Callable[[str], None]) -> None:
        """Opens the operation of a build that has not ended."""
        metadata = types.BuildOperationMetadata(build=self._rows.get(name))
        self._context.operations.open(operation(name), metadata=metadata, on_cancel=lambda: on_cancel(name))

    def name(self, name: str) -> str:
        """The name by which a build is stored, of one that may have its project's number. Raises: NotFound."""
        if self._rows.find(name) is None:
            for build in self._rows.list():
                if build.name == name:
                    return stored(build)
            raise self._rows.not_found(name)
        return name

    def get(self, name: str) -> types.Build:
        """Raises: NotFound."""
        found: types.Build = self._rows.get(self.name(name))
        return found

    def page(self, parent: str, request: Any) -> tuple[list[types.Build], str]:
        """One page of what a List request asks for, newest first, and the next page's token; `-` is every location."""
        text = request.filter
        for called, field in _FILTERED:
            text = called.sub(field, text)
        builds = self._rows.list(None if parent.endswith("/-") else parent)
        project = names.project_of(parent)
        found = [b for b in reversed(builds) if b.project_id == project and filters.matches(text, b)]
        return paging.page(found, request)

    def update(self, name: str, change: Callable[[types.Build], None]) -> types.Build:
        """Edits a build in place, unless it has ended; returns it as it is then stored."""
        before: list[Any] = []

        def edit(build: types.Build) -> types.Build:
            before.append(build.status)
            if build.status not in FINAL:
                change(build)
            return build

        build: types.Build = self._rows.update(name, edit)
        if before[-1] in FINAL:
            return build
        self._context.operations.tell(operation(name), types.BuildOperationMetadata(build=build))
        if build.status != before[-1]:
            self._tell(build)
        if build.status in FINAL:
            self._settle(name, build)
        return build

    def unfinished(self) -> list[tuple[str, types.Build]]:
        """What has not ended, by name."""
        found = [build for build in self._rows.list() if build.status not in FINAL]
        return [(stored(build), build) for build in found]

    def _settle(self, name: str, build: types.Build) -> None:
        if build.status == Status.SUCCESS:
            self._context.operations.settle(operation(name), response=build)
        else:
            code, message = _ERRORS[build.status]
            detail = f"{message}: {build.status_detail}" if build.status_detail else message
            self._context.operations.settle(operation(name), error=status_pb2.Status(code=code, message=detail))

    def _tell(self, build: types.Build) -> None:
        for listener in self.on_change:
            listener(build)


def shown(name: str) -> str:
    """A name with the project's number in place of its id."""
    _, project, rest = name.split("/", 2)
    return f"projects/{project_number(project)}/{rest}"


def stored(build: types.Build) -> str:
    """The name by which a build is stored."""
    return f"projects/{build.project_id}/{build.name.split('/', 2)[2]}"


def new_id() -> str:
    """The id of a new build."""
    return str(uuid.uuid4())
