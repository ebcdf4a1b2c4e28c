"""Python environments that stand for container images: made by uv, shared by all emulators of a user.

An environment (never the emulator's own) is keyed by its packages, archives and interpreter, made once under a lock,
and complete when its marker file is there; jobs read it and write into a layer of their own (`layer.py`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import images
from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.images import Image
from gcpmlops.emulator.runtimes.installation import Installation, installer_env
from gcpmlops.emulator.runtimes.interpreters import Interpreters
from gcpmlops.emulator.runtimes.process import OnLine, Processes

log = logging.getLogger(__name__)

_MARKER = "gcpmlops-complete"


@dataclass(frozen=True)
class Environment:
    """A complete environment."""

    path: Path
    minor: int
    bare: bool
    below: Environment | None = None

    @property
    def bins(self) -> list[Path]:
        """Where its commands are, and those of the environment below."""
        return [self.path / "bin", *(self.below.bins if self.below else [])]

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        return self.path / "lib" / f"python3.{self.minor}" / "site-packages"


class Environments:
    """Makes environments and finds those made before.

    Args:
        processes: runs uv and pip, so that an installation ends with the emulator.
        directory: where they are kept; None is the user's cache directory, shared by all emulators.
        env: variables of the installers; None is the emulator's own (the user's index, proxy, certificates).
        own_index: of a requirement that is an index's URL of the emulator itself: where installers reach it, and a
            digest of what is in it; None for all others.
    """

    def __init__(
        self,
        processes: Processes,
        directory: Path | None = None,
        *,
        env: Mapping[str, str] | None = None,
        own_index: Callable[[str], tuple[str, str] | None] = lambda _: None,
    ) -> None:
        self._processes = processes
        self._own_index = own_index
        self._directory = directory or _cache_directory()
        self._env = installer_env(os.environ if env is None else env)
        self._interpreters = Interpreters()

    def ensure(
        self,
        image: Image,
        *,
        requirements: Sequence[str] = (),
        archives: Sequence[Path] = (),
        on_line: OnLine | None = None,
        cancellation: Cancellation | None = None,
    ) -> Environment:
        """The environment of an image with further requirements (PEP 508) and package archives installed.

        Takes seconds the first time, a millisecond later on.

        Raises: InvalidArgument where no interpreter at hand fits, FailedPrecondition with the installer's last lines
            where it fails, Cancelled.
        """
        install = Installation(self._processes, self._env, on_line or _ignore, cancellation or Cancellation())
        minor, interpreter = self._interpreter(image)
        packages, contents = self._reached(image.packages)
        path = self._directory / _key(interpreter, [*image.packages, *contents], ())
        base = Environment(path, minor, bare=image.bare)
        self._once(path, install, lambda: install.make(path, interpreter, packages))
        if not requirements and not archives:
            return base
        more, further = self._reached(requirements)
        known = [*image.packages, *contents, "+", *requirements, *further]
        top = self._directory / _key(interpreter, known, archives)
        wanted = [*more, *map(str, archives)]
        self._once(top, install, lambda: install.stack(top, path, base.site_packages, wanted))
        return Environment(top, minor, bare=False, below=base)

    def _reached(self, requirements: Sequence[str]) -> tuple[list[str], list[str]]:
        """What installers are told, and digests of the emulator's own indexes among it."""
        found = {text: own for text in requirements if (own := self._own_index(text)) is not None}
        return [found.get(text, (text, ""))[0] for text in requirements], [digest for _, digest in found.values()]

    def _once(self, path: Path, install: Installation, make: Callable[[], None]) -> None:
        """Makes it where it is not complete, one maker at a time."""
        if not (path / _MARKER).exists():
            with self._locked(path, install.cancellation):
                if not (path / _MARKER).exists():
                    make()
                    (path / _MARKER).touch()

    @property
    def minors(self) -> set[int]:
        """Minor versions of Python 3 that environments can be made for."""
        return self._interpreters.minors

    def has(self, minor: int) -> bool:
        """Whether environments of Python 3.`minor` can be made; asks about no other version."""
        return self._interpreters.find(minor) is not None

    def check(self, image: Image) -> None:
        """Raises InvalidArgument where no interpreter at hand fits the image, naming images that work."""
        self._interpreter(image)

    def _interpreter(self, image: Image) -> tuple[int, Path]:
        for minor in image.pythons:
            if found := self._interpreters.find(minor):
                if minor != image.pythons[0]:
                    log.info("%s has Python 3.%d; 3.%d stands in for it", image.uri, image.pythons[0], minor)
                return minor, found
        raise exceptions.InvalidArgument(f"{image.uri} can't run on this machine: {self._advice(image)}")

    def _advice(self, image: Image) -> str:
        at_hand = self._interpreters.minors
        names = ", ".join(f"3.{minor}" for minor in sorted(at_hand))
        wanted = ", ".join(f"3.{minor}" for minor in sorted(image.pythons))
        if image.framework == "python":
            return f"it needs Python {wanted}, at hand are {names}: " + ", ".join(
                f"python:3.{m}" for m in sorted(at_hand)
            )
        purpose = images.PREDICTION if image.serving else images.TRAINING
        working = ", ".join(images.images_for(image.framework, at_hand, purpose)) or "none of this framework"
        return f"its packages have wheels for Python {wanted}, at hand are {names}; images that work: {working}"

    @contextmanager
    def _locked(self, path: Path, cancellation: Cancellation) -> Iterator[None]:
        """One maker at a time, across threads and processes."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with path.with_suffix(".lock").open("w") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    cancellation.wait(0.05)
                    cancellation.check()
            yield  # closing the file releases the lock


def _ignore(stream: str, text: str) -> None:
    log.debug("%s: %s", stream, text)


def _key(interpreter: Path, packages: Sequence[str], archives: Sequence[Path]) -> str:
    digest = hashlib.sha256(json.dumps([str(interpreter.resolve()), list(packages)]).encode())
    for archive in archives:
        digest.update(archive.name.encode())
        with archive.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:24]


def _cache_directory() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gcpmlops" / "environments"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gcpmlops" / "environments"
