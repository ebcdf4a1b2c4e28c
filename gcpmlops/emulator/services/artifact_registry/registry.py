"""What is stored: repositories, packages, versions, tags and files with their contents, for every format alike."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.cloud.artifactregistry_v1 import types

from gcpmlops.emulator.kernel.service import Context
from gcpmlops.emulator.services.artifact_registry import names
from gcpmlops.emulator.services.artifact_registry.received import Received
from gcpmlops.emulator.state.blobs import Blobs

Json = dict[str, Any]
_ABANDONED_S = 7 * 86400
Format: Any = types.Repository.Format  # proto-plus types its values as plain int


@dataclass(frozen=True)
class Content:
    """A stored file's bytes."""

    path: Path
    details: Json = field(default_factory=dict)


class Registry:
    """One for the emulator.

    Args:
        context: of all services.
        blobs: where contents are.

    Attributes:
        repositories, packages, versions, tags, files: the stored messages by name.
    """

    def __init__(self, context: Context, blobs: Blobs) -> None:
        self.context = context
        self.blobs = blobs
        self.repositories: Any = context.store.collection(types.Repository)
        self.packages: Any = context.store.collection(types.Package)
        self.versions: Any = context.store.collection(types.Version)
        self.tags: Any = context.store.collection(types.Tag)
        self.files: Any = context.store.collection(types.File)
        _forget_abandoned(blobs)
        context.store.ensure_schema(resources.files(__package__).joinpath("schema.sql").read_text("utf-8"))

    def now(self) -> datetime:
        return self.context.clock.now()

    def repository(self, name: str, *formats: str) -> types.Repository:
        """Raises: NotFound; InvalidArgument where it is of another format than those."""
        found: types.Repository | None = self.repositories.find(name)
        if found is None:
            raise exceptions.NotFound(f"Repository {name} is not found: create it first.")
        format_ = Format(found.format_).name
        if formats and format_ not in formats:
            raise exceptions.InvalidArgument(f"Repository {name} is of format {format_}, not {' or '.join(formats)}.")
        return found

    def size(self, repository: str) -> int:
        """Bytes of all files."""
        return sum(file.size_bytes for file in self.files.list(repository))

    def publish(self, version: str, **fields: Any) -> types.Version:
        """A version with its package: made where they are not there, touched where they are.

        Args:
            version: its name.
            fields: of a version that is made: description, metadata.
        """
        with self.context.locks(names.package_of(version)):
            self._touch(self.packages, types.Package, names.package_of(version))
            made: types.Version = self._touch(self.versions, types.Version, version, **fields)
            return made

    def add(
        self, repository: str, file_id: str, received: Received, *, owner: str, details: Json | None = None
    ) -> types.File:
        """A file; its content is what was received.

        Args:
            repository: its name.
            file_id: unescaped.
            received: its content, which is taken over.
            owner: name of the version or package that it belongs to.
            details: what its format has to know.

        Raises: AlreadyExists; nothing is changed then.
        """
        name, now = f"{repository}/files/{names.escape(file_id)}", self.now()
        file = types.File(name=name, size_bytes=received.size, owner=owner, create_time=now, update_time=now)
        file.hashes = [types.Hash(type_=kind, value=value) for kind, value in received.hashes()]
        with self.context.locks(name):
            self.check_new(repository, file_id)
            self.repository(repository)
            row = (name, received.keep(), json.dumps(details or {}))
            sql = "INSERT OR REPLACE INTO artifact_contents (file, blob, details) VALUES (?, ?, ?)"
            self.context.store.write(lambda conn: conn.execute(sql, row))
            self.files.insert(name, file)
        return file

    def check_new(self, repository: str, file_id: str) -> None:
        """Raises: AlreadyExists where there is such a file."""
        if self.files.find(f"{repository}/files/{names.escape(file_id)}") is not None:
            raise exceptions.AlreadyExists(f"File {file_id} already exists in {repository}.")

    def content(self, name: str) -> Content:
        """Raises: NotFound."""
        sql = "SELECT blob, details FROM artifact_contents WHERE file = ?"
        row = self.context.store.read(lambda conn: conn.execute(sql, (name,)).fetchone())
        if row is None or self.files.find(name) is None:
            raise exceptions.NotFound(f"File {name} is not found.")
        return Content(self.blobs.path(row[0]), json.loads(row[1]))

    def owned(self, owner: str) -> list[types.File]:
        """The files of a version, or of a package and all its versions."""
        files: Iterable[types.File] = self.files.list(names.repository_of(owner))
        return [file for file in files if f"{file.owner}/".startswith(f"{owner}/")]

    def remove_file(self, name: str) -> None:
        """Raises: NotFound."""
        self.files.delete(name)

        def forget(conn: Any) -> str | None:
            row = conn.execute("DELETE FROM artifact_contents WHERE file = ? RETURNING blob", (name,)).fetchone()
            return None if row is None else str(row[0])

        blob = self.context.store.write(forget)
        if blob is not None:
            self.blobs.delete(blob)

    def remove_version(self, name: str) -> None:
        """With its files and the tags that point at it. Raises: NotFound."""
        with self.context.locks(names.package_of(name)):
            for tag in self.tags_of(name):
                self.tags.delete(tag.name)
            self._remove_files(lambda file: file.owner == name, names.repository_of(name))
            self.versions.delete(name)

    def remove_package(self, name: str) -> None:
        """A package whose versions are gone. Raises: NotFound."""
        with self.context.locks(name):
            self.tags.delete_below(name)
            self.packages.delete(name)

    def remove_repository(self, name: str) -> None:
        """With all that is in it. Raises: NotFound."""
        self.repositories.delete(name)
        self._remove_files(lambda _: True, name)
        for rows in (self.tags, self.versions, self.packages):
            rows.delete_below(name)

    def tags_of(self, version: str) -> list[types.Tag]:
        """Those that point at a version."""
        return [tag for tag in self.tags.list(names.package_of(version)) if tag.version == version]

    def _remove_files(self, chosen: Callable[[types.File], bool], repository: str) -> None:
        for file in self.files.list(repository):
            if chosen(file):
                self.remove_file(file.name)

    def _touch(self, rows: Any, kind: Any, name: str, **fields: Any) -> Any:
        now = self.now()
        if rows.find(name) is None:
            return rows.insert(name, kind(name=name, create_time=now, update_time=now, **fields))
        return rows.update(name, lambda message: setattr(message, "update_time", now))


def _forget_abandoned(blobs: Blobs) -> None:
    """Uploads that were begun and left: nobody goes on with one after a week of real time."""
    for path in blobs.partials():
        if time.time() - path.stat().st_mtime > _ABANDONED_S:
            path.unlink(missing_ok=True)
