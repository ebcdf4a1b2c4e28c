"""What all rendered pipelines share: the commands of the steps, and what is installed before."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from gcpmlops._cicd.definition import CHECKS, Definition
from gcpmlops._cicd.workspace import FILE
from gcpmlops.exceptions import InvalidArgument


def step(definition: Definition, root: Path, name: str) -> str:
    """The command of one step, from the root."""
    path = relative(definition.path, root)
    return f"gcpmlops cicd step {name}" + ("" if path == "delivery.yaml" else f" --definition {quoted(path)}")


def checks(definition: Definition) -> list[str]:
    """The steps that need no cloud."""
    return [name for name in definition.steps if name in CHECKS]


def deliveries(definition: Definition) -> list[str]:
    """The others."""
    return [name for name in definition.steps if name not in CHECKS]


def install(definition: Definition, root: Path, *, options: str = "", own: str = "") -> str:
    """Unless the image brings gcpmlops, and then all that its steps need."""
    return f"command -v gcpmlops > /dev/null || {pip(definition, root, options=options, own=own)}"


def pip(definition: Definition, root: Path, *, options: str = "", own: str = "") -> str:
    """Installs gcpmlops and the definition's requirements; `own` is a word of the shell instead of its gcpmlops."""
    wanted = definition.requirements
    if isinstance(wanted, str):
        path = relative(definition.folder / wanted, root)
        others = f"--requirement {quoted(path)}"
    else:
        others = " ".join(map(quoted, wanted))
    words = ("python -m pip install --quiet", options, own or quoted(definition.gcpmlops), others)
    return " ".join(filter(None, words))


def quoted(text: str) -> str:
    """As one word of sh, in a form that neither GitHub takes for an expression nor shellcheck for a slip."""
    if not re.search(r"[$`\\]", text):
        return shlex.quote(text)
    return '"' + re.sub(r'([$`\\"])', r"\\\1", text).replace("${{", '$""{{') + '"'


def workspace(definition: Definition, root: Path) -> str:
    """The file that the steps share, from the root, as a pattern: each platform reads some characters as its own."""
    return re.sub(r"[^\w./-]", "?", relative(definition.folder / FILE, root).removeprefix("./"))


def relative(path: Path, root: Path) -> str:
    """With / on every machine; a first character that is no option's. Raises InvalidArgument for what is elsewhere."""
    there = path.parent.resolve() / path.name  # a link is what the repository has
    found = Path(os.path.relpath(there, root.resolve())).as_posix()
    if found.startswith("../"):
        raise InvalidArgument(f"{path} is not below {root}", field="root", value=str(root), allowed="a folder above it")
    return f"./{found}" if found[0] in "-~" else found
