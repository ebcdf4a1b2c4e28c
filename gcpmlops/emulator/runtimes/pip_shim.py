"""`pip` inside a job: `python -I -S pip_shim.py UV PYTHON ARGUMENTS...`, standalone.

Everything that a job installs goes into its own layer, so `--user` has nothing left to say and is dropped, and
upgrading pip itself is answered at once. UV is uv's binary where the image has no packages of its own (uv does not see
what lies below the layer, and would install it again), else `-`; what uv can't do goes to the real pip.
"""

from __future__ import annotations

import os
import sys

_WITH_VALUE = ("-r", "-e", "-c", "--requirement", "--editable", "--constraint")


def plan(arguments: list[str]) -> list[str] | None:
    """The arguments of the installation that is left to do; None where nothing is."""
    kept = [word for word in arguments if word not in ("--user", "pip")]
    if "pip" not in arguments[1:]:
        return kept
    names_something = any(not word.startswith("-") or word.startswith(_WITH_VALUE) for word in kept[1:])
    return kept if names_something else None


def main(uv: str, python: str, arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    if arguments[:1] != ["install"]:
        return _spawn([python, "-m", "pip", *arguments])
    remaining = plan(arguments)
    if remaining is None:
        return 0
    if uv != "-" and _spawn([uv, "pip", "install", "--python", python, *remaining[1:]]) == 0:
        return 0
    return _spawn([python, "-m", "pip", *remaining])


def _spawn(command: list[str]) -> int:
    return os.spawnv(os.P_WAIT, command[0], command)  # noqa: S606 - the user's own arguments, no shell


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
