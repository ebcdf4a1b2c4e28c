"""Terraform's files as data: blocks told from attributes, quotes taken off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hcl2

INFRA = Path(__file__).parents[2] / "infra"
FILES = sorted(INFRA.rglob("*.tf"))
FOLDERS = sorted({path.parent for path in FILES})


@cache
def folder(path: Path) -> dict[str, list[Any]]:
    """All blocks of a module by kind."""
    found: dict[str, list[Any]] = {}
    for file in sorted(path.glob("*.tf")):
        for kind, blocks in hcl2.loads(file.read_text("utf-8")).items():
            if isinstance(blocks, list):
                found.setdefault(bare(kind), []).extend(blocks)
    return found


def bare(text: str) -> str:
    """Without quotes."""
    return text.strip('"')


def labelled(path: Path, kind: str) -> dict[str, dict[str, Any]]:
    """Blocks with one label (variable, output, module) by it."""
    return {bare(label): body for block in folder(path).get(kind, []) for label, body in block.items()}


def typed(path: Path, kind: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Resources and data sources by type and name."""
    found = {}
    for block in folder(path).get(kind, []):
        for type_, named in block.items():
            found |= {(bare(type_), bare(name)): body for name, body in named.items()}
    return found


def names(path: Path) -> set[str]:
    """The local values of a module."""
    return {bare(name) for block in folder(path).get("locals", []) for name in block if not name.startswith("__")}


def split(body: dict[str, Any]) -> tuple[set[str], list[tuple[str, dict[str, Any]]]]:
    """(names of attributes, blocks with their content); a dynamic block is the block that it makes."""
    attributes, blocks = set(), []
    for name, value in body.items():
        if name.startswith("__"):
            continue
        if not (isinstance(value, list) and value and isinstance(value[0], dict) and "__is_block__" in str(value[0])):
            attributes.add(bare(name))
        elif name == "dynamic":
            blocks += [(bare(label), inner["content"][0]) for each in value for label, inner in each.items()
                       if not label.startswith("__")]  # fmt: skip
        else:
            blocks += [(bare(name), each) for each in value]
    return attributes, blocks


def source(path: Path) -> str:
    """The text of a module, without comments."""
    text = "\n".join(file.read_text("utf-8") for file in sorted(path.glob("*.tf")))
    return re.sub(r"(?m)(^\s*#|\s# ).*$", "", text)


def references(path: Path, pattern: str) -> Iterator[tuple[str, ...]]:
    """All matches of a pattern with groups."""
    for match in re.finditer(pattern, source(path)):
        yield match.groups()
