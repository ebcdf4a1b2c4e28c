"""A search in a YAML file: the arguments of `submit` as keys. Errors name the file and the line.

source: train.py
requirements: [xgboost]
metrics: {auc: maximize}
max_trials: 20
parallel_trials: 2
space:
  learning_rate: {type: double, min: 1e-4, max: 0.3, scale: log}
  booster:
    type: categorical
    values: [gbtree, gblinear]
    when:
      - values: [gbtree]
        space:
          max_depth: {type: integer, min: 2, max: 10}
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

from gcpmlops._jobs.settings import JobSettings
from gcpmlops._tuning import space
from gcpmlops._tuning.space import Categorical, Discrete, Double, Integer, Parameter
from gcpmlops._tuning.spec import SEARCH_SETTINGS, Search
from gcpmlops._yaml_file import YamlFile, allowed
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_, is_gs_uri

_KINDS: dict[str, type[Parameter]] = {
    "double": Double, "integer": Integer, "discrete": Discrete, "categorical": Categorical
}  # fmt: skip
_NOT_IN_FILES = {"worker_pools", "dry_run"}  # objects, and what is said where the search is started
_JOB_SETTINGS = ("source", *(name for name in JobSettings.__annotations__ if name not in _NOT_IN_FILES))


def check_settings(given: Iterable[str]) -> None:
    """Raises TypeError for an argument of `submit` that there is not, as a call would."""
    known = (*SEARCH_SETTINGS, *JobSettings.__annotations__)
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            raise TypeError(
                f"there is no setting {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"known: {known}")
            )


def load(path: Path_) -> dict[str, Any]:
    """The arguments that the file holds; relative paths start at the file's folder. Raises InvalidArgument."""
    return _File(Path(path)).settings()


class _File(YamlFile):
    """A search as a YAML document."""

    keys = "space, metrics, ..."

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._parameters: dict[str, int] = {}  # the line of each, wherever it is nested

    def settings(self) -> dict[str, Any]:
        """The whole file."""
        found: dict[str, Any] = {}
        nodes: dict[str, Any] = {}
        for key, key_node, node in self._pairs(self._root(), "the file"):
            self._check_key(key, key_node, (*SEARCH_SETTINGS, *_JOB_SETTINGS))
            nodes[key] = node
            found[key] = self._space(node) if key == "space" else self._plain(node)
        self._check_search(found, nodes)
        for key in ("source", "requirements"):
            path = found.get(key)
            if isinstance(path, str) and not is_gs_uri(path):
                found[key] = str(self._path.parent / path)
        return found

    def _check_search(self, found: dict[str, Any], nodes: dict[str, Any]) -> None:
        """What the file says of the search, with stand-ins for what arguments may still say."""
        given = {key: value for key, value in found.items() if key in SEARCH_SETTINGS and value is not None}
        stand_ins: dict[str, Any] = {"space": {"x": Integer(0, 1)}, "metrics": {"x": "maximize"}}
        try:
            Search(**{**stand_ins, **given})
        except InvalidArgument as exc:
            parts = exc.field.split(".")
            node = self._inner(nodes.get(parts[0]), parts[1:])
            if node is None and parts[0] in SEARCH_SETTINGS:
                return  # about a default: the arguments may put it right, or `submit` will say so
            raise self._error(str(exc.message), node, exc) from exc

    def _inner(self, node: Any, parts: Sequence[str]) -> Any:
        """The node of the key that the parts lead to; the last that is there."""
        for part in parts:
            pairs = getattr(node, "value", None)
            if not isinstance(pairs, list):
                break
            node = next((key for key, _ in pairs if key.value == part), node)
        return node

    def _space(self, node: Any) -> dict[str, Parameter]:
        found: dict[str, Parameter] = {}
        for name, key_node, child in self._pairs(node, "space"):
            try:
                space.check_name(name)
            except InvalidArgument as exc:
                raise self._error(exc.message, key_node, exc) from exc
            self._check_new(name, key_node)
            found[name] = self._parameter(name, child)
        if not found:
            raise self._error("the search space is empty", node, InvalidArgument(field="space", allowed="a parameter"))
        return found

    def _check_new(self, name: str, node: Any) -> None:
        line = self._parameters.setdefault(name, node.start_mark.line + 1)
        if line != node.start_mark.line + 1:
            first = allowed(f"space.{name}", f"each id once; the first stands in line {line}")
            raise self._error(f"parameter {name!r} stands twice", node, first)

    def _parameter(self, name: str, node: Any) -> Parameter:
        pairs = {key: (key_node, child) for key, key_node, child in self._pairs(node, name)}
        if "type" not in pairs:
            raise self._error(f"{name} has no type", node, allowed("type", ", ".join(_KINDS)))
        kind = self._kind(pairs["type"][1])
        known = [each.name for each in fields(kind) if each.name != "conditions"]
        given: dict[str, Any] = {}
        for key, (key_node, child) in pairs.items():
            self._check_key(key, key_node, ("type", *known, *(["when"] if kind is not Double else [])))
            if key in known:
                given[key] = self._plain(child)
        self._check_required(name, kind, given, node)
        try:
            parameter = kind(**given)
        except InvalidArgument as exc:
            where = pairs[exc.field][0] if exc.field in pairs else node
            raise self._error(f"{name}: {exc.message}", where, exc) from exc
        return self._conditions(name, parameter, pairs["when"][1]) if "when" in pairs else parameter

    def _kind(self, node: Any) -> type[Parameter]:
        kind = _KINDS.get(str(node.value))
        if kind is None:
            raise self._error(f"type {node.value!r} is not known", node, allowed("type", ", ".join(_KINDS)))
        return kind

    def _check_required(self, name: str, kind: type[Parameter], given: dict[str, Any], node: Any) -> None:
        needed = ("min", "max") if kind in (Double, Integer) else ("values",)
        missing = [key for key in needed if key not in given]
        if missing:
            raise self._error(f"{name} has no {missing[0]}", node, allowed(missing[0], f"{', '.join(needed)} needed"))

    def _conditions(self, name: str, parameter: Any, node: Any) -> Parameter:
        if not isinstance(node.value, list) or node.id != "sequence":
            raise self._error(f"{name}: when is not a list", node, allowed("when", "- values: [...] with a space:"))
        for entry in node.value:
            parts = {key: (key_node, child) for key, key_node, child in self._pairs(entry, f"{name}: when")}
            for key, (key_node, _) in parts.items():
                self._check_key(key, key_node, ("values", "space"))
            if set(parts) != {"values", "space"}:
                raise self._error(f"{name}: when needs values and space", entry, allowed("when", "values and space"))
            children = self._space(parts["space"][1])
            try:
                parameter = parameter.when(self._plain(parts["values"][1]), children)
            except InvalidArgument as exc:
                raise self._error(f"{name}: {exc.message}", parts["values"][0], exc) from exc
        return parameter  # type: ignore[no-any-return]
