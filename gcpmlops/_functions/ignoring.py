"""Which files of a folder are uploaded: .gcloudignore, in the language of .gitignore, as gcloud reads it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_INCLUDE = "#!include:"
_WITHOUT_FILE = (".gcloudignore", ".git", ".gitignore")
_NEVER = ("__pycache__/", "*.pyc", ".gcpmlops/")  # no part of a source; and they would change its digest


@dataclass(frozen=True)
class Pattern:
    """One line."""

    regex: re.Pattern[str]
    keeps: bool
    folders_only: bool

    @classmethod
    def parse(cls, line: str) -> Pattern | None:
        """None for a comment or an empty line."""
        text = line.rstrip()
        if not text or text.startswith("#"):
            return None
        keeps = text.startswith("!")
        text = text.removeprefix("!").removeprefix("\\")
        folders_only, body = text.endswith("/"), text.rstrip("/")
        anchored = "/" in body
        prefix = "" if anchored else "(?:.*/)?"
        return cls(re.compile(prefix + _regex(body.lstrip("/"))), keeps, folders_only)


class Ignored:
    """The patterns of a folder; later ones win."""

    def __init__(self, folder: Path) -> None:
        found = folder / ".gcloudignore"
        if found.is_file():
            lines = list(_lines(found))
        else:
            git = folder / ".gitignore"
            lines = [*(_lines(git) if git.is_file() else ()), *_WITHOUT_FILE]
        self._patterns = [pattern for line in [*_NEVER, *lines] if (pattern := Pattern.parse(line))]

    def __call__(self, name: str, *, is_folder: bool) -> bool:
        """Whether a path below the folder (with /) is left out."""
        out = False
        for pattern in self._patterns:
            if (is_folder or not pattern.folders_only) and pattern.regex.fullmatch(name):
                out = not pattern.keeps
        return out


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files to upload, by their names below the folder, in order; what an ignored folder holds is left out.

    Links are followed, but to a folder that they are in themselves.
    """
    ignored = Ignored(folder)

    def below(path: Path, prefix: str, within: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
        for entry in sorted(path.iterdir()):
            name = prefix + entry.name
            if ignored(name, is_folder=entry.is_dir()):
                continue
            if entry.is_dir():
                real = entry.resolve()
                if not (entry.is_symlink() and any(real in (each, *each.parents) for each in within)):
                    yield from below(entry, name + "/", (*within, real))
            elif entry.is_file():
                yield name, entry

    return below(folder, "", (folder.resolve(),))


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text("utf-8").splitlines():
        if line.startswith(_INCLUDE):
            other = path.parent / line.removeprefix(_INCLUDE).strip()
            yield from _lines(other) if other.is_file() and other != path else ()
        else:
            yield line


def _regex(glob: str) -> str:
    parts = re.findall(r"\*\*/|/\*\*|\*\*|\*|\?|\[[^\]]*\]|[^*?\[/]+|/|\[", glob)
    made = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(made.get(part) or (_class(part) if part.startswith("[") else re.escape(part)) for part in parts)


def _class(part: str) -> str:
    if len(part) < 3:
        return re.escape(part)
    return f"[^{part[2:-1]}]" if part[1] in "!^" else part
