"""A retraining in a YAML file: the arguments of `ensure`; errors name file and line.

name: flights
model: flight-delays
endpoint: flight-delays
source: trainer
training: SELECT ... WHERE time_hour < TIMESTAMP_SUB(@now, INTERVAL 14 DAY)
evaluation: SELECT ... WHERE time_hour BETWEEN TIMESTAMP_SUB(@now, INTERVAL 14 DAY) AND @now
evaluate: {target: late, score: prediction_1}
gates: gates.yaml
mode: propose
triggers:
  - schedule: {cron: "0 6 1 * *", time_zone: America/New_York}
  - quality: {query: SELECT ..., minimum: 0.7, every: "0 6 * * *"}
"""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

from gcpmlops._endpoints.strategies import Canary, Quality
from gcpmlops._retraining.recipe import Budget
from gcpmlops._retraining.triggers import KINDS, Trigger
from gcpmlops._yaml_file import YamlFile, allowed
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.retraining import Retraining
from gcpmlops.types import is_gs_uri

_KEYS = tuple(name for name in signature(Retraining.ensure).parameters if name != "self")
_NEEDED = ("name", "model", "endpoint", "training", "evaluation", "evaluate", "triggers")


class _RetrainingFile(YamlFile):
    keys = ", ".join(_NEEDED)

    def arguments(self) -> dict[str, Any]:
        """Of `ensure`; `name` is among them."""
        given: dict[str, Any] = {"source": None}
        root = self._root()
        for key, key_node, node in self._pairs(root, "the file"):
            self._check_key(key, key_node, _KEYS)
            given[key] = self._triggers(node) if key == "triggers" else self._value(key, node)
        for name in _NEEDED:
            if name not in given:
                raise self._error(f"{name} is missing", root, allowed(name, self.keys))
        return given

    def _value(self, key: str, node: Any) -> Any:
        value = self._plain(node)
        if key in ("source", "gates") and isinstance(value, str) and not is_gs_uri(value):
            return self._path.parent / value  # beside the file
        if key == "budget":
            return self._made(Budget, value, node)
        if key == "canary":
            quality = value.get("quality") if isinstance(value, dict) else None
            given = {**value, "quality": self._made(Quality, quality, node)} if quality else value
            return self._made(Canary, given, node)
        return value

    def _triggers(self, node: Any) -> list[Trigger]:
        if node.id != "sequence":
            raise self._error("triggers is not a list", node, allowed("triggers", ", ".join(KINDS)))
        return [self._trigger(each) for each in node.value]

    def _trigger(self, node: Any) -> Trigger:
        pairs = list(self._pairs(node, "a trigger"))
        if len(pairs) != 1:
            raise self._error("a trigger is one kind with its settings", node, allowed("trigger", ", ".join(KINDS)))
        kind, kind_node, child = pairs[0]
        self._check_key(kind, kind_node, tuple(KINDS))
        made: Trigger = self._made(KINDS[kind], self._plain(child), child)
        return made

    def _made(self, kind: Any, given: Any, node: Any) -> Any:
        if not isinstance(given, dict):
            raise self._error(f"{kind.__name__} is not a mapping", node, allowed(kind.__name__, "KEY: VALUE"))
        try:
            return kind(**given)
        except (TypeError, InvalidArgument) as exc:
            hint = exc if isinstance(exc, InvalidArgument) else allowed(kind.__name__, ", ".join(_fields(kind)))
            text = str(exc).replace(f"{kind.__name__}.__init__() ", "").partition("\n")[0]
            raise self._error(text, node, hint) from exc


def _fields(kind: Any) -> list[str]:
    return [name for name in signature(kind).parameters if name != "self"]


def read(path: Path) -> dict[str, Any]:
    """The arguments of `ensure`. Raises InvalidArgument naming file and line."""
    return _RetrainingFile(path).arguments()
