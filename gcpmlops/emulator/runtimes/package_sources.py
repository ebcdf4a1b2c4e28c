"""A look into source packages for paths that stand in their code."""

from __future__ import annotations

import logging
import re
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

log = logging.getLogger(__name__)

_LITERAL = re.compile(rb"/gcs/[a-z0-9][a-z0-9._-]+(?:/[\w./-]*)?")


def literal_paths(archives: Sequence[Path]) -> list[str]:
    """`/gcs/...` paths that stand in the source code of packages."""
    found: set[bytes] = set()
    for archive in archives:
        for text in _sources(archive):
            found.update(_LITERAL.findall(text))
    return [path.decode(errors="replace") for path in found]


def _sources(archive: Path) -> Iterator[bytes]:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as bundle:
                yield from (bundle.read(name) for name in bundle.namelist() if name.endswith(".py"))
        elif tarfile.is_tarfile(archive):
            with tarfile.open(archive) as bundle:
                for member in bundle:
                    if member.isfile() and member.name.endswith(".py") and (file := bundle.extractfile(member)):
                        yield file.read()
    except (OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        log.info("package %s can't be looked into, the installer will say why: %s", archive.name, error)
