"""A YAML document kept as nodes that know their lines, so that what is wrong in it is said with file and line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gcpmlops.exceptions import InvalidArgument


class YamlFile:
    """One file. `keys` is what an empty one is told to hold."""

    keys = ""

    def __init__(self, path: Path) -> None:
        self._path = path

    def _root(self) -> Any:
        import yaml

        try:
            root = yaml.compose(self._path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        except OSError as exc:
            reason = exc.strerror or exc
            raise InvalidArgument(f"{self._path}: {reason}", field="config", value=str(self._path)) from exc
        except yaml.MarkedYAMLError as exc:
            line = exc.problem_mark.line + 1 if exc.problem_mark else 1
            raise InvalidArgument(f"{self._path}:{line}: {exc.problem}", field="config") from exc
        except (yaml.YAMLError, UnicodeDecodeError) as exc:
            raise InvalidArgument(f"{self._path}: {exc}", field="config") from exc
        if root is None:
            raise InvalidArgument(f"{self._path}: the file is empty", field="config", allowed=self.keys)
        return root

    def _pairs(self, node: Any, what: str) -> Iterator[tuple[str, Any, Any]]:
        """(key, its node, the value's node); a key that stands twice is an error, not the last one's victory."""
        if node.id != "mapping":
            raise self._error(f"{what} is not a mapping", node, allowed("config", "KEY: VALUE"))
        lines: dict[str, int] = {}
        for key_node, child in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in lines:
                first = allowed("config", f"each key once; the first stands in line {lines[key]}")
                raise self._error(f"{key!r} stands twice", key_node, first)
            lines[key] = line
            yield key, key_node, child

    def _check_key(self, key: str, node: Any, known: Sequence[str]) -> None:
        if key in known:
            return
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(known)}"
        raise self._error(f"unknown key {key!r}", node, InvalidArgument(field=key, next_step=hint))

    def _plain(self, node: Any) -> Any:
        """Plain values; a mapping's keys are checked for being there twice."""
        import yaml

        if node.id == "mapping":
            return {key: self._plain(child) for key, _, child in self._pairs(node, "it")}
        if node.id == "sequence":
            return [self._plain(child) for child in node.value]
        # a SafeLoader of its own text makes numbers, dates and nulls of scalars
        loader = yaml.SafeLoader("")
        try:
            return loader.construct_object(node)
        finally:
            loader.dispose()

    def _error(self, message: str, node: Any, cause: InvalidArgument) -> InvalidArgument:
        line = f":{node.start_mark.line + 1}" if node is not None else ""
        return InvalidArgument(
            f"{self._path}{line}: {message}",
            field=cause.field,
            value=cause.value,
            allowed=cause.allowed,
            next_step=cause.next_step,
        )


def allowed(field: str, what: str) -> InvalidArgument:
    """What `field` may be."""
    return InvalidArgument(field=field, allowed=what)
