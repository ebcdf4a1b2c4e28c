"""What artifacts, contexts and executions have in common, and the form of their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from google.cloud.aiplatform_v1 import types

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.settings import Settings

PROTO = "google.cloud.aiplatform.v1.MetadataService"
LOCATION = "projects/{project}/locations/{location}"
STORE = f"{LOCATION}/metadataStores/{{metadata_store}}"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")
_SchemaType = types.MetadataSchema.MetadataSchemaType


@dataclass(frozen=True)
class Kind:
    """One of the three kinds of node in a metadata store.

    Attributes:
        message: the official message class.
        noun: as in RPC names: `Artifact`.
        collection: as in resource names: `artifacts`.
        schema_type: the type that a schema of this kind has.
    """

    message: Any
    noun: str
    collection: str
    schema_type: Any

    @property
    def template(self) -> str:
        return f"{STORE}/{self.collection}/{{{self.noun.lower()}}}"


ARTIFACT = Kind(types.Artifact, "Artifact", "artifacts", _SchemaType.ARTIFACT_TYPE)
EXECUTION = Kind(types.Execution, "Execution", "executions", _SchemaType.EXECUTION_TYPE)
CONTEXT = Kind(types.Context, "Context", "contexts", _SchemaType.CONTEXT_TYPE)
KINDS = (ARTIFACT, EXECUTION, CONTEXT)


class Names:
    """Reads resource names; one that has the project's number means the same as one that has its id."""

    def __init__(self, settings: Settings) -> None:
        self._number = f"projects/{settings.project_number}/"
        self._id = f"projects/{settings.project}/"

    def parse(self, template: str, name: str) -> str:
        """The name with the project's id. Raises InvalidArgument."""
        names.parse(template, name)
        return self.by_id(name)

    def by_id(self, name: str) -> str:
        """The same name, with the project's id."""
        return self._id + name.removeprefix(self._number) if name.startswith(self._number) else name


def store_of(name: str) -> str:
    """The metadata store in the name of something below it."""
    return "/".join(name.split("/")[:6])


def check_id(field: str, given: str) -> None:
    """Raises InvalidArgument for an id that is not allowed."""
    if given and not _ID.fullmatch(given):
        raise validate.invalid(field, f"{given!r} is not allowed: it must match the regular expression {_ID.pattern}.")
