"""The emulator's own index for its own installers, which do not go by its proxy: functions' requirements name it."""

from __future__ import annotations

import hashlib
import re

from gcpmlops.emulator.services.artifact_registry.registry import Registry

_URL = re.compile(
    r"https://(?:[^@/]*@)?(?P<host>(?P<location>[a-z0-9-]+)-python\.pkg\.dev)/(?P<project>[^/]+)/(?P<id>[^/]+)/simple/?"
)


def is_own(url: str) -> bool:
    """Whether it is an index of Artifact Registry."""
    return _URL.fullmatch(url) is not None


def reached(registry: Registry, url: str, *, port: int, token: str) -> tuple[str, str]:
    """Where an index is on this machine, and a digest of what is in it.

    Args:
        registry: holds the repository.
        url: for which `is_own` is true; credentials in it are replaced.
        port: the emulator's.
        token: of who installs.

    Raises: NotFound where there is no such repository, InvalidArgument for another format's.
    """
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError(f"{url} is no index of Artifact Registry")
    name = f"projects/{match['project']}/locations/{match['location']}/repositories/{match['id']}"
    registry.repository(name, "PYTHON")
    files = sorted((file.name, bytes(file.hashes[0].value)) for file in registry.files.list(name))
    digest = hashlib.sha256(repr(files).encode()).hexdigest()[:16]
    path = f"{match['host']}/{match['project']}/{match['id']}/simple/"
    return f"http://oauth2accesstoken:{token}@127.0.0.1:{port}/{path}", digest
