"""The making of environments: uv, or pip where uv can't; both told the user's own index."""

from __future__ import annotations

import configparser
import logging
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from google.api_core import exceptions

from gcpmlops.emulator.runtimes.cancellation import Cancellation
from gcpmlops.emulator.runtimes.process import OnLine, Processes, ProcessSpec

log = logging.getLogger(__name__)

sysconfig.get_config_vars()  # Python 3.11 shows a second thread half-filled ones: filled here, before there is one

_BINARY_ONLY = (
    "numpy",
    "scipy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "xgboost",
    "xgboost-cpu",
    "lightgbm",
    "torch",
    "tensorflow-cpu",
)
_CONSTRAINTS = Path(__file__).with_name("constraints.txt")
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


class Installation:
    """The making of one environment."""

    def __init__(
        self, processes: Processes, env: Mapping[str, str], on_line: OnLine, cancellation: Cancellation
    ) -> None:
        self._processes = processes
        self._env = env
        self._on_line = on_line
        self.cancellation = cancellation

    def make(self, path: Path, interpreter: Path, packages: Sequence[str]) -> None:
        """A new environment with the packages; nothing is left of it where that fails."""
        with _undone_on_failure(path):
            self._create(path, interpreter, seed=True)
            if packages:
                self._install(_python(path), packages, [*_binary_only(), *packages])

    def stack(self, path: Path, base: Path, site_packages: Path, packages: Sequence[str]) -> None:
        """A new environment on top of `base`, with what the packages need and `base` lacks."""
        with _undone_on_failure(path):
            self._create(path, _python(base).resolve(), seed=False)
            own = path / site_packages.relative_to(base)
            (own / "_gcpmlops_base.pth").write_text(f"import site; site.addsitedir({str(site_packages)!r})\n")
            missing, uv_error = self._missing(_python(base), packages)
            self._install(_python(path), packages, ["--no-deps", *missing], uv_error)

    def _missing(self, base: Path, packages: Sequence[str]) -> tuple[list[str], str]:
        """What uv would add to `base`: uv does not look below an environment, so it is asked there.

        Its last lines where it can't tell.
        """
        uv = find_uv()
        if not uv:
            return [], "uv is not installed"
        said: list[str] = []
        ask = [uv, "pip", "install", "--dry-run", "--color", "never", "--python", str(base), *_binary_only()]
        ask += ["--constraint", str(_CONSTRAINTS)]
        error = self._run([*ask, *packages], said)
        return [line.removeprefix(" + ") for line in said if line.startswith(" + ")] or list(packages), error

    def _create(self, path: Path, interpreter: Path, *, seed: bool) -> None:
        uv = find_uv()
        options = ["--seed"] if seed else []
        if uv and not self._run([uv, "venv", "--quiet", *options, "--python", str(interpreter), str(path)]):
            return
        shutil.rmtree(path, ignore_errors=True)
        if error := self._run([str(interpreter), "-m", "venv", str(path)]):
            raise exceptions.FailedPrecondition(f"no virtual environment can be made with {interpreter}: {error}")

    def _install(self, python: Path, packages: Sequence[str], uv_arguments: Sequence[str], uv_error: str = "") -> None:
        uv = find_uv()
        if not uv:
            uv_error = "uv is not installed"
        elif not uv_error:
            uv_error = self._run([uv, "pip", "install", "--quiet", "--python", str(python), *uv_arguments])
        if uv_error:
            # an index that is configured for pip alone, or that uv can't read
            log.info("uv could not install %s, trying pip: %s", packages, uv_error)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            pip_error = self._run([*pip, "--only-binary", ",".join(_BINARY_ONLY), *packages])
            if pip_error:
                names = ", ".join(name.rpartition("/")[2] for name in packages)  # archives are given by their paths
                raise exceptions.FailedPrecondition(f"{names} can't be installed.\nuv: {uv_error}\npip: {pip_error}")

    def _run(self, argv: Sequence[str], said: list[str] | None = None) -> str:
        """Runs an installer to its end; returns its last lines where it failed, else nothing.

        Its lines go into the log, or into `said`.
        """
        on_line = self._on_line if said is None else lambda _, text: said.append(text)
        self.cancellation.check()
        with tempfile.TemporaryDirectory(prefix="gcpmlops-install-") as scratch:
            env = {**self._env, "TMPDIR": scratch}
            spec = ProcessSpec(argv, env, Path(scratch), timeout_s=_INSTALL_TIMEOUT_S, grace_s=2)
            process = self._processes.start(spec, on_line, lambda _: None)
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


def installer_env(source: Mapping[str, str]) -> dict[str, str]:
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


def _python(path: Path) -> Path:
    return path / "bin" / "python"


def _binary_only() -> list[str]:
    return [word for name in _BINARY_ONLY for word in ("--only-binary", name)]


@contextmanager
def _undone_on_failure(path: Path) -> Iterator[None]:
    if path.exists():  # somebody was interrupted
        shutil.rmtree(path)
    try:
        yield
    except BaseException:
        shutil.rmtree(path, ignore_errors=True)
        raise
