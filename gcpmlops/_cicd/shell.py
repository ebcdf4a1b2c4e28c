"""What all rendered pipelines share: the commands of the steps, what is installed before, and YAML's form."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gcpmlops._cicd.definition import CHECKS, Definition
from gcpmlops._cicd.workspace import FILE


def step(definition: Definition, root: Path, name: str) -> str:
    """The command of one step, from the root."""
    path = relative(definition.path, root)
    return f"gcpmlops cicd step {name}" + ("" if path == "delivery.yaml" else f" --definition {shlex.quote(path)}")


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
        others = f"--requirement {shlex.quote(path)}"
    else:
        others = " ".join(map(shlex.quote, wanted))
    words = ("python -m pip install --quiet", options, own or shlex.quote(definition.gcpmlops), others)
    return " ".join(filter(None, words))


def workspace(definition: Definition, root: Path) -> str:
    """The file that the steps share, from the root."""
    return relative(definition.folder / FILE, root)


def relative(path: Path, root: Path) -> str:
    """With / on every machine."""
    return Path(os.path.relpath(path.resolve(), root.resolve())).as_posix()


def yaml_text(data: Mapping[str, Any]) -> str:
    """In the order given; a text of several lines as a block, long ones not folded."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)  # lists are indented below their key

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    made: str = yaml.dump(data, Dumper=Dumper, sort_keys=False, width=1000, allow_unicode=True)
    return made
