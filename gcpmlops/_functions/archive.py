"""A function's source as a zip: the same files make the same bytes."""

from __future__ import annotations

import ast
import hashlib
import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gcpmlops._functions.ignoring import files
from gcpmlops.exceptions import InvalidArgument

_REQUIREMENTS = "requirements.txt"
_MAIN = "main.py"
_TIME = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Archive:
    """The zip and its digest, which a label can hold."""

    content: bytes
    digest: str


def build(source: Path, *, entry_point: str, requirements: Sequence[str] = ()) -> Archive:
    """Of a folder with a main.py, or of one Python file, which becomes main.py; further requirements are added.

    Raises InvalidArgument for a source that isn't there, has no main.py, or is no Python.
    """
    if source.is_file() and source.suffix == ".py":
        found = {_MAIN: source.read_bytes()}
    elif source.is_dir():
        found = {name: path.read_bytes() for name, path in files(source)}
    else:
        raise InvalidArgument(
            f"source: {source} is no folder and no Python file", field="source", value=str(source),
            allowed="a folder with a main.py, a .py file, or a gs:// URI of a zip",
        )  # fmt: skip
    if _MAIN not in found:
        raise InvalidArgument(
            f"source: {source} has no {_MAIN} (or .gcloudignore leaves it out)", field="source", value=str(source),
            allowed=f"a folder with {_MAIN}, which defines {entry_point}",
        )  # fmt: skip
    _check(found[_MAIN], source)
    if requirements or _REQUIREMENTS not in found:  # gcloud refuses a source without
        lines = [found.get(_REQUIREMENTS, b"").decode("utf-8").rstrip("\n"), *requirements]
        found[_REQUIREMENTS] = ("\n".join(filter(None, lines)) + "\n").encode()
    return Archive(_zip(found), _digest(found))


def _check(main: bytes, source: Path) -> None:
    try:
        ast.parse(main, filename=_MAIN)
    except (SyntaxError, ValueError) as exc:
        raise InvalidArgument(f"source: {source}: {_MAIN} does not parse: {exc}", field="source") from None


def _zip(found: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name in sorted(found):
            info = zipfile.ZipInfo(name, _TIME)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            bundle.writestr(info, found[name])
    return buffer.getvalue()


def _digest(found: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name in sorted(found):
        digest.update(name.encode() + b"\0" + hashlib.sha256(found[name]).digest())
    return digest.hexdigest()[:32]
