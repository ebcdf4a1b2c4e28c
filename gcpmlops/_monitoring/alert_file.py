"""Channels and alerts in a YAML file; errors name the file and the line.

channels:
  on call: {kind: pubsub, topic: alerts}
alerts:
  "flights: errors":
    kind: error_rate
    endpoint: flights
    above: 0.02
    severity: CRITICAL
    channels: [on call]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from gcpmlops._monitoring import alerts, channels
from gcpmlops._yaml_file import YamlFile, allowed
from gcpmlops.exceptions import InvalidArgument

_OPTIONS = ("channels", "severity", "auto_close", "runbook", "labels", "enabled")
_SOME_ENDPOINT = "projects/p/locations/l/endpoints/0"


class AlertFile(YamlFile):
    """One file."""

    keys = "channels and alerts, each a mapping of names"

    def read(self) -> tuple[dict[str, Any], list[tuple[str, Any, dict[str, Any]]]]:
        """(channels by name, [(name, alert, options)]), all checked. Raises InvalidArgument."""
        found: dict[str, list[tuple[str, Any, dict[str, Any]]]] = {"channels": [], "alerts": []}
        for key, key_node, node in self._pairs(self._root(), "the file"):
            self._check_key(key, key_node, tuple(found))
            kinds, options = (channels.KINDS, ()) if key == "channels" else (alerts.KINDS, _OPTIONS)
            for name, _, child in self._pairs(node, key):
                found[key].append((name, *self._made(child, kinds, options)))
        if not any(found.values()):
            raise self._error("there is nothing in it", None, allowed("alerts", self.keys))
        return {name: target for name, target, _ in found["channels"]}, found["alerts"]

    def _made(self, node: Any, kinds: Mapping[str, type[Any]], options: Sequence[str]) -> tuple[Any, dict[str, Any]]:
        given: dict[str, Any] = {}
        nodes: dict[str, Any] = {}
        for key, key_node, child in self._pairs(node, "it"):
            given[key], nodes[key] = self._plain(child), key_node
        kind = given.pop("kind", None)
        if kind not in kinds:
            raise self._error(f"kind is {kind!r}", nodes.get("kind", node), allowed("kind", ", ".join(kinds)))
        known = tuple(each.name for each in fields(kinds[kind]))
        for key in given:
            self._check_key(key, nodes[key], (*known, *options))
        try:
            made = build(kinds[kind], {key: value for key, value in given.items() if key in known})
        except InvalidArgument as exc:
            raise self._error(exc.message, nodes.get(exc.field, node), exc) from exc
        return made, {key: value for key, value in given.items() if key in options}


def build(kind: type[Any], given: Mapping[str, Any]) -> Any:
    """An alert or a channel's target of its fields, checked as far as that goes without a service.

    Raises InvalidArgument.
    """
    needed = [each.name for each in fields(kind) if each.default is MISSING and each.default_factory is MISSING]
    missing = [name for name in needed if given.get(name) in (None, "")]
    if missing:
        raise InvalidArgument(
            f"{getattr(kind, 'kind', kind.__name__)} needs {', '.join(missing)}",
            field=missing[0],
            allowed=", ".join(each.name for each in fields(kind)),
        )
    for name, value in given.items():
        text = {each.name: str(each.type) for each in fields(kind)}[name]
        if text.startswith(("float", "int")) and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise InvalidArgument(f"{name} is {value!r}", field=name, value=value, allowed="a number")
        if text == "str" and not isinstance(value, str):
            raise InvalidArgument(f"{name} is {value!r}", field=name, value=value, allowed="a text")
    made = kind(**given)
    if hasattr(made, "conditions"):
        made.conditions(lambda _: _SOME_ENDPOINT)
    else:
        made.labels("project")
    return made
