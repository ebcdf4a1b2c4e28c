"""A job's own, empty environment on top of a shared one: what the job installs stays in it and goes with it."""

from __future__ import annotations

import os
import re
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from gcpmlops.emulator.runtimes import pip_shim
from gcpmlops.emulator.runtimes.environment import Environment
from gcpmlops.emulator.runtimes.installation import find_uv


@dataclass(frozen=True)
class Layer:
    """A virtual environment that sees the packages of `base` below its own."""

    path: Path
    base: Environment
    user_base: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.path / "bin" / "python"

    def variables(self) -> dict[str, str]:
        """Environment variables that make it the Python of a process."""
        search = [self.path / "bin", self.user_base / "bin", *self.base.bins]
        return {
            "PATH": os.pathsep.join([*map(str, search), os.environ.get("PATH", os.defpath)]),
            "VIRTUAL_ENV": str(self.path),
            "PYTHONUSERBASE": str(self.user_base),
        }


def make_layer(base: Environment, path: Path, user_base: Path) -> Layer:
    """Writes the few files of a layer; takes about a millisecond."""
    layer = Layer(path, base, user_base)
    version = f"python3.{base.minor}"
    site = path / "lib" / version / "site-packages"
    user_site = user_base / "lib" / version / "site-packages"
    site.mkdir(parents=True)
    (path / "bin").mkdir()
    (path / "pyvenv.cfg").write_text(_config((base.path / "pyvenv.cfg").read_text()))
    (site / "_gcpmlops_base.pth").write_text(
        # pip refuses --user where this is false, and Python sets it between the two readings of this file
        "import site; site.ENABLE_USER_SITE = True; "
        f"site.addsitedir({str(user_site)!r}); site.addsitedir({str(base.site_packages)!r})\n"
    )
    for name in ("python", "python3", version):
        (path / "bin" / name).symlink_to(base.python.resolve())
    for name in ("pip", "pip3", f"pip3.{base.minor}"):
        _script(path / "bin" / name, layer)
    return layer


def _config(text: str) -> str:
    """The base's settings, with a `False` that Python reads as false, but pip (which wants lower case) does not see.

    So the interpreter's own packages stay hidden, and pip does not refuse `--user`.
    """
    return re.sub(r"(?m)^include-system-site-packages *=.*$", "include-system-site-packages = False", text)


def _script(path: Path, layer: Layer) -> None:
    uv = (find_uv() or "-") if layer.base.bare else "-"
    python = str(layer.python)
    words = [python, "-I", "-S", pip_shim.__file__, uv, python]
    path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
