"""Python environments that stand for container images: made by uv, shared by all emulators of a user.

An environment (never the emulator's own) is keyed by its packages, archives and interpreter, made once under a lock,
and complete when its marker file is there; jobs read it and write into a layer of their own (`layer.py`).
"""

from __future__ import annotations

import configparser
import fcntl
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes import images
from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.images import Image
from gcpmlops.emulator.runtimes.interpreters import Interpreters
from gcpmlops.emulator.runtimes.process import OnLine, Processes, ProcessSpec

log = logging.getLogger(__name__)

_MARKER = "gcpmlops-complete.json"
_BINARY_ONLY = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "xgboost",
    "xgboost-cpu",
    "torch",
    "tensorflow-cpu",
)
_INSTALL_TIMEOUT_S = 1800.0
# variables of an activated environment or of the emulator's own launcher that would lead uv and pip astray
_DROPPED = (
    "VIRTUAL_ENV",
    "CONDA_PREFIX",
    "PYTHONPATH",
    "PYTHONHOME",
    "PIP_USER",
    "PIP_TARGET",
    "PIP_PREFIX",
    "UV_PYTHON",
)


@dataclass(frozen=True)
class Environment:
    """A complete environment."""

    path: Path
    minor: int
    bare: bool

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
    """

    def __init__(
        self, processes: Processes, directory: Path | None = None, *, env: Mapping[str, str] | None = None
    ) -> None:
        self._processes = processes
        self._directory = directory or _cache_directory()
        self._env = _installer_env(os.environ if env is None else env)
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
        minor, interpreter = self._interpreter(image)
        wanted = [*image.packages, *requirements]
        path = self._directory / _key(interpreter, wanted, archives)
        environment = Environment(path, minor, bare=not wanted and not archives)
        if not (path / _MARKER).exists():
            install = _Installation(self._processes, self._env, on_line or _ignore, cancellation or Cancellation())
            with self._locked(path, install.cancellation):
                if not (path / _MARKER).exists():
                    install.make(environment, interpreter, wanted, archives)
        return environment

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
        working = ", ".join(images.images_for(image.framework, at_hand)) or "none of this framework"
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


class _Installation:
    """The making of one environment."""

    def __init__(
        self, processes: Processes, env: Mapping[str, str], on_line: OnLine, cancellation: Cancellation
    ) -> None:
        self._processes = processes
        self._env = env
        self._on_line = on_line
        self.cancellation = cancellation

    def make(
        self, environment: Environment, interpreter: Path, wanted: Sequence[str], archives: Sequence[Path]
    ) -> None:
        path = environment.path
        if path.exists():  # somebody was interrupted
            shutil.rmtree(path)
        try:
            self._create(path, interpreter)
            if wanted or archives:
                self._install(environment.python, [*wanted, *map(str, archives)])
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise
        (path / _MARKER).write_text(json.dumps({"python": str(interpreter), "packages": list(wanted)}))

    def _create(self, path: Path, interpreter: Path) -> None:
        uv = find_uv()
        argv = [uv, "venv", "--quiet", "--seed", "--python", str(interpreter), str(path)] if uv else []
        if uv and not self._run(argv):
            return
        shutil.rmtree(path, ignore_errors=True)
        if error := self._run([str(interpreter), "-m", "venv", str(path)]):
            raise exceptions.FailedPrecondition(f"no virtual environment can be made with {interpreter}: {error}")

    def _install(self, python: Path, packages: Sequence[str]) -> None:
        binary = [word for name in _BINARY_ONLY for word in ("--only-binary", name)]
        uv, uv_error = find_uv(), "uv is not installed"
        if uv:
            uv_error = self._run([uv, "pip", "install", "--quiet", "--python", str(python), *binary, *packages])
        if uv_error:
            # an index that is configured for pip alone, or that uv can't read
            log.info("uv could not install %s, trying pip: %s", packages, uv_error)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            pip_error = self._run([*pip, "--only-binary", ",".join(_BINARY_ONLY), *packages])
            if pip_error:
                raise exceptions.FailedPrecondition(
                    f"{', '.join(packages)} can't be installed.\nuv: {uv_error}\npip: {pip_error}"
                )

    def _run(self, argv: Sequence[str]) -> str:
        """Runs an installer to its end; returns its last lines where it failed, else nothing."""
        self.cancellation.check()
        with tempfile.TemporaryDirectory(prefix="gcpmlops-install-") as scratch:
            env = {**self._env, "TMPDIR": scratch}
            spec = ProcessSpec(argv, env, Path(scratch), timeout_s=_INSTALL_TIMEOUT_S, grace_s=2)
            process = self._processes.start(spec, self._on_line, lambda _: None)
            with self.cancellation.calls(process.cancel):
                result = process.wait()
        self.cancellation.check()
        return "" if result.ok else "\n".join(result.tail) or result.describe()


def find_uv() -> str | None:
    """Uv's binary: the emulator's dependency, else the one on PATH."""
    try:
        import uv

        return uv.find_uv_bin()
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def _ignore(stream: str, text: str) -> None:
    log.debug("%s: %s", stream, text)


def _key(interpreter: Path, wanted: Sequence[str], archives: Sequence[Path]) -> str:
    digest = hashlib.sha256(json.dumps([str(interpreter.resolve()), sorted(wanted)]).encode())
    for archive in archives:
        digest.update(archive.name.encode())
        with archive.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:24]


def _cache_directory() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "gcpmlops" / "environments"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gcpmlops" / "environments"


def _installer_env(source: Mapping[str, str]) -> dict[str, str]:
    """The user's variables, without what points into another environment, and with pip's index told to uv."""
    env = {key: value for key, value in source.items() if key not in _DROPPED}
    env.setdefault("UV_PYTHON_DOWNLOADS", "never")
    env.setdefault("UV_LINK_MODE", "hardlink" if sys.platform != "darwin" else "clone")
    if any(key in env for key in ("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX", "UV_CONFIG_FILE")):
        return env
    pip = _pip_settings(env)
    if index := pip.get("index-url"):
        env["UV_DEFAULT_INDEX"] = index
        env["UV_INDEX"] = pip.get("extra-index-url", "")
        env["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # pip takes the best of all indexes
    if links := pip.get("find-links"):
        env.setdefault("UV_FIND_LINKS", ",".join(links.split()))
    return env


def _pip_settings(env: Mapping[str, str]) -> dict[str, str]:
    """Pip's own settings, in its order: files from the site to the user, then PIP_* variables."""
    home = Path(env.get("HOME") or Path.home())
    config = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    files = [Path("/etc/pip.conf"), home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
    parser = configparser.RawConfigParser()
    try:
        parser.read([*files, *([env["PIP_CONFIG_FILE"]] if env.get("PIP_CONFIG_FILE") else [])])
    except configparser.Error as error:
        log.warning("pip's configuration can't be read: %s", error)
    found = {
        key: value for part in ("global", "install") if parser.has_section(part) for key, value in parser[part].items()
    }
    for key in ("index-url", "extra-index-url", "find-links"):
        if value := env.get("PIP_" + key.upper().replace("-", "_")):
            found[key] = value
    return found
