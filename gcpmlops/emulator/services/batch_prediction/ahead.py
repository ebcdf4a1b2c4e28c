"""Reading ahead: a thread that fills a bounded queue while the model's server starts and works."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
CHUNK_ITEMS = 4096
_CHUNKS = 32  # 8 MiB of instances at most


class Ahead(Generic[T]):
    """Items of an iterable, read by another thread. Leave the block and that thread ends.

    Args:
        items: what is to be read.
        size: of an item, in bytes.
    """

    def __init__(self, items: Iterable[T], size: Callable[[T], int]) -> None:
        self._items = items
        self._size = size
        self._chunks: queue.Queue[list[T] | BaseException | None] = queue.Queue(_CHUNKS)
        self._ready: list[T] = []
        self._mean = 1.0  # bytes of an item, in the chunk that came last
        self._left = threading.Event()
        self._through = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._read, name="batch-read", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.set()
        while self._thread.is_alive():
            self._discard()
            self._thread.join(0.01)

    def is_empty(self) -> bool:
        """Whether there is nothing at all; waits for the first items. Raises what the iterable raised instead."""
        self._fill(1, 1)
        return not self._ready

    def take(self, count: int, size: int) -> list[T]:
        """The next items: `count` at most, and about `size` bytes where there are several; none at the end.

        Raises what the iterable raised; what came just before that is lost.
        """
        self._fill(count, size)
        count = self._fitting(count, size)
        taken = self._ready[:count]
        del self._ready[:count]
        return taken

    def _fitting(self, count: int, size: int) -> int:
        """How many, by the mean of the chunk that came last."""
        return min(count, max(1, int(size / self._mean)))

    def _fill(self, count: int, size: int) -> None:
        while len(self._ready) < self._fitting(count, size) and not self._through:
            chunk = self._chunks.get()
            if isinstance(chunk, list):
                self._mean = max(1.0, sum(map(self._size, chunk)) / len(chunk))
                self._ready += chunk
            else:
                self._through, self._error = True, chunk
        if self._error is not None and not self._ready:
            raise self._error

    def _read(self) -> None:
        try:
            for chunk in self._gathered():
                self._chunks.put(chunk)
                if self._left.is_set():
                    return
            self._chunks.put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised again where the items are taken
            self._chunks.put(error)

    def _discard(self) -> None:
        while not self._chunks.empty():
            self._chunks.get()

    def _gathered(self) -> Iterator[list[T]]:
        chunk: list[T] = []
        size = 0
        for item in self._items:
            chunk.append(item)
            size += self._size(item)
            if size >= CHUNK_BYTES or len(chunk) >= CHUNK_ITEMS:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk
