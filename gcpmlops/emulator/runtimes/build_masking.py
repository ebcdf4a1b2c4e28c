"""Secrets of a build, hidden in what its steps print."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

HIDDEN = "***"
_SHORTEST_LINE = 4


class Masking:
    """Hides values; of one that has several lines each line, since lines are printed one by one.

    Lines that are a brace and little more are not: they would hide every brace.
    """

    def __init__(self, values: Iterable[str]) -> None:
        texts = {text for value in values for text in (value.strip(), *_lines(value)) if text}
        self.longest = max(map(len, texts), default=0)
        ordered = sorted(texts, key=len, reverse=True)
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


def _lines(value: str) -> list[str]:
    return [line.strip() for line in value.splitlines() if len(line.strip()) >= _SHORTEST_LINE]
