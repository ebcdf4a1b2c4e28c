"""What runtimes and services need of an object store; the storage engine satisfies it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One live object. ``size`` is in bytes."""

    name: str
    size: int
    generation: int


class ObjectStore(Protocol):
    """Buckets of named objects."""

    def exists(self, bucket: str) -> bool:
        """Whether the bucket exists."""
        ...

    def list(self, bucket: str, prefix: str) -> Iterator[ObjectInfo]:
        """Live objects by name. Raises NotFound for a missing bucket."""
        ...

    def local_path(self, bucket: str, name: str) -> Path:
        """A read-only file with the object's content. Raises NotFound."""
        ...

    def upload(self, bucket: str, name: str, source: Path, content_type: str | None = None) -> None:
        """Stores a copy of a file as an object. Raises NotFound for a missing bucket."""
        ...
