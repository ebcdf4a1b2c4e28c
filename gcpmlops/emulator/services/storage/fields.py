"""Partial responses: the ``fields`` parameter, as ``items(name,size),nextPageToken`` or ``items/name``."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from gcpmlops.emulator.services.storage import errors

Tree = dict[str, "Tree"]  # an empty tree keeps everything below


@lru_cache(maxsize=256)
def parse(text: str) -> Tree:
    """The mask as a tree. Raises BadRequest."""
    tree, rest = _selection(text.replace(" ", ""))
    if rest:
        raise errors.invalid(f"Invalid field selection {text}")
    return tree


def project(value: Any, tree: Tree) -> Any:
    """What the mask leaves of a value; lists are masked item by item."""
    if not tree or "*" in tree:
        return value
    if isinstance(value, list):
        return [project(item, tree) for item in value]
    if isinstance(value, dict):
        return {key: project(item, tree[key]) for key, item in value.items() if key in tree}
    return value


def _selection(text: str) -> tuple[Tree, str]:
    tree: Tree = {}
    while text:
        text = _field(text, tree)
        if not text.startswith(","):
            break
        text = text[1:]
    return tree, text


def _field(text: str, tree: Tree) -> str:
    end = next((at for at, char in enumerate(text) if char in "/,()"), len(text))
    name, rest = text[:end], text[end:]
    if not name:
        raise errors.invalid(f"Invalid field selection {text}")
    branch = tree.setdefault(name, {})
    if rest.startswith("/"):
        return _field(rest[1:], branch)
    if rest.startswith("("):
        below, rest = _selection(rest[1:])
        branch.update(below)
        if not rest.startswith(")"):
            raise errors.invalid(f"Invalid field selection {text}")
        return rest[1:]
    return rest
