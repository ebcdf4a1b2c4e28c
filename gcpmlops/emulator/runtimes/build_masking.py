"""Secrets of a build, hidden in what its steps print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

HIDDEN = "***"


class Masking:
    """Hides values; of one that has several lines each line, since lines are printed one by one."""

    def __init__(self, values: Iterable[str]) -> None:
        lines = {line for value in values for line in (value, *value.splitlines()) if line.strip()}
        self.longest = max(map(len, lines), default=0)
        ordered = sorted(lines, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def mask(self, text: str) -> str:
        """`text` without them."""
        return self._pattern.sub(HIDDEN, text) if self._pattern else text


class MaskedStream:
    """One stream's lines. A line so long that it comes in pieces is looked at across the cut.

    Args:
        masking: what to hide.
        limit: characters of a piece that is followed by the rest of its line.
        emit: gets the lines.
    """

    def __init__(self, masking: Masking, limit: int, emit: Callable[[str], None]) -> None:
        self._masking = masking
        self._limit = limit
        self._emit = emit
        self._held = ""

    def line(self, text: str) -> None:
        """A line, or the next piece of one."""
        whole = self._masking.mask(self._held + text)
        keep = self._masking.longest - 1 if len(text) >= self._limit else 0
        cut = len(whole) - min(max(keep, 0), len(whole))
        self._held = whole[cut:]
        if cut or not self._held:
            self._emit(whole[:cut])

    def close(self) -> None:
        """No more comes."""
        if self._held:
            self._emit(self._held)
            self._held = ""
