"""Where datasets live in the store, and the pieces of a Dataset message that several RPCs share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from google.api_core import exceptions
from google.cloud.aiplatform_v1 import types
from google.protobuf import field_mask_pb2

from gcpmlops.emulator.kernel import names, validate
from gcpmlops.emulator.kernel.service import ResourceStore
from gcpmlops.emulator.services.datasets import schemas
from gcpmlops.emulator.services.model_rows import etag

LOCATION = "projects/{project}/locations/{location}"
DATASET = LOCATION + "/datasets/{dataset}"
VERSION = DATASET + "/datasetVersions/{version}"
_SYSTEM = "aiplatform.googleapis.com/"

M = TypeVar("M")


class DatasetRows:
    """Datasets and their versions, by name."""

    def __init__(self, store: ResourceStore) -> None:
        self.datasets: Any = store.collection(types.Dataset)
        self.versions: Any = store.collection(types.DatasetVersion)
        self.items: Any = store.collection(types.DataItem)
        self.queries: Any = store.collection(types.SavedQuery)

    def get(self, name: str) -> types.Dataset:
        """Raises InvalidArgument for another form of name, NotFound."""
        names.parse(DATASET, name)
        found: types.Dataset = self.datasets.get(name)
        return found

    def version(self, name: str) -> types.DatasetVersion:
        """Raises InvalidArgument for another form of name, NotFound."""
        names.parse(VERSION, name)
        found: types.DatasetVersion = self.versions.get(name)
        return found

    def shown(self, dataset: types.Dataset) -> types.Dataset:
        """With what is computed: the saved queries, the number of data items."""
        if schemas.has_items(dataset.metadata_schema_uri):
            dataset.data_item_count = len(self.items.list(dataset.name))
        dataset.saved_queries = self.queries.list(dataset.name)
        return dataset


def stamp(message: Any) -> Any:
    """Gives a dataset or a version the etag of what it holds now."""
    message.etag = etag(message, ignore=("etag", "update_time"))
    return message


def own_labels(labels: Any) -> dict[str, str]:
    """The user's labels; those of the system are taken out. Raises InvalidArgument naming a bad one."""
    own = {key: value for key, value in labels.items() if not key.startswith(_SYSTEM)}
    validate.labels(own, "dataset.labels")
    return own


def all_labels(dataset: types.Dataset) -> dict[str, str]:
    """The user's labels and the system's."""
    return {**own_labels(dataset.labels), schemas.SYSTEM_LABEL: schemas.title(dataset.metadata_schema_uri)}


def check_display_name(text: str, field: str) -> None:
    """Raises InvalidArgument for more than 128 characters."""
    if len(text) > 128:
        raise validate.invalid(field, f"{len(text)} characters, 128 are allowed.")


def check_mask(mask: field_mask_pb2.FieldMask, allowed: Iterable[str]) -> None:
    """Raises InvalidArgument naming a field that can't be updated."""
    for path in mask.paths:
        if path.partition(".")[0] not in allowed:
            what = f"{path!r} can't be updated (only {', '.join(sorted(allowed))})."
            raise exceptions.InvalidArgument(f"update_mask: {what}")
