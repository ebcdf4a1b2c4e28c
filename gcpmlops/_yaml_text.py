"""YAML as all its readers understand it: 1.1 and 1.2, PyYAML's and Go's, differ in which plain words are texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# what is no text to some: 1e3 and 0o17 (numbers of 1.2), y and n (truths of kubectl)
_AMBIGUOUS = re.compile(r"[-+]?(?:0o[0-7]+|(?:\.\d+|\d+(?:\.\d*)?)(?:[eE][-+]?\d+)?)|[yYnN]")


def dump(*documents: Mapping[str, Any]) -> str:
    """In the order given; a text of several lines as a block, long ones not folded, lists indented below their key."""
    import yaml  # not with the module: importing gcpmlops stays light

    class Dumper(yaml.SafeDumper):
        def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
            super().increase_indent(flow, False)

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
        style = "|" if "\n" in value else "'" if _AMBIGUOUS.fullmatch(value) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    made: str = yaml.dump_all(documents, Dumper=Dumper, sort_keys=False, width=1000, allow_unicode=True)
    return made
