"""Stored messages as predictions need them: read off once, and again when the row has changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Rows(Generic[T]):
    """A view on a collection. As current as the collection itself, and without its cost.

    Args:
        collection: of the store.
        read: makes the value of a message.
    """

    def __init__(self, collection: Any, read: Callable[[Any], T]) -> None:
        self._collection = collection
        self._read = read
        self._kept: dict[str, tuple[bytes, T]] = {}

    def get(self, name: str) -> T:
        """The same object for as long as the row is the same. Raises NotFound."""
        body = self._collection.stored(name)
        if body is None:
            self._kept.pop(name, None)
            raise self._collection.not_found(name)
        kept = self._kept.get(name)
        if kept is None or kept[0] != body:
            kept = self._kept[name] = (body, self._read(self._collection.decode(body)))
        return kept[1]
