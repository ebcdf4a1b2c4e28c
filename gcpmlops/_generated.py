"""Files that are generated: which are current, missing, stale or edited by hand; written without loss."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gcpmlops.exceptions import FailedPrecondition

State = Literal["MISSING", "CURRENT", "STALE", "EDITED", "FOREIGN"]
_HEADER = re.compile(r"^# Made by gcpmlops \((\w{16})\)[^\n]*\n", re.MULTILINE)


@dataclass(frozen=True)
class Generated:
    """A text file whose comments begin with #; its first line says what it was when it was made.

    Attributes:
        path: where it is, or will be.
        body: what it should be, without that line.
    """

    path: Path
    body: str

    @property
    def content(self) -> str:
        """The whole file."""
        line = f"# Made by gcpmlops ({_digest(self.body)}): what is changed by hand is not written over unasked.\n"
        return line + self.body

    @property
    def state(self) -> State:
        """MISSING, CURRENT, STALE (made so, but not now), EDITED by hand, or FOREIGN: not made by gcpmlops."""
        if not self.path.exists():
            return "MISSING"
        try:
            there = self.path.read_text("utf-8")
        except UnicodeDecodeError:
            return "FOREIGN"
        if there == self.content:
            return "CURRENT"
        header = _HEADER.match(there)
        if header is None:
            return "FOREIGN"
        return "STALE" if _digest(there[header.end() :]) == header[1] else "EDITED"

    def __str__(self) -> str:
        return f"{self.path}: {self.state.lower()}"


def write(
    files: Sequence[Generated], *, force: bool = False, confirm: Callable[[Generated], bool] | None = None
) -> list[Generated]:
    """Writes what is not current, and returns what was written.

    Files that people have made or changed are written over with `force`, or where `confirm` agrees. Raises
    FailedPrecondition naming them where nobody is asked: nothing is written then.
    """
    theirs = [file for file in files if file.state in ("EDITED", "FOREIGN")] if not force else []
    if theirs and confirm is None:
        raise FailedPrecondition(
            f"edited by hand, or not made by gcpmlops: {', '.join(str(file.path) for file in theirs)}",
            resource=str(theirs[0].path),
            next_step="Move the changes elsewhere, or write over them: force=True (--force).",
        )
    kept = [file for file in theirs if confirm is not None and not confirm(file)]
    wanted = [file for file in files if file not in kept and file.state != "CURRENT"]
    for file in wanted:
        file.path.parent.mkdir(parents=True, exist_ok=True)
        part = file.path.with_name(f".{file.path.name}.part")
        part.write_text(file.content, "utf-8")
        part.replace(file.path)
    return wanted


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
