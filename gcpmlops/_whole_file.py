"""Files that are replaced whole."""

from __future__ import annotations

import shutil
from pathlib import Path


def write(path: Path, text: str) -> None:
    """All of it or nothing, in UTF-8 with the text's own line ends; a link stays one, a mode, too. Raises OSError."""
    path = path.resolve()
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(text.encode())
    if path.exists():
        shutil.copymode(path, part)
    part.replace(path)
