"""What a job has so far, in files of a private folder: nothing is held in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import orjson

from gcpmlops.emulator.kernel.errors import to_status
from gcpmlops.emulator.services.batch_prediction.shapes import to_json

ROWS_PER_FILE = 100_000
RESULTS, ERRORS = "results", "errors"


class Spool:
    """Two series of JSON lines: results and errors, as they stand in the output.

    Args:
        folder: private and empty.
        shown_name: under which a line shows its instance, `instance` or `key`.
        whole: whether lines also hold the whole record, as tables do.
    """

    def __init__(self, folder: Path, shown_name: str, *, whole: bool) -> None:
        self.counts = {RESULTS: 0, ERRORS: 0}
        self._series = {kind: _Series(folder, kind) for kind in self.counts}
        self._head = to_json(shown_name)
        self._whole = whole

    def results(self, shown: Iterable[bytes], records: Iterable[bytes], predictions: Iterable[bytes]) -> None:
        """Adds what was predicted, each as JSON."""
        head = b"{" + self._head + b": "
        if self._whole:
            rows = zip(shown, records, predictions, strict=True)
            texts = [head + s + b', "record": ' + r + b', "prediction": ' + p + b"}\n" for s, r, p in rows]
        else:
            pairs = zip(shown, predictions, strict=True)
            texts = [head + s + b', "prediction": ' + p + b"}\n" for s, p in pairs]
        self._add(RESULTS, texts)

    def error(self, shown: bytes, record: bytes, error: Exception) -> None:
        """Adds an instance that could not be predicted."""
        status = to_status(error)
        whole = b', "record": ' + record if self._whole else b""
        told = to_json({"code": status.code, "message": status.message})
        self._add(ERRORS, [b"{" + self._head + b": " + shown + whole + b', "error": ' + told + b"}\n"])

    def close(self) -> None:
        """Before anything is read."""
        for series in self._series.values():
            series.close()

    def files(self, kind: str) -> list[Path]:
        """The files of a kind, in order."""
        return self._series[kind].paths

    def lines(self, kind: str) -> Iterator[dict[str, Any]]:
        """All lines of a kind."""
        for path in self.files(kind):
            with path.open("rb") as file:
                for line in file:
                    yield orjson.loads(line)

    def _add(self, kind: str, texts: list[bytes]) -> None:
        self.counts[kind] += len(texts)
        self._series[kind].write(texts)


class _Series:
    """Files of so many lines each; one at least."""

    def __init__(self, folder: Path, kind: str) -> None:
        self.paths: list[Path] = []
        self._base = folder / kind
        self._room = 0
        self._file: IO[bytes] = self._next()

    def write(self, texts: list[bytes]) -> None:
        while texts:
            if not self._room:
                self._file.close()
                self._file = self._next()
            now, texts = texts[: self._room], texts[self._room :]
            self._file.write(b"".join(now))
            self._room -= len(now)

    def close(self) -> None:
        self._file.close()

    def _next(self) -> IO[bytes]:
        self.paths.append(self._base.with_name(f"{self._base.name}-{len(self.paths)}"))
        self._room = ROWS_PER_FILE
        return self.paths[-1].open("wb")
