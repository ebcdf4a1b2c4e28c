"""cloudbuild.yaml, or the same as a mapping, as Google's message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gcpmlops import _google
from gcpmlops._yaml_file import YamlFile
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_


class _BuildFile(YamlFile):
    keys = "steps: a list of steps"

    def values(self) -> dict[str, Any]:
        root = self._root()
        found = {key: self._plain(node) for key, _, node in self._pairs(root, "the file")}
        if not found.get("steps"):
            raise InvalidArgument(f"{self._path}: there are no steps", field="config", allowed=self.keys)
        return found


def build_of(config: Path_ | Mapping[str, Any]) -> Any:
    """Google's Build. Raises InvalidArgument naming the file and what is wrong in it."""
    from google.protobuf.json_format import ParseError

    where = "config" if isinstance(config, Mapping) else str(config)
    values = dict(config) if isinstance(config, Mapping) else _BuildFile(Path(config)).values()
    try:
        return _google.cloudbuild.Build.from_json(json.dumps(values, default=str))
    except ParseError as exc:
        reason = str(exc).replace("google.devtools.cloudbuild.v1.", "")
        raise InvalidArgument(
            f"{where}: {reason}", field="config", value=where, allowed="fields of a build, as cloudbuild.yaml has them"
        ) from None
