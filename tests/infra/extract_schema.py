"""Development: `python tests/infra/extract_schema.py WHEEL` writes schema.json, what the HCL is checked against.

WHEEL is cdktf-cdktf-provider-google of PyPI (49 MB, so no dependency), whose JSII assembly carries the schema of the
provider. Only the types that infra/ uses are kept.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
INFRA = HERE.parents[1] / "infra"
_USED = re.compile(r'^(resource|data)\s+"(google_\w+)"', re.MULTILINE)
_LINK = re.compile(r"/google/([\d.]+)/docs/(?:resources|data-sources)/\w+#(\w+)")


def block(types: dict[str, Any], fqn: str) -> dict[str, Any]:
    """Attributes (name: required) and blocks (name: required, content) of a struct."""
    attributes, blocks = {}, {}
    for item in types[fqn].get("properties", []):
        link = _LINK.search(json.dumps(item.get("docs", {})))
        if link is None:
            continue
        name, required = link[2], not item.get("optional")
        inner = re.search(r'"fqn": "(@cdktf/provider-google[^"]+)"', json.dumps(item["type"]))
        if inner and item["docs"].get("summary", "").endswith("block."):
            blocks[name] = {"required": required, **block(types, inner[1])}
        else:
            attributes[name] = required
    return {"attributes": attributes, "blocks": blocks}


def config(types: dict[str, Any], kind: str, name: str) -> dict[str, Any]:
    """The schema of a resource or data source."""
    plain = "".join(map(str.title, name.removeprefix("google_").split("_")))
    wanted = f"{'Data' if kind == 'data' else ''}{'Google' if kind == 'data' else ''}{plain}Config".lower()
    fqn = next(fqn for fqn in types if fqn.rpartition(".")[2].lower() == wanted)
    return block(types, fqn)


def main(wheel: str) -> None:
    """Writes schema.json."""
    with zipfile.ZipFile(wheel) as archive:
        inner = next(name for name in archive.namelist() if name.endswith(".jsii.tgz"))
        packed = io.BytesIO(archive.read(inner))
    with tarfile.open(fileobj=packed) as package:
        member = package.extractfile("package/.jsii")
        assert member is not None
        text = member.read().decode()
    types, version = json.loads(text)["types"], _LINK.search(text)
    assert version is not None
    used = sorted({found for path in INFRA.rglob("*.tf") for found in _USED.findall(path.read_text("utf-8"))})
    found: dict[str, Any] = {"provider": version[1], "resource": {}, "data": {}}
    for kind, name in used:
        found[kind][name] = config(types, kind, name)
    (HERE / "schema.json").write_text(json.dumps(found, separators=(",", ":"), sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
