"""REST routes: ``google.api.http`` path templates in a trie, matched segment by segment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

_VARIABLE = re.compile(r"\{([\w.]+)(?:=([^}]*))?\}")


@dataclass
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    ends: dict[tuple[str, str], _End] = field(default_factory=dict)  # by (HTTP verb, custom verb)


@dataclass(frozen=True)
class _End:
    target: Any
    variables: tuple[tuple[str, int, int | None], ...]  # field path, first segment, one past the last (None: all)


@dataclass(frozen=True)
class Match:
    """What a request path is: its target, and the fields bound by the path."""

    target: Any
    variables: dict[str, str]


class Routes:
    """Maps (HTTP verb, path) to targets."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, verb: str, template: str, target: Any) -> None:
        """Adds a template such as ``/v1/{name=projects/*/things/*}:cancel``; the first of two equal ones wins."""
        template, custom = _split_verb(template)
        segments, variables = _segments(template)
        node = self._root
        for segment in segments:
            node = node.children.setdefault(segment, _Node())
        node.ends.setdefault((verb, custom), _End(target, variables))

    def match(self, verb: str, path: str) -> Match | None:
        """The route of a raw (still percent-encoded) path."""
        parts = path.strip("/").split("/")
        for custom in _custom_verbs(parts[-1]):
            plain = [*parts[:-1], parts[-1][: len(parts[-1]) - len(custom)]] if custom else parts
            end = _find(self._root, plain, 0, (verb, custom.removeprefix(":")))
            if end is not None:
                bound = {name: "/".join(map(unquote, plain[start:stop])) for name, start, stop in end.variables}
                return Match(end.target, bound)
        return None


def _split_verb(template: str) -> tuple[str, str]:
    head, _, tail = template.rpartition("}")
    colon = tail.rfind(":")
    if colon < 0:
        return template, ""
    return head + ("}" if head else "") + tail[:colon], tail[colon + 1 :]


def _segments(template: str) -> tuple[list[str], tuple[tuple[str, int, int | None], ...]]:
    segments: list[str] = []
    variables: list[tuple[str, int, int | None]] = []
    for piece in re.split(r"/(?![^{]*\})", template.strip("/")):
        match = _VARIABLE.fullmatch(piece)
        inner = (match.group(2) or "*").split("/") if match else [piece]
        start = len(segments)
        segments += inner
        if match:
            variables.append((match.group(1), start, None if inner[-1] == "**" else len(segments)))
    return segments, tuple(variables)


def _custom_verbs(last: str) -> list[str]:
    colon = last.rfind(":")
    return [last[colon:], ""] if colon >= 0 else [""]


def _find(node: _Node, parts: list[str], at: int, key: tuple[str, str]) -> _End | None:
    if at == len(parts):
        return node.ends.get(key)
    for label in (parts[at], "*"):
        child = node.children.get(label)
        if child is not None and parts[at] and (end := _find(child, parts, at + 1, key)) is not None:
            return end
    rest = node.children.get("**")
    return rest.ends.get(key) if rest is not None else None
