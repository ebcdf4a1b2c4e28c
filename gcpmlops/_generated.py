"""Files that are generated: which are current, missing, outdated or edited by hand; written without loss."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, TypeVar

from gcpmlops import _whole_file
from gcpmlops.exceptions import FailedPrecondition, InvalidArgument

CURRENT, OUTDATED, MISSING, EDITED, FOREIGN, WRITTEN = "CURRENT", "OUTDATED", "MISSING", "EDITED", "FOREIGN", "WRITTEN"
_KEPT = (EDITED, FOREIGN)
_HEADER = re.compile(r"^(?:#|//) Made by gcpmlops\b[^\n]*, content (\w{16}):[^\n]*\n", re.MULTILINE)
File = TypeVar("File", bound="Generated")


@dataclass(frozen=True, kw_only=True)
class Generated:
    """A text file whose first line, a comment, says what it was when it was made.

    Attributes:
        path: where it is, or will be.
        state: MISSING, CURRENT, OUTDATED (made so, but not now), EDITED by hand, FOREIGN (not made by gcpmlops); or
            WRITTEN, by `write`.
        content: what it should be.
    """

    path: Path
    state: str
    content: str

    @classmethod
    def compared(cls, path: Path, body: str, *, mark: str = "#", source: str = "", **more: Any) -> Self:
        """Compared with what is there.

        `mark` begins a comment; `source` is what it is made of, and a file made of another source is outdated.
        """
        of = f" from {source}" if source else ""
        line = f"{mark} Made by gcpmlops{of}, content {_digest(body)}: edits are not written over unasked.\n"
        return cls(path=path, state=_state(path, line + body), content=line + body, **more)

    @property
    def reason(self) -> str:
        """What the state means."""
        return {
            CURRENT: "as it should be",
            OUTDATED: "made of something else, or by another version of gcpmlops",
            MISSING: "not there",
            EDITED: "edited by hand since it was made",
            FOREIGN: "not made by gcpmlops",
            WRITTEN: "written",
        }[self.state]

    def __str__(self) -> str:
        return f"{self.path}: {self.state.lower()}, {self.reason}"


def write(files: Sequence[File], *, force: bool = False, confirm: Callable[[File], bool] | None = None) -> list[File]:
    """Writes what is not current; returns all files, with their states then.

    What people have made or changed is written over with `force`, or where `confirm` agrees. Raises FailedPrecondition
    naming it where nobody is asked, and nothing is written then; or naming a file that can't be written.
    """
    theirs = [file for file in files if file.state in _KEPT] if not force else []
    if theirs and confirm is None:
        raise FailedPrecondition(
            "\n".join(map(str, theirs)),
            resource=str(theirs[0].path),
            next_step="Nothing was written. Keep the edits elsewhere, or write over them: force=True (--force).",
        )
    kept = [file for file in theirs if confirm is not None and not confirm(file)]
    return [file if file.state == CURRENT or file in kept else _written(file) for file in files]


def _written(file: File) -> File:
    try:
        file.path.resolve().parent.mkdir(parents=True, exist_ok=True)
        _whole_file.write(file.path, file.content)
    except OSError as exc:
        raise FailedPrecondition(
            f"{file.path} can't be written: {exc.strerror}: {exc.filename}",
            resource=str(file.path),
            next_step="Put that right and generate again: what is written already stays as it is.",
        ) from exc
    return replace(file, state=WRITTEN)


def _state(path: Path, content: str) -> str:
    if not path.exists():
        return MISSING
    if path.is_dir():
        raise InvalidArgument(field="path", value=str(path), allowed="a file; a folder is there")
    there = path.read_bytes().decode("utf-8", "replace").replace("\r\n", "\n")  # as git may check it out
    if there == content:
        return CURRENT
    header = _HEADER.search(there)
    if header is None:
        return FOREIGN
    return OUTDATED if header[1] == _digest(_HEADER.sub("", there, count=1)) else EDITED


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
