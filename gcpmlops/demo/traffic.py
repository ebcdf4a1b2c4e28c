"""The users: one request after another, until told to stop; who answered, and what failed."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from gcpmlops.exceptions import GcpMlopsError

if TYPE_CHECKING:
    from gcpmlops.endpoints import Endpoint


class Traffic:
    """Asks the endpoint about one instance at a time while the block runs."""

    def __init__(self, endpoint: Endpoint, instances: Sequence[list[int]]) -> None:
        self.answers: Counter[str] = Counter()
        """By version of the model."""
        self.failures: list[str] = []
        self._endpoint = endpoint
        self._instances = instances
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        for instance in itertools.cycle(self._instances):
            if self._ended.is_set():
                return
            try:
                self.answers[self._endpoint.predict([instance]).model_version_id] += 1
            except GcpMlopsError as error:
                self.failures.append(str(error))

    def __str__(self) -> str:
        by = ", ".join(f"{count:,} by version {version}" for version, count in sorted(self.answers.items()))
        return f"{by}, {len(self.failures)} failed"
