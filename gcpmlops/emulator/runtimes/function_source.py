"""A function's source: the archive unpacked with path checks, and its requirements as an installer needs them."""

from __future__ import annotations

import hashlib
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

from google.api_core import exceptions

MAIN = "main.py"
_LARGEST = 500 << 20  # bytes: Cloud Functions' own limit of an unpacked deployment
_OPTION = re.compile(r"(-[a-zA-Z]|--[a-z-]+)(?:[ =]\s*|(?<=-[a-zA-Z]))(.*)")
_COMMENT = re.compile(r"(^|\s)#.*$")
_FRAMEWORK = re.compile(r"functions[-_.]framework(?![\w-])", re.IGNORECASE)


def unpack(archive: Path, target: Path, *, where: str) -> None:
    """The files of a zip in a new folder.

    Args:
        archive: the zip.
        target: the folder, which is made.
        where: what the user calls the archive.

    Raises: InvalidArgument for what is no zip, leaves the folder, is too large, or has no main.py at its top.
    """
    target.mkdir(parents=True)
    try:
        with zipfile.ZipFile(archive) as bundle:
            if sum(info.file_size for info in bundle.infolist()) > _LARGEST:
                raise exceptions.InvalidArgument(f"{where} is larger than {_LARGEST >> 20} MiB when unpacked.")
            for info in bundle.infolist():
                _check(info, target, where)
            bundle.extractall(target)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise exceptions.InvalidArgument(f"{where} can't be unpacked: {error}. It has to be a zip archive.") from None
    if not (target / MAIN).is_file():
        there = ", ".join(sorted(path.name for path in target.iterdir())[:20]) or "nothing"
        raise exceptions.InvalidArgument(
            f"Build failed: missing {MAIN} and GOOGLE_FUNCTION_SOURCE not specified. Either create the function in "
            f"{MAIN} at the top of the archive (not in a folder of it); {where} holds {there}."
        )


def _check(info: zipfile.ZipInfo, target: Path, where: str) -> None:
    root = target.resolve()
    inside = (root / info.filename).resolve()
    if inside != root and root not in inside.parents:
        raise exceptions.InvalidArgument(f"{where}: the entry {info.filename!r} lies outside of the archive.")
    if stat.S_ISLNK(info.external_attr >> 16):
        raise exceptions.InvalidArgument(f"{where}: {info.filename!r} is a symbolic link, which is not unpacked.")


def requirements(source: Path, packages: Path) -> list[str]:
    """What to install for a source, functions-framework first unless it is named.

    Files and folders of the source that requirements.txt names are copied into ``packages``, each under the digest of
    its content: the same content has the same path.

    Raises: InvalidArgument naming the line that is not understood.
    """
    found = list(_lines(source, source / "requirements.txt", packages))
    if not any(_FRAMEWORK.match(line) for line in found):
        found.insert(0, "functions-framework")
    return found


def _lines(source: Path, path: Path, packages: Path) -> Iterator[str]:
    if not path.is_file():
        return
    for raw in path.read_text("utf-8").replace("\\\n", " ").splitlines():
        line = _COMMENT.sub("", raw).strip()
        if not line:
            continue
        option = _OPTION.fullmatch(line) if line.startswith("-") else None
        if option is None:
            yield _requirement(line, source, path, packages)
            continue
        name, value = option[1], option[2].strip()
        if name in ("-r", "--requirement"):
            yield from _lines(source, _inside(path.parent / value, source, line), packages)
        elif name in ("-e", "--editable"):
            yield _requirement(value, source, path, packages)
        elif name in ("-i", "--index-url", "--extra-index-url", "-f", "--find-links"):
            yield {"-i": "--index-url", "-f": "--find-links"}.get(name, name)
            yield value
        else:
            raise exceptions.InvalidArgument(f"{path.name}: {line!r} is not understood; take it out of the file.")


def _requirement(line: str, source: Path, path: Path, packages: Path) -> str:
    """A PEP 508 requirement as it is; a path of the source becomes the path of a copy."""
    _, at, url = line.partition("@")
    text = url.strip() if at and re.match(r"\.{0,2}/|file:", url.strip()) else line
    text = text.removeprefix("file://").removeprefix("file:")
    is_path = text.startswith((".", "/")) or (text.endswith((".whl", ".tar.gz", ".zip")) and "://" not in text)
    if not is_path:
        return line
    text, bracket, extras = text.partition("[")
    return f"{_kept(_inside(path.parent / text.strip(), source, line), packages)}{bracket}{extras}"


def _inside(path: Path, source: Path, line: str) -> Path:
    found = path.resolve()
    if source.resolve() not in (found, *found.parents):
        raise exceptions.InvalidArgument(f"requirements.txt: {line!r} leads out of the source folder.")
    if not found.exists():
        raise exceptions.InvalidArgument(f"requirements.txt: {line!r} names what is not in the source archive.")
    return found


def _kept(path: Path, packages: Path) -> Path:
    target = packages / _digest(path) / path.name
    if not target.exists():
        part = target.parent.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        copy(path, part / path.name)
        part.rename(target.parent)
    return target


def _digest(path: Path) -> str:
    digest = hashlib.sha256(path.name.encode())
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(str(file.relative_to(path)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]
