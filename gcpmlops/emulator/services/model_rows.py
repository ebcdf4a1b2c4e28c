"""Where models live in the store: a head for what all versions share, and one row for each version.

Rows are official Model messages. The head (`.../models/M`) holds display name, description, the model's labels and, as
`version_id`, the last version given out; a version (`.../models/M@V`) holds the rest, its own labels and its aliases.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names
from gcpmlops.emulator.kernel.service import ResourceStore

MODEL = "projects/{project}/locations/{location}/models/{model}"
DEFAULT = "default"


class ModelRows:
    """Reads and finds models; writing is up to ModelService and, for back references, to EndpointService."""

    def __init__(self, store: ResourceStore) -> None:
        self.rows: Any = store.collection(types.Model)

    def head(self, model: str) -> types.Model:
        """What the versions share. Raises NotFound."""
        found: types.Model = self.rows.get(model)
        return found

    def versions(self, model: str) -> list[types.Model]:
        """The version rows of a model, oldest first."""
        found: list[types.Model] = self.rows.list(parent=model)
        return found

    def version(self, name: str) -> types.Model:
        """The version row that `M`, `M@VERSION` or `M@ALIAS` means. Raises NotFound, InvalidArgument."""
        model, _, wanted = name.partition("@")
        names.parse(MODEL, model)
        if wanted.isdigit():
            found: types.Model = self.rows.get(name)
            return found
        self.head(model)
        alias = wanted if wanted not in ("", "-") else DEFAULT
        for version in self.versions(model):
            if alias in version.version_aliases:
                return version
        raise exceptions.NotFound(f"Model {model} has no version with the alias {alias!r}.")

    def reply(self, version: types.Model) -> types.Model:
        """A version as clients see it: with what it shares with the others."""
        return merged(self.head(version.name), version)


def key_of(version: types.Model) -> str:
    """The row name of a version."""
    return f"{version.name}@{version.version_id}"


def merged(head: types.Model, version: types.Model) -> types.Model:
    """Head and version as one message."""
    shown = types.Model(version)
    shown.display_name, shown.description = head.display_name, head.description
    shown.create_time, shown.update_time = head.create_time, max(head.update_time, version.version_update_time)
    shown.labels = {**head.labels, **version.labels}
    shown.etag = etag(shown, ignore=("etag", "update_time", "deployed_models"))
    return shown


def etag(message: Any, ignore: Sequence[str]) -> str:
    """A digest of what clients may change."""
    raw = type(message).pb(type(message)(message))
    for field in ignore:
        raw.ClearField(field)
    return hashlib.blake2b(raw.SerializeToString(deterministic=True), digest_size=12).hexdigest()


def check_etag(given: str, current: str, name: str) -> None:
    """Refuse an update that was made from an older state. Raises Aborted."""
    if given and given != current:
        raise exceptions.Aborted(f"The etag of {name} does not match: it has been changed since it was read.")
