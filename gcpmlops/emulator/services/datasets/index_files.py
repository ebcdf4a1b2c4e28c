"""Index files, which name the items of an image, text or video dataset: CSV or JSON lines.

https://cloud.google.com/vertex-ai/docs/image-data/classification/prepare-data
"""

from __future__ import annotations

import csv
import hashlib
import json
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import json_format

from gcpmlops.emulator.services.datasets.sources import Files, Sources

ML_USE = "aiplatform.googleapis.com/ml_use"
_USES = {"training", "validation", "test"}
_LABELS = "dataItemResourceLabels"


@dataclass(frozen=True)
class Entry:
    """One item: its DataItem payload, its labels, and a digest of its content."""

    payload: dict[str, Any]
    digest: str
    labels: dict[str, str] = field(default_factory=dict)


def entries(kind: str, uri: str, sources: Sources) -> Iterator[Entry]:
    """The items that an index file names. Raises InvalidArgument naming a line, NotFound naming a missing file."""
    for found, path in sources.paths(Files((uri,))):
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = _json_lines(file, found) if found.endswith((".jsonl", ".json")) else _csv_lines(file, kind)
            for number, line in enumerate(reader, 1):
                yield _entry(kind, line, f"{found}, line {number}", sources)


def line(kind: str, item: types.DataItem) -> dict[str, Any]:
    """The line of an index file that names an item."""
    payload = json_format.MessageToDict(types.DataItem.pb(item).payload)
    content = {f"{kind}GcsUri": payload["gcsUri"]} if "gcsUri" in payload else {"textContent": payload["textContent"]}
    return {**content, **({_LABELS: dict(item.labels)} if item.labels else {})}


def _json_lines(file: Any, uri: str) -> Iterator[dict[str, Any]]:
    for number, text in enumerate(file, 1):
        if text.strip():
            try:
                yield dict(json.loads(text))
            except (ValueError, TypeError) as error:
                raise exceptions.InvalidArgument(f"{uri}, line {number} is not a JSON object: {error}") from error


def _csv_lines(file: Any, kind: str) -> Iterator[dict[str, Any]]:
    """`[ML_USE,]gs://...[,annotation...]`: the annotations are left out."""
    for values in csv.reader(file):
        use = values[0].strip().lower() if values else ""
        labels = {_LABELS: {ML_USE: use}} if use in _USES else {}
        content = values[1] if use in _USES and len(values) > 1 else values[0] if values else ""
        if content:
            name = f"{kind}GcsUri" if content.startswith("gs://") or kind != "text" else "textContent"
            yield {name: content.strip(), **labels}


def _entry(kind: str, found: dict[str, Any], where: str, sources: Sources) -> Entry:
    labels = {str(key): str(value) for key, value in (found.get(_LABELS) or {}).items()}
    if kind == "text" and "textContent" in found:
        text = str(found["textContent"])
        return Entry({"textContent": text}, _digest(text.encode()), labels)
    uri = str(found.get(f"{kind}GcsUri", ""))
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not name:
        raise exceptions.InvalidArgument(f"{where}: {kind}GcsUri {uri!r} is not gs://BUCKET/OBJECT.")
    try:
        content = sources.objects.local_path(bucket, name).read_bytes()
    except exceptions.NotFound as error:
        raise exceptions.NotFound(f"{where}: {uri} is not found.") from error
    mime = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return Entry({"gcsUri": uri, "mimeType": mime}, _digest(content), labels)


def _digest(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=12).hexdigest()
