"""Credentials of what runs as a service account: a key file of that account, and of nobody else."""

from __future__ import annotations

import json
import re
from pathlib import Path

from gcpmlops.emulator.kernel.auth import Authenticator, write_private

_SAFE = re.compile(r"[\w.+-]+@[\w.-]+")


def credentials_file(folder: Path, authenticator: Authenticator, email: str, *, port: int) -> Path:
    """The key file for programs that run as the account; their tokens come from this emulator's port.

    Raises: ValueError for what is no address.
    """
    if not _SAFE.fullmatch(email):
        raise ValueError(f"{email!r} is no address of a service account")
    key = authenticator.key_of(email) | {"token_uri": f"http://127.0.0.1:{port}/oauth2.googleapis.com/token"}
    folder.mkdir(mode=0o700, exist_ok=True)
    path, text = folder / f"{email}.json", json.dumps(key, indent=2)
    if not path.exists() or path.read_text("utf-8") != text:
        write_private(path, text)
    return path
