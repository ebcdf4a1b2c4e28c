"""Instances that show what a model takes: `samples.json` beside its files, in the shape of a prediction request."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gcpmlops._endpoints.values import instances_of
from gcpmlops.exceptions import InvalidArgument
from gcpmlops.types import Path_, Rows, is_gs_uri

if TYPE_CHECKING:
    from gcpmlops.storage import Storage

FILE = "samples.json"
_ALLOWED = (
    "a list of instances, a DataFrame, a request such as {'instances': [...]}, or a .json or .jsonl file of either"
)

Given: TypeAlias = "Rows | Mapping[str, Any] | Path_"


class Samples(list[Any]):
    """A list of instances; `parameters` is what is sent with them, None for nothing."""

    def __init__(self, instances: Iterable[Any], parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(instances)
        self.parameters = dict(parameters) if parameters else None

    @classmethod
    def of(cls, given: Given, storage: Storage) -> Samples:
        """From what a user gives. Raises InvalidArgument, NotFound for a missing gs:// file."""
        if isinstance(given, Samples):
            return given
        if isinstance(given, (str, Path)):
            return cls.parse(_content(given, storage), where=str(given))
        return cls._checked(given, where="samples")

    @classmethod
    def parse(cls, content: bytes, *, where: str) -> Samples:
        """From the content of a JSON or JSONL file. Raises InvalidArgument with what is wrong."""
        try:
            text = content.decode("utf-8-sig")
            lines = [line for line in text.splitlines() if line.strip()]
            found = [json.loads(line) for line in lines] if where.endswith((".jsonl", ".ndjson")) else json.loads(text)
        except ValueError as exc:  # not UTF-8, not JSON
            raise InvalidArgument(
                f"{where} is not JSON: {exc}", field="samples", value=where, allowed=_ALLOWED
            ) from exc
        return cls._checked(found, where=where)

    @classmethod
    def _checked(cls, given: Any, *, where: str) -> Samples:
        request = given if isinstance(given, Mapping) else {"instances": given}
        unknown = sorted(map(str, set(request) - {"instances", "parameters"}))
        parameters = request.get("parameters")
        if unknown or "instances" not in request or not (parameters is None or isinstance(parameters, Mapping)):
            raise InvalidArgument(f"{where} is no request", field="samples", value=unknown or where, allowed=_ALLOWED)
        samples = cls(instances_of(request["instances"], as_records=False), parameters)
        if not samples:
            raise InvalidArgument(f"{where} has no instances", field="samples", value=[], allowed=_ALLOWED)
        samples.to_json()
        return samples

    def to_json(self) -> bytes:
        """The file's content. Raises InvalidArgument for what JSON cannot say."""
        request = {"instances": list(self), **({"parameters": self.parameters} if self.parameters else {})}
        try:
            return json.dumps(request, allow_nan=False, indent=1).encode()
        except (TypeError, ValueError) as exc:
            raise InvalidArgument(f"samples cannot be written as JSON: {exc}", field="samples") from exc


def _content(given: Path_, storage: Storage) -> bytes:
    if is_gs_uri(given):
        return storage.read(str(given))
    try:
        return Path(given).read_bytes()
    except OSError as exc:
        raise InvalidArgument(f"{given}: {exc.strerror}", field="samples", value=str(given), allowed=_ALLOWED) from exc
